"""Which ways of loading a boot can take: those that its proof has to hold for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.boot import Boot, BootRequest, Path
from smecheck.boot.resolve import is_elf_load
from smecheck.evidence import Known
from smecheck.kernel.image import Scheme
from smecheck.workarea.place import offsets_anywhere
from smecheck.workarea.proof import Way, prove

if TYPE_CHECKING:
    from smecheck.boot.boot import BootRequest
    from smecheck.workarea.place import Setting
    from smecheck.workarea.placement import Placement
    from smecheck.workarea.proof import Counterexample, Proof, Way


def ways_of(boot: Boot, scheme: Scheme, *, is_elf: bool, is_open: bool) -> tuple[Way, ...]:
    """Return the ways that ``boot`` can take.

    Args:
        boot: as it was understood.
        scheme: of the kernel; those with the EFI stub of v6.6 all have .init.scratch.
        is_elf: the load put a vmlinux in place.
        is_open: nothing was said of the boot, so that every way has to hold.
    """
    if is_elf:
        return (Way.ELF,)
    first_boot = boot.path is Path.FIRST_BOOT
    ways = [] if first_boot and not is_open else [Way.KEXEC]
    if first_boot or is_open:
        ways.append(Way.BOOT_LOADER)
        if scheme is Scheme.INIT_SCRATCH:
            ways.append(Way.EFI_STUB)
    if not (isinstance(boot.kaslr, Known) and not boot.kaslr.value):
        ways.append(Way.KASLR)
    return tuple(ways)


def says_nothing(request: BootRequest) -> bool:
    """Tell whether the user leaves open how the kernel is started."""
    stated = (request.path, request.loader, request.mode, request.load_address)
    return all(value is None for value in stated)


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
        from smecheck.workarea.counterexample import Failing

        return Failing(setting, extents).counterexample(way, reserved_end)

    return prove(
        extents,
        setting.kept,
        ways_of(setting.boot, actual.scheme, is_elf=is_elf, is_open=is_open),
        scheme=actual.scheme,
        counterexample=counterexample,
    )
