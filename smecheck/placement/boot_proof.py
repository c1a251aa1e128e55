"""The proof for one boot: what the ways keep that it can take, held against the workarea."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.placement.boot import is_elf_load
from smecheck.placement.place import offsets_anywhere
from smecheck.placement.proof import prove
from smecheck.placement.ways import says_nothing, ways_of

if TYPE_CHECKING:
    from smecheck.model.boot import BootRequest
    from smecheck.model.placement import Placement
    from smecheck.model.proof import Counterexample, Proof, Way
    from smecheck.placement.place import Setting


def proof_of(setting: Setting, asked: BootRequest, actual: Placement | None) -> Proof | None:
    """Hold the workarea against what is reserved on the ways that this boot can take."""
    if actual is None:
        return None
    extents = offsets_anywhere(setting, actual.scheme)
    if extents is None:
        return None
    segments = setting.segments
    is_open = says_nothing(asked) and segments is None and setting.memory is None
    is_elf = segments is not None and is_elf_load(setting.image, segments)

    def counterexample(way: Way, reserved_end: int) -> Counterexample | None:
        from smecheck.placement.counterexample import Failing

        return Failing(setting, extents).counterexample(way, reserved_end)

    return prove(
        extents,
        setting.kept,
        ways_of(setting.boot, actual.scheme, is_elf=is_elf, is_open=is_open),
        scheme=actual.scheme,
        counterexample=counterexample,
    )
