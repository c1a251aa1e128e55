"""A bzImage loaded by kexec-tools: through its 64-bit entry, or through its 32-bit entry.

kexec-tools, kexec/arch/x86_64/kexec-bzImage64.c and kexec/arch/i386/kexec-bzImage.c.
"""

from __future__ import annotations

from smecheck.load.bzimage_facts import (
    EFI_KEXEC,
    PROTOCOL_2_05,
    PROTOCOL_2_06,
    BzImageFacts,
    NotPredictable,
)
from smecheck.load.kexec_buffers import LoadRefused
from smecheck.load.kexec_load_crash import add_crash_segments
from smecheck.load.kexec_load_setup_data import add_setup_data
from smecheck.load.kexec_option_table import BZIMAGE32_TYPE
from smecheck.load.load_state import LoadState, cmdline_bytes
from smecheck.load.placed import Buffer
from smecheck.load.request import ADDRESSES, Refusal
from smecheck.load.segments import SegmentRole
from smecheck.load.versions import ToolsChange
from smecheck.span import Span

_BZIMAGE64 = "kexec-tools, kexec-bzImage64.c, do_bzImage64_load()"
_BZIMAGE = "kexec-tools, kexec-bzImage.c, do_bzImage_load()"
_INITRD = "kexec-tools, x86-linux-setup.c, setup_linux_bootloader_parameters_high()"

PURGATORY_SIZE = 0x9000
"""Of the purgatory in kexec-tools 2.0.25 and 2.0.29 as Debian builds them."""

PURGATORY_CONTENT = 0x70E0

_ABOVE_VECTORS = 0x3000
_KERNEL_BASE = 0x100000
"""kexec-tools, KERN32_BASE."""

_INITRD_BASE = 0x1000000
_BOOT_PARAMS_SIZE = 4096
_PURGATORY_CMDLINE_SIZE = 64
_PURGATORY_END_32 = 0x80000000
"""Relocations of purgatory reach 2 GiB."""

_LOW_MEMORY_LAST = 640 << 10
"""The last byte that real-mode data may take, as the code has it: one too many."""

_KERNEL_LAST_32 = 0x37FFFFFF
INITRD_LAST = 0x37FFFFFF
"""kexec-tools, DEFAULT_BZIMAGE_ADDR_MAX and DEFAULT_INITRD_ADDR_MAX."""

_SETUP_BASE = 0x90000
_PROTOCOL_2_00 = 0x200
_PROTOCOL_2_03 = 0x203
_SHORT_CMDLINE = 255


def place_bzimage64(load: LoadState, kernel: BzImageFacts, cmdline: str) -> str:
    """Add all segments of a load through the 64-bit entry; return the kernel's command line.

    Raises:
        LoadRefused: kexec-tools gives up.
    """
    refuse_empty_initrd(load)
    _refuse_long_cmdline(cmdline, kernel)
    efi = bool(kernel.xloadflags & EFI_KEXEC)
    if load.is_crash:
        cmdline = add_crash_segments(load, cmdline, hands_over_efi=efi)
    _add_purgatory(load, ADDRESSES.end)
    size = _real_mode_size(kernel, cmdline)
    load.buffers.add(Buffer(SegmentRole.BOOT_PARAMS, size, size, _BZIMAGE64, lowest=_ABOVE_VECTORS))
    load.buffers.add(
        Buffer(
            SegmentRole.KERNEL,
            kernel.content,
            kernel.memory_size,
            f"{_BZIMAGE64}; init_size and kernel_alignment of the setup header",
            alignment=kernel.alignment,
            lowest=_lowest_kernel(load, kernel),
        )
    )
    add_initrd(load, ADDRESSES.end)
    add_setup_data(load, hands_over_efi=efi)
    return cmdline


def place_bzimage32(load: LoadState, kernel: BzImageFacts, cmdline: str) -> str:
    """Add all segments of a load through the 32-bit entry; return the kernel's command line.

    Raises:
        LoadRefused: kexec-tools gives up.
        NotPredictable: a fact is missing.
    """
    refuse_empty_initrd(load)
    if load.options.real_mode and not load.is_crash:
        raise NotPredictable(
            "what --real-mode reserves for the setup code depends on heap_end_ptr, which is not "
            "read"
        )
    if kernel.protocol >= PROTOCOL_2_06:
        _refuse_long_cmdline(cmdline, kernel)
    elif cmdline_bytes(cmdline) > _SHORT_CMDLINE:
        load.assumptions.say(
            "a kernel before boot protocol 2.06 may not read all of the command line"
        )
    relocatable = kernel.protocol >= PROTOCOL_2_05 and kernel.relocatable
    if load.is_crash and load.options.real_mode:
        text = "Can't use bzImage for crash dump purposes with real mode entry"
        raise LoadRefused(Refusal(text))
    if load.is_crash and not relocatable:
        text = "BzImage is not relocatable. Can't be used as capture kernel."
        raise LoadRefused(Refusal(text))
    # Only the probe of the 64-bit loader looks at that flag, and --type=bzImage leaves it out:
    # kexec-tools, kexec/kexec.c, my_load(); kexec-bzImage64.c, bzImage64_probe().
    probed_64 = kernel.loads_64 and load.options.file_type != BZIMAGE32_TYPE
    efi = probed_64 and bool(kernel.xloadflags & EFI_KEXEC)
    if load.is_crash:
        cmdline = add_crash_segments(load, cmdline, hands_over_efi=efi)
    end = _PURGATORY_END_32 if relocatable else _LOW_MEMORY_LAST + 1
    purgatory = _add_purgatory(load, end)
    _add_real_mode_data(load, kernel, _real_mode_size(kernel, cmdline), purgatory)
    _add_kernel32(load, kernel, relocatable=relocatable)
    has_limit = kernel.protocol >= _PROTOCOL_2_03
    add_initrd(load, (kernel.initrd_addr_max if has_limit else INITRD_LAST) + 1)
    add_setup_data(load, hands_over_efi=efi)
    return cmdline


def _refuse_long_cmdline(cmdline: str, kernel: BzImageFacts) -> None:
    length = cmdline_bytes(cmdline)
    if length > kernel.cmdline_size:
        raise LoadRefused(
            Refusal(
                "Kernel command line too long for kernel! "
                f"({length} bytes with its NUL, cmdline_size is {kernel.cmdline_size})"
            )
        )


def _real_mode_size(kernel: BzImageFacts, cmdline: str) -> int:
    setup = max(kernel.setup_bytes, _BOOT_PARAMS_SIZE)
    return setup + cmdline_bytes(cmdline) + _PURGATORY_CMDLINE_SIZE


def _lowest_kernel(load: LoadState, kernel: BzImageFacts) -> int:
    if ToolsChange.ABOVE_PREF_ADDRESS.is_in(load.tools):
        return max(_KERNEL_BASE, kernel.pref_address)
    return _KERNEL_BASE


def _add_purgatory(load: LoadState, end: int) -> Span:
    return add_purgatory(load, _BZIMAGE64, lowest=_ABOVE_VECTORS, end=end, from_top=True)


def add_purgatory(load: LoadState, source: str, *, lowest: int, end: int, from_top: bool) -> Span:
    """Add the code that runs between the two kernels.

    Raises:
        LoadRefused: there is no room.
    """
    size = load.assumptions.take(
        "purgatory",
        load.request.host.purgatory_size,
        PURGATORY_SIZE,
        f"purgatory takes {PURGATORY_SIZE:#x} bytes, as in kexec-tools 2.0.25 and 2.0.29 of Debian",
    )
    return load.buffers.add(
        Buffer(
            SegmentRole.PURGATORY,
            PURGATORY_CONTENT if size == PURGATORY_SIZE else None,
            size,
            source,
            lowest=lowest,
            end=end,
            from_top=from_top,
        )
    )


def _add_real_mode_data(load: LoadState, kernel: BzImageFacts, size: int, purgatory: Span) -> None:
    if not load.is_crash and kernel.protocol < _PROTOCOL_2_00:
        span = Span.sized(_SETUP_BASE, size)
        load.buffers.add_at(SegmentRole.BOOT_PARAMS, size, span, _BZIMAGE)
    else:
        span = load.buffers.add(
            Buffer(
                SegmentRole.BOOT_PARAMS,
                size,
                size,
                _BZIMAGE,
                lowest=_ABOVE_VECTORS,
                end=ADDRESSES.end if load.is_crash else _LOW_MEMORY_LAST + 1,
                from_top=load.is_crash,
            )
        )
    if purgatory.start < span.start:
        text = "Could not put setup code above the kernel parameters"
        raise LoadRefused(Refusal(text))


def _add_kernel32(load: LoadState, kernel: BzImageFacts, *, relocatable: bool) -> None:
    keeps_all = ToolsChange.ENTRY32_INIT_SIZE.is_in(load.tools)
    if kernel.content is None:
        raise NotPredictable(
            "the size of the bzImage file, which the 32-bit loader uses, is not known"
        )
    if not relocatable:
        span = Span.sized(_KERNEL_BASE, kernel.content)
        load.buffers.add_at(SegmentRole.KERNEL, kernel.content, span, _BZIMAGE)
        return
    load.buffers.add(
        Buffer(
            SegmentRole.KERNEL,
            kernel.content,
            kernel.memory_size if keeps_all else kernel.content,
            f"kexec-tools since {ToolsChange.ENTRY32_INIT_SIZE.source}"
            if keeps_all
            else f"{_BZIMAGE}: the file's size",
            alignment=kernel.alignment,
            lowest=_lowest_kernel(load, kernel),
            end=min(_KERNEL_LAST_32, kernel.initrd_addr_max) + 1,
            from_top=False,
        )
    )


def refuse_empty_initrd(load: LoadState) -> None:
    """Refuse an initrd file without content, which kexec-tools reads before it places anything.

    kexec-tools, kexec/kexec.c, slurp_file(): mmap() takes no length of 0.

    Raises:
        LoadRefused: it is one.
    """
    if load.request.initrd_size == 0:
        raise LoadRefused(Refusal("Cannot read the initrd: the file is empty"))


def add_initrd(load: LoadState, end: int) -> None:
    """Add the initrd, where there is one.

    Raises:
        LoadRefused: there is no room.
    """
    size = load.request.initrd_size
    if size is None:
        return
    load.buffers.add(Buffer(SegmentRole.INITRD, size, size, _INITRD, lowest=_INITRD_BASE, end=end))
