"""What maps, logs, symbols and loads among the members say, as facts with their places."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.evidence import Known, value_of
from smecheck.kernel.image import KernelConfig, KernelImage
from smecheck.load.segments import SegmentList, SegmentRole
from smecheck.machine.kernel_log import KernelLog, LoggedBoot
from smecheck.machine.memory import MemoryMap
from smecheck.quantity import address_text, size_text
from smecheck.record import replace
from smecheck.span import Span
from smecheck.support_case.crash_cmdline import crash_cmdline
from smecheck.support_case.crash_files import crash_image, crash_initrd
from smecheck.support_case.triage_report import Evidence, FactName, LogEvidence, TriageFact

_KEY_SYMBOLS = ("_text", "_end", "__init_scratch_begin", "sme_workarea")


def with_stated_facts(evidence: Evidence) -> Evidence:
    """Add to the facts what the other things say that were read."""
    facts = list(evidence.facts)
    for memory in evidence.iomems:
        facts += _of_memory(memory)
    for log in evidence.logs:
        facts += _of_log(log)
    for load in evidence.loads:
        facts += _of_load(load)
    for symbols in evidence.symbols:
        facts.append(_of_symbols(symbols))
    for config in evidence.configs:
        facts += _of_config(config)
    for seen in evidence.signs:
        facts.append(TriageFact(FactName.SIGN, seen.text, seen.member, seen.line))
    stated = replace(evidence, facts=tuple(dict.fromkeys(facts)))
    return replace(stated, facts=(*stated.facts, *_of_crash_kernel(stated)))


def span_text(span: Span) -> str:
    """Return a span as a fact's value: half-open, and its size."""
    return f"[{address_text(span.start)}, {address_text(span.end)}) {size_text(span.size)}"


def place_of(where: str) -> tuple[str, int | None]:
    """Split a place as readers give it, ``dmesg.txt:12``, into the file and the line."""
    member, colon, rest = where.rpartition(":")
    if colon and rest.strip().isdecimal():
        return member, int(rest)
    head, colon, _ = where.partition(": ")
    return place_of(head) if colon else (where, None)


def _stated(name: FactName, value: str, where: str) -> TriageFact:
    member, line = place_of(where)
    return TriageFact(name, value, member, line)


def _of_memory(memory: MemoryMap) -> Iterator[TriageFact]:
    kind = "complete" if memory.complete else "a fragment"
    count = len(memory.regions)
    yield TriageFact(FactName.MEMORY_MAP, f"iomem, {kind}, {count} resources", memory.source)
    for region in memory.crash_kernel:
        where = memory.where(region)
        yield _stated(FactName.RESERVATION, span_text(region.span), where)


def _of_log(evidence: LogEvidence) -> Iterator[TriageFact]:
    log, boot = evidence.log, evidence.log.boot
    for load in evidence.loads:
        yield from _of_load(load)
    if evidence.is_crash:
        return
    if evidence.is_running:
        yield from _of_running(log, boot)
    if boot.encryption is not None:
        yield _stated(FactName.SME, boot.encryption.text, boot.encryption.where)
    if boot.hypervisor is not None:
        yield _stated(FactName.HYPERVISOR, boot.hypervisor.text, boot.hypervisor.where)


def _of_running(log: KernelLog, boot: LoggedBoot) -> Iterator[TriageFact]:
    if isinstance(boot.release, Known):
        yield _stated(FactName.RELEASE, boot.release.value, boot.release.origin)
    if isinstance(boot.cmdline, Known):
        yield _stated(FactName.CMDLINE, boot.cmdline.value, boot.cmdline.origin)
    if isinstance(boot.cpus, Known):
        yield _stated(FactName.CPUS, str(boot.cpus.value), boot.cpus.origin)
    if boot.firmware_map is not None:
        count = len(boot.firmware_map.ranges)
        yield TriageFact(FactName.MEMORY_MAP, f"e820, {count} ranges", log.source)
    for reserved in boot.crash_reservations:
        yield _stated(FactName.RESERVATION, span_text(reserved.span), reserved.where)
    for failure in boot.crash_failures:
        yield _stated(FactName.RESERVATION_FAILED, failure.text, failure.where)
    if boot.efi_map is not None or boot.efi_tables:
        where = boot.efi_tables[0].where if boot.efi_tables else log.source
        yield _stated(FactName.EFI, "yes", where)


def _of_load(load: SegmentList) -> Iterator[TriageFact]:
    loader, mode = value_of(load.loader), value_of(load.mode)
    kernel = [one for one in load.segments if one.role is SegmentRole.KERNEL]
    call = loader.value if loader is not None else "a load"
    of_mode = f" of mode {mode.value}" if mode is not None else ""
    if load.refusal is not None:
        yield _stated(FactName.LOAD_FAILED, load.refusal, load.source)
    elif kernel:
        value = f"{call}{of_mode}: kernel at {span_text(kernel[0].span)}"
        yield _stated(FactName.LOAD, value, kernel[0].where)
    if isinstance(load.cmdline, Known) and load.is_crash:
        yield _stated(FactName.CRASH_CMDLINE, load.cmdline.value, load.cmdline.origin)


def _of_symbols(image: KernelImage) -> TriageFact:
    known = [f"{name} {address_text(image.symbols[name])}" for name in _KEY_SYMBOLS
             if name in image.symbols]  # fmt: skip
    where = image.symbol_origin("_text")
    member, line = place_of(where)
    return TriageFact(FactName.SYMBOLS, ", ".join(known), member, line)


def _of_config(config: KernelConfig) -> Iterator[TriageFact]:
    for option, value in config.options.items():
        yield _stated(FactName.CONFIG, f"{option}={value}", config.origins[option])


def _of_crash_kernel(evidence: Evidence) -> Iterator[TriageFact]:
    """Yield what follows from several members together."""
    if not evidence.said(FactName.CRASH_CMDLINE):
        cmdline = crash_cmdline(evidence)
        if isinstance(cmdline, Known):
            yield TriageFact(FactName.CRASH_CMDLINE, cmdline.value, cmdline.origin)
    initrd, image = crash_initrd(evidence), crash_image(evidence)
    if initrd is not None:
        size = f"{initrd.size} bytes, {initrd.path}"
        yield TriageFact(FactName.INITRD_SIZE, size, initrd.member, initrd.line)
    if image is not None:
        size = f"{image.size} bytes, {image.path}"
        yield TriageFact(FactName.KERNEL_FILE_SIZE, size, image.member, image.line)
