"""Which ways of loading a boot can take: those that its proof has to hold for."""

from __future__ import annotations

from smecheck.evidence import Known
from smecheck.model.boot import Boot, BootRequest, Path
from smecheck.model.kernel import Scheme
from smecheck.model.proof import Way


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
