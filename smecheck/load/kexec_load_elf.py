"""A vmlinux ELF loaded by kexec-tools: every part where its program header says.

kexec-tools, kexec/arch/x86_64/kexec-elf-x86_64.c, elf_x86_64_load().
"""

from __future__ import annotations

from smecheck.load.bzimage_facts import NotPredictable
from smecheck.load.kexec_buffers import LoadRefused
from smecheck.load.kexec_load_bzimage import (
    INITRD_LAST,
    add_initrd,
    add_purgatory,
    refuse_empty_initrd,
)
from smecheck.load.kexec_load_crash import add_crash_segments
from smecheck.load.kexec_load_setup_data import add_setup_data
from smecheck.load.load_state import LoadState, cmdline_bytes
from smecheck.load.placed import Buffer
from smecheck.load.request import ADDRESSES, Refusal
from smecheck.load.segments import SegmentRole
from smecheck.span import Span, align_up

_SOURCE = "kexec-tools, kexec-elf-x86_64.c, elf_x86_64_load()"
_PARAMETERS_SIZE = 0x16EC
"""struct x86_linux_faked_param_header of kexec-tools 2.0.25: zero page and command line."""

_NOTES_SIZE = 0x40
"""struct boot_notes of kexec-tools, without the command line; any such size is one page."""


def place_elf(load: LoadState, cmdline: str) -> str:
    """Add all segments of a vmlinux; return the kernel's command line.

    Raises:
        LoadRefused: kexec-tools gives up.
        NotPredictable: the image has no program headers.
    """
    loads = load.request.image.loads
    if not loads:
        raise NotPredictable("the program headers of the vmlinux are not known")
    for part in loads:
        span = Span.sized(part.paddr, part.memsz)
        load.buffers.add_at(SegmentRole.KERNEL, part.filesz, span, "program header of the vmlinux")
    style = load.options.elf_arguments or "elf"
    if style != "none":
        add_purgatory(load, _SOURCE, lowest=0, end=ADDRESSES.end, from_top=False)
    if style == "elf":
        size = _NOTES_SIZE + align_up(cmdline_bytes(cmdline), 4)
        load.buffers.add(Buffer(SegmentRole.OTHER, size, size, _SOURCE, from_top=False))
        if load.request.initrd_size is not None:
            text = "Ramdisks not supported with generic elf arguments"
            raise LoadRefused(Refusal(text))
    if style == "linux":
        load.buffers.add(
            Buffer(
                SegmentRole.BOOT_PARAMS,
                _PARAMETERS_SIZE,
                _PARAMETERS_SIZE,
                _SOURCE,
                from_top=False,
            )
        )
        refuse_empty_initrd(load)
        if load.is_crash:
            cmdline = add_crash_segments(load, cmdline, hands_over_efi=False)
        add_initrd(load, INITRD_LAST + 1)
        add_setup_data(load, hands_over_efi=False)
    return cmdline
