"""The proof for one boot: the ways of loading that it can take, and what each reserves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import BootRequest, Path
from smecheck.boot.boot import Boot
from smecheck.boot.decompressor import landing
from smecheck.evidence import Known, Unknown
from smecheck.kernel.image import Scheme
from smecheck.load.segments import SegmentRole
from smecheck.quantity import address_text
from smecheck.record import replace
from smecheck.workarea.place import offsets_anywhere
from smecheck.workarea.proof import prove
from smecheck.workarea.proven import Way

if TYPE_CHECKING:
    from smecheck.case import Located, Resolved
    from smecheck.workarea.proven import Counterexample, Proof


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


def _kept_by_the_load(located: Located) -> Known[int] | None:
    """Return what the load at hand keeps from ``_text`` on, where that is less than it should be.

    It keeps its kernel segment. A kernel that is loaded where it cannot run runs further up
    (SME018), if KASLR does not move it; and a loader may keep the size of the file only.
    """
    segments, rules = located.segments, located.rules
    kernel = segments.of(SegmentRole.KERNEL) if segments is not None else ()
    if segments is None or not kernel:
        return None
    is_elf = located.without_decompressor
    start, end = kernel[0].span.start, max(segment.span.end for segment in kernel)
    base = Known(start, "a vmlinux") if is_elf else landing(start, rules)
    should = located.kept.image_end if is_elf else located.kept.init_size
    if isinstance(base, Unknown) or isinstance(should, Unknown):
        return None
    left = max(end - base.value, 0)
    if left >= should.value:
        return None
    why = f"the kernel segment ends at {address_text(end)}"
    if base.value != start:
        why += f", and what is loaded at {address_text(start)} runs at {address_text(base.value)}"
    return Known(left, why)


def proof_of(resolved: Resolved, *, with_examples: bool = True) -> Proof | None:
    """Hold the workarea against what is reserved on the ways that this boot can take.

    Args:
        resolved: the boot, the load and the workarea.
        with_examples: whether to make a counterexample for each way that fails.
    """
    actual = resolved.actual
    if actual is None:
        return None
    extents = offsets_anywhere(resolved, actual.scheme)
    if extents is None:
        return None
    is_open = (
        says_nothing(resolved.case.boot) and resolved.segments is None and resolved.memory is None
    )

    def counterexample(way: Way, reserved_end: int) -> Counterexample | None:
        if not with_examples:
            return None
        from smecheck.workarea.counterexample import Failing

        return Failing(resolved, extents).counterexample(way, reserved_end)

    return prove(
        extents,
        resolved.kept,
        ways_of(
            resolved.boot,
            actual.scheme,
            is_elf=resolved.without_decompressor,
            is_open=is_open,
        ),
        scheme=actual.scheme,
        of_the_load=_kept_by_the_load(resolved),
        counterexample=counterexample,
    )


def voided(proof: Proof | None, why: str) -> Proof | None:
    """Return the proof as one that counts for nothing: what it rests on is not as it is said."""
    return None if proof is None else replace(proof, holds=False, by_luck=False, paths=(), void=why)
