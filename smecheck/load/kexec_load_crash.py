"""What kexec-tools loads for a crash kernel before everything else: backup and elfcorehdr.

kexec-tools, kexec/arch/i386/crashdump-x86.c, load_crashdump_segments().
"""

from __future__ import annotations

from smecheck.load.crash_map import CrashRange, backup_source, not_ram, ranges_to_dump
from smecheck.load.elfcorehdr import CPUS, headers_size, size_for_hotplug
from smecheck.load.kexec_buffers import LoadRefused
from smecheck.load.load_state import LoadState, with_word
from smecheck.load.placed import Buffer
from smecheck.load.request import Refusal
from smecheck.load.segments import SegmentRole
from smecheck.load.versions import ToolsChange
from smecheck.machine.firmware import E820Type
from smecheck.machine.memory import MemoryMap
from smecheck.span import Span, align_up

_SOURCE = "kexec-tools, crashdump-x86.c, load_crashdump_segments()"
_ALIGN = 1024
_ELFCOREHDR_MINIMUM = 16 << 10
"""kexec-tools, load_crashdump_segments(): room for a gap that some linkers left after the bss."""


def add_crash_segments(load: LoadState, cmdline: str, *, hands_over_efi: bool) -> str:
    """Add backup and elfcorehdr; return the command line with what kexec-tools adds to it.

    Args:
        load: the load so far.
        cmdline: what kexec was given.
        hands_over_efi: the kernel takes the EFI runtime map in setup_data.

    Raises:
        LoadRefused: kexec-tools gives up.
    """
    memory = load.iomem
    if memory is None:
        raise ValueError("a crash kernel is loaded by /proc/iomem")
    ranges = ranges_to_dump(memory, load.reserved, load.tools)
    if ranges is None:
        raise LoadRefused(Refusal("Error: Number of crash memory ranges excedeed the max limit"))
    source = backup_source(ranges)
    _refuse_unknown_kernel(load, memory)
    usable = load.usable
    _set_usable(load, source)
    backup = load.buffers.add(
        Buffer(
            SegmentRole.BACKUP,
            align_up(source.size, _ALIGN),
            align_up(source.size, _ALIGN),
            f"{_SOURCE}; low memory {source}",
            alignment=_ALIGN,
        )
    )
    if not usable.remove(Span.sized(backup.start, align_up(source.size, _ALIGN))):
        raise LoadRefused(Refusal("Cannot load the kernel"))
    content = _elfcorehdr_content(load, ranges)
    kept = max(content, _ELFCOREHDR_MINIMUM)
    if load.options.hotplug:
        kept = align_up(size_for_hotplug(load.request, load.assumptions), _ALIGN)
    header = load.buffers.add(
        Buffer(SegmentRole.ELFCOREHDR, content, kept, _SOURCE, alignment=_ALIGN)
    )
    if not usable.remove(Span.sized(header.start, kept)):
        raise LoadRefused(Refusal("Cannot load the kernel"))
    if not (hands_over_efi and load.efi_entries and not load.options.no_efi):
        cmdline = _with_rsdp(load, cmdline)
    cmdline = with_word(cmdline, f"elfcorehdr={header.start // _ALIGN}K")
    usable.add_all(not_ram(ranges))
    if load.options.memmap_on_cmdline:
        for word in usable.cmdline_words():
            cmdline = with_word(cmdline, word)
    return cmdline


def _refuse_unknown_kernel(load: LoadState, memory: MemoryMap) -> None:
    """Refuse where /proc/iomem does not show one running kernel (get_kernel_paddr())."""
    if len(list(memory.named("Kernel code"))) == 1:
        return
    if memory.shows_kernel:
        raise LoadRefused(Refusal("Cannot determine kernel physical load addr"))
    load.assumptions.say("/proc/iomem has a line Kernel code, without which kexec-tools gives up")


def _set_usable(load: LoadState, source: Span) -> None:
    load.usable.add(source.start, source.end, E820Type.RAM)
    for span in load.reserved:
        if not load.usable.add(span.start, span.end, E820Type.RAM):
            raise LoadRefused(_not_usable(span, load))


def _not_usable(span: Span, load: LoadState) -> Refusal:
    if ToolsChange.SHRINKS_RESERVATIONS.is_in(load.tools):
        return Refusal("No crash kernel segment found in /proc/iomem")
    return Refusal(
        f"Cannot load the kernel: Crash kernel {span} is not whole KiB, or meets another"
    )


def _elfcorehdr_content(load: LoadState, ranges: tuple[CrashRange, ...]) -> int:
    """Return the size of the ELF headers: a note per CPU, vmcoreinfo, the kernel, and the ranges.

    kexec-tools, kexec/crashdump-elf.c.
    """
    host = load.request.host
    cpus = load.assumptions.take(
        "cpus", host.cpus, CPUS, f"{CPUS} possible CPUs (up to about 250, elfcorehdr takes 16 KiB)"
    )
    vmcoreinfo = load.assumptions.take(
        "vmcoreinfo", host.vmcoreinfo, True, "the running kernel provides vmcoreinfo"
    )
    headers = cpus + int(vmcoreinfo) + len(ranges) + 1
    return align_up(headers_size(headers), _ALIGN)


def _with_rsdp(load: LoadState, cmdline: str) -> str:
    rsdp = load.assumptions.take(
        "acpi_rsdp",
        load.request.host.acpi_rsdp,
        0,
        "kexec-tools finds no RSDP to pass on (acpi_rsdp= would lengthen the command line)",
    )
    return with_word(cmdline, f"acpi_rsdp={rsdp:#x}") if rsdp else cmdline
