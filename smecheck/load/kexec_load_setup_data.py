"""What kexec-tools passes in setup_data: pages placed last, from 1 MiB upwards.

kexec-tools, kexec/arch/i386/x86-linux-setup.c, setup_linux_system_parameters().
"""

from __future__ import annotations

from smecheck.load.load_state import LoadState
from smecheck.load.placed import Buffer
from smecheck.load.segments import SegmentRole
from smecheck.load.versions import ToolsChange

_SOURCE = "kexec-tools, x86-linux-setup.c"
_LOWEST = 0x100000
_HEADER = 16
_EFI_DATA = 96
"""struct efi_setup_data."""

_EFI_ENTRY = 40
_E820_ENTRY = 20
_E820_LIMIT = 128
"""kexec-tools, E820MAX: entries that the zero page holds."""

_SEED = 32


def add_setup_data(load: LoadState, *, hands_over_efi: bool) -> None:
    """Add the pages for EFI, for a long memory map and for the seed of random numbers.

    Raises:
        LoadRefused: there is no room.
    """
    if hands_over_efi and load.efi_entries and not load.options.no_efi:
        _add(load, SegmentRole.SETUP_DATA, _HEADER + _EFI_DATA, "setup_efi_data()")
        _add(load, SegmentRole.EFI_MEMMAP, _EFI_ENTRY * load.efi_entries, "setup_efi_data()")
    if load.is_crash and not load.options.memmap_on_cmdline:
        entries = len(load.usable.ranges)
    else:
        entries = len(load.buffers.candidates.ranges)
    if entries > _E820_LIMIT:
        size = _HEADER + _E820_ENTRY * (entries - _E820_LIMIT)
        _add(load, SegmentRole.E820_EXT, size, f"setup_e820_ext(), {entries} ranges")
    if ToolsChange.RNG_SEED.is_in(load.tools):
        seeded = load.assumptions.take(
            "rng_seed",
            load.request.host.rng_seed,
            True,
            "the random number generator was ready, so that kexec-tools passes a seed",
        )
        if seeded:
            _add(
                load, SegmentRole.RNG_SEED, _HEADER + _SEED, f"since {ToolsChange.RNG_SEED.source}"
            )


def _add(load: LoadState, role: SegmentRole, size: int, source: str) -> None:
    load.buffers.add(
        Buffer(role, size, size, f"{_SOURCE}, {source}", lowest=_LOWEST, from_top=False)
    )
