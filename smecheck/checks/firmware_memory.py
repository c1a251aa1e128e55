"""Memory of the firmware that no memory map shows; and what the kernel that died said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Effect, Party, Severity
from smecheck.checks.rule import Observation, rule
from smecheck.evidence import Known, value_of
from smecheck.machine.firmware import EFI_MEMORY_RUNTIME, EfiType
from smecheck.machine.kernel_log import LoggedBoot
from smecheck.quantity import address_text, size_text
from smecheck.record import record
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.case import Resolved

_RUNTIME = {
    EfiType.RUNTIME_SERVICES_CODE: "EFI runtime services code",
    EfiType.RUNTIME_SERVICES_DATA: "EFI runtime services data",
}
_MMIO = (11, 12)
"""EFI_MEMORY_MAPPED_IO, EFI_MEMORY_MAPPED_IO_PORT_SPACE: include/linux/efi.h. No memory."""


@record
class _Kept:
    """Memory of the firmware."""

    name: str
    span: Span
    where: str
    severity: Severity


@rule(
    "SME042",
    "memory of the EFI firmware is overwritten",
    Severity.ERROR,
    passed="firmware's memory is left alone",
    brief="EFI firmware overwritten",
    about_load=True,
    needs=(needs.efi_lines,),
    remedy="load it elsewhere (kexec --mem-max below that place), or boot it with noefi",
)
def over_firmware_memory(resolved: Resolved) -> Iterator[Observation]:
    """A segment, or the workarea, lies over memory that the EFI firmware still uses.

    Tables such as the ESRT lie in memory that e820 and /proc/iomem call System RAM; the running
    kernel reserves them without a trace there, and kexec places segments over them. The kernel that
    is loaded then reads garbage where it expects the table ("esrt: Unsupported ESRT version").
    Code or data of the runtime services are reserved in e820, too; where they are overwritten all
    the same, the first call into the firmware goes astray: an error. That a segment lies over the
    address of some other table is a note: many are copied, or read only once.

    The log shows the EFI memory map only if the kernel was booted with efi=debug.

    Passes: a load beside the ESRT.
    Fails: the kernel segment at 0x73000000 of a laptop whose ESRT lies at 0x74dd6f98.
    Sources: kexec list, 2019-11-22, "kexec_file overwrites reserved EFI ESRT memory";
    drivers/firmware/efi/esrt.c, v5.0 to v7.3.
    """
    log = resolved.log
    if log is None:
        return
    users = list(_written(resolved))
    for kept in _kept_by_firmware(log.boot):
        for name, span in users:
            met = kept.span & span
            if met:
                yield Observation(
                    severity=kept.severity,
                    message=f"{name} lies over {kept.name} ({kept.where}): "
                    f"{size_text(met.size)} at {address_text(met.start)}"
                    if kept.span.size > 1
                    else f"{name} lies over {kept.name} at {address_text(met.start)} "
                    f"({kept.where})",
                    span=met,
                    other=Party(kept.name, kept.span),
                    remedy="nothing to do if the loaded kernel does without that table"
                    if kept.severity is Severity.NOTE
                    else "",
                )


@rule(
    "SME043",
    "the dead kernel's console contradicts these inputs",
    Severity.ERROR,
    passed="dead kernel's console agrees",
    brief="dead kernel's console differs",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.unfinished_kernel,),
    remedy="give the kernel and the load of the boot that died: its console shows another one",
)
def console_says_otherwise(resolved: Resolved) -> Iterator[Observation]:
    """The decompressor of a kernel that printed nothing else printed other numbers than these.

    With earlyprintk on its command line, a decompressor prints where it is about to unpack the
    kernel (``output``, before KASLR moves it) and how large the kernel is (``kernel_total_size``,
    from _text to _end). If a kernel log ends there, that kernel died, and it is most likely the one
    in question. Where its numbers differ, the kernel or the load given is a different one.

    Passes: output 0x10000000 for a kernel that is loaded there.
    Fails: output 0x10200000 for it.
    Sources: arch/x86/boot/compressed/misc.c, extract_kernel(), v5.7 to v7.3; lkml, 2020-06-13, "AMD
    SME + KASAN = doom".
    """
    dead = resolved.log.unfinished if resolved.log is not None else None
    if dead is None:
        return
    facts, boot = resolved.facts, resolved.boot
    text, end, total = facts.text, facts.end, dead.kernel_total_size
    if isinstance(text, Known) and isinstance(end, Known) and isinstance(total, Known):
        size = end.value - text.value
        if total.value != size:
            yield Observation(
                message=f"the kernel has {size_text(size)} from _text to _end, the one that died "
                f"{size_text(total.value)} ({total.origin})",
            )
    output, base = dead.output, boot.kernel_base
    if resolved.kernel_moved or value_of(boot.load_address) is None:
        return
    if isinstance(output, Known) and isinstance(base, Known) and output.value != base.value:
        yield Observation(
            message=f"this load would unpack the kernel at {address_text(base.value)}, the one "
            f"that died did at {address_text(output.value)} ({output.origin})",
        )


def _written(resolved: Resolved) -> Iterator[tuple[str, Span]]:
    for segment in resolved.segments.segments if resolved.segments else ():
        yield segment.role.value, segment.span
    extents, placement = resolved.extents, resolved.placement
    if extents is not None and placement.actual:
        last = extents.written_end if placement.written_is_exact else extents.worst_end
        yield "the workarea", Span(extents.start, max(last, extents.start))


def _kept_by_firmware(boot: LoggedBoot) -> Iterator[_Kept]:
    seen: set[Span] = set()
    if boot.esrt is not None:
        seen.add(boot.esrt.span)
        yield _Kept("the ESRT", boot.esrt.span, boot.esrt.where, Severity.WARNING)
    for efi in (boot.efi_map, boot.efi_runtime_map):
        for entry in efi.ranges if efi is not None else ():
            name = next((_RUNTIME[kind] for kind in _RUNTIME if kind == entry.type), None)
            stays = name is not None or entry.attribute & EFI_MEMORY_RUNTIME
            if stays and entry.type not in _MMIO and entry.span not in seen:
                seen.add(entry.span)
                severity = Severity.ERROR if name else Severity.WARNING
                name = name or "memory that the EFI firmware uses at run time"
                yield _Kept(name, entry.span, entry.where, severity)
    for table in boot.efi_tables:
        byte = Span.sized(table.address, 1)
        if not any(span.covers(byte) for span in seen):
            yield _Kept(f"the EFI table {table.name}", byte, table.where, Severity.NOTE)


RULES = (over_firmware_memory, console_says_otherwise)
