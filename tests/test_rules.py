"""Every rule: a situation in which it fires, and one beside it in which it does not.

The kernel is the small v5.0 kernel of the recorded experiments. At 256 MiB its _end is 0x10a16000,
its segment of init_size bytes ends at 0x10d41000; its workarea is written from 0x10c00000 to
0x10e07000, with an initrd at worst to 0x10e2b000, and mapped to 0x11000000.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path as FilePath

import pytest
from recorded import kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Report, Verdict
from smecheck.asked import BootRequest, GivenInitrd, Paging, Path, Switch, asked_by_options
from smecheck.case import Case
from smecheck.checks import catalogue
from smecheck.checks.catalogue import RULES
from smecheck.checks.finding import Finding, Severity
from smecheck.checks.rule import Rule
from smecheck.evidence import Known, Unknown
from smecheck.kernel.early_code import Addressing, EarlyCode, LinkAddressAccess
from smecheck.kernel.image import KernelImage, Misfit, Section
from smecheck.kernel.verification import (
    Aspect,
    CodePlace,
    Difference,
    KnownDifference,
    Result,
    Verification,
)
from smecheck.load.segments import Loader, Mode
from smecheck.machine.firmware import FirmwareMap, FirmwareMapKind
from smecheck.machine.kernel_log import KernelLog
from smecheck.machine.memory import MemoryMap
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.machine.iomem import parse_iomem
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.span import Span

PACKAGE = FilePath(catalogue.__file__).parents[1]
OLD = kernel("5.0-old")
NEW = kernel("6.1.0-56-amd64")
NEWER = kernel("6.12.117+deb12-amd64")
PAGE, FRAME, GIB = 0x1000, 2 << 20, 1 << 30
WRITTEN_END, WORST_END, MAPPED_END = 0x10E07000, 0x10E2B000, 0x11000000
UNMOVED = asked_by_options(cmdline="nokaslr mem_encrypt=on", sme=Switch.ON)
PREDICTED_CRASH = asked_by_options(
    loader=Loader.KEXEC_LOAD, mode=Mode.CRASH, cmdline="nokaslr mem_encrypt=on", sme=Switch.ON
)
HIDDEN_INITRD = asked_by_options(initrd=GivenInitrd(1 << 20)).completed(by=UNMOVED)
"""An initrd without a place: the number of page-table pages is not exact."""


def at(start: int, size: int = PAGE) -> Span:
    return Span.sized(start, size)


KERNEL = at(0x10000000, 0xD41000)
FAR = at(0x98000, 0x2000)
"""Where kexec_file_load of 6.1 puts boot_params."""


@dataclass(frozen=True)
class Seen:
    severity: Severity
    span: Span | None
    condition: str | None
    """A part of it; ``None``: it is certain."""


def error(span: Span | None = None, condition: str | None = None) -> Seen:
    return Seen(Severity.ERROR, span, condition)


def warning(span: Span | None = None, condition: str | None = None) -> Seen:
    return Seen(Severity.WARNING, span, condition)


def note(span: Span | None = None, condition: str | None = None) -> Seen:
    return Seen(Severity.NOTE, span, condition)


@dataclass(frozen=True)
class Example:
    rule: str
    what: str
    expected: tuple[Seen, ...] = ()
    spans: dict[str, Span] = field(default_factory=dict)
    image: KernelImage = OLD
    request: BootRequest = UNMOVED
    memory: MemoryMap | None = None
    refusal: str | None = None
    log: KernelLog | None = None
    firmware: FirmwareMap | None = None
    verification: Verification | None = None

    @property
    def report(self) -> Report:
        segments = segment_list(**self.spans) if self.spans else None
        if segments is not None:
            segments = replace(segments, refusal=self.refusal)
        return analyze(
            Case(
                self.image,
                self.request,
                segments,
                self.memory,
                firmware=self.firmware,
                log=self.log,
                verification=self.verification,
            )
        )

    @property
    def findings(self) -> list[Finding]:
        return [finding for finding in self.report.findings if finding.rule == self.rule]


def machine(*lines: str, ram_end: int = 0x7FFE0000, whole: bool = True) -> MemoryMap:
    first = ["00000000-00000fff : Reserved", "00001000-0009ffff : System RAM"] if whole else []
    ram = f"00100000-{ram_end - 1:08x} : System RAM"
    return parse_iomem("\n".join([*first, ram, *lines, ""]), "iomem")


def crash_kernel(end: int) -> MemoryMap:
    return machine(f"  0c000000-{end - 1:08x} : Crash kernel")


TWO_RESERVED = machine("  0c000000-10d40fff : Crash kernel", "  20000000-2fffffff : Crash kernel")


NOT_IN_RAM = machine("20000000-2fffffff : Crash kernel", ram_end=0x20000000)
ALONE = "  0c000000-20000fff : Crash kernel\n"


def running(bss: int) -> MemoryMap:
    code = "  01000000-01500000 : Kernel code"
    return machine(code, f"  {bss:08x}-01ffffff : Kernel bss")


def with_header(image: KernelImage, **fields: int | bool) -> KernelImage:
    known = {name: Known(value, "a test") for name, value in fields.items()}
    return replace(image, header=replace(image.header, **known))


OLD_END = 0xFFFFFFFF81A16000


def of_file(**fields: int) -> KernelImage:
    return replace(OLD, header=replace(OLD.header, other={**OLD.header.other, **fields}))


def ending(end: int, image: KernelImage = NEW) -> KernelImage:
    """Return a kernel whose _end is said to be elsewhere."""
    return replace(image, symbols={**image.symbols, "_end": end})


def bare(limit: str = "__brk_limit", *, loads: bool = False) -> KernelImage:
    """Return the v5.0 kernel by its symbols alone, or by the LOADs and no other symbol of .brk."""
    kept = {"_text": OLD.symbols["_text"], "_end": OLD_END}
    symbols = kept if loads else {**kept, limit: OLD.symbols[limit]}
    return replace(OLD, symbols=symbols, sections=(), loads=OLD.loads if loads else ())


def scratch(offset: int = 0x3600000, size: int = 4 << 20, kind: str = "PROGBITS") -> KernelImage:
    """Return the 6.1 kernel with its section elsewhere, of another size, or of another type."""
    others = tuple(section for section in NEW.sections if section.name != ".init.scratch")
    section = Section(".init.scratch", 0xFFFFFFFF81000000 + offset, size, kind)
    return replace(NEW, sections=(*others, section))


def released(version: str) -> KernelImage:
    return replace(OLD, release=Known(version, "a test"), sections_complete=True)


def reserving(address: int, image: KernelImage = OLD) -> KernelImage:
    symbols = {**image.symbols, "__end_of_kernel_reserve": address}
    unknown = Unknown("a test")
    return replace(image, symbols=symbols, release=unknown, sections_complete=True)


def configured(image: KernelImage, **options: str) -> KernelImage:
    return replace(image, config=options)


def flagged(xloadflags: int) -> KernelImage:
    return replace(NEW, header=replace(NEW.header, other={"xloadflags": xloadflags}))


def loads(image: KernelImage, shorter: int) -> KernelImage:
    *others, last = image.loads
    size = last.memsz - shorter
    return replace(image, loads=(*others, replace(last, filesz=size, memsz=size)))


def at_symbol(address: int) -> KernelImage:
    return replace(NEW, symbols={**NEW.symbols, "sme_workarea": address})


def coded(*accesses: LinkAddressAccess, not_followed: tuple[str, ...] = ()) -> KernelImage:
    """Return the 6.1 kernel with what was found in its early code."""
    return replace(NEW, early_code=Known(EarlyCode(accesses, not_followed), "a test"))


ACCESS = LinkAddressAccess(
    0xFFFFFFFF81916224,
    "f60425058f8a8108",
    Addressing.ABSOLUTE,
    0xFFFFFFFF818A8F05,
    "boot_cpu_data+0x4d",
    ("sme_encrypt_kernel", "sme_prepare_pgd+0xee", ".altinstr_aux+0x1929"),
)
OTHER_ACCESS = replace(ACCESS, address=0xFFFFFFFF81916211)
BY_REGISTER = replace(ACCESS, addressing=Addressing.REGISTER)
UNCERTAIN = Seen(Severity.NOTE, None, None)


def alone(rule: str, what: str, image: KernelImage, *seen: Seen) -> Example:
    return Example(rule, what, seen, image=image)


def beside(rule: str, what: str, *seen: Seen, **spans: Span) -> Example:
    """Return a load of the kernel at 256 MiB, all of it in memory."""
    return Example(rule, what, seen, {"kernel": KERNEL} | spans, memory=machine())


def within(
    rule: str, what: str, memory: MemoryMap, *seen: Seen, request: BootRequest = UNMOVED
) -> Example:
    """Return a load of the kernel at 256 MiB with nothing near, on some machine."""
    return Example(rule, what, seen, {"kernel": KERNEL, "boot_params": FAR}, OLD, request, memory)


def in_reservation(rule: str, what: str, memory: MemoryMap) -> Example:
    """Return a crash kernel at 256 MiB with its boot_params at 192 MiB."""
    spans = {"kernel": KERNEL, "boot_params": at(0xC000000, 0x2000)}
    return Example(rule, what, (), spans, OLD, CRASH, memory)


def hidden(rule: str, what: str, boot_params: Span, *seen: Seen) -> Example:
    spans = {"kernel": KERNEL, "boot_params": boot_params}
    return Example(rule, what, seen, spans, request=HIDDEN_INITRD)


def old16(rule: str, what: str, initrd: Span, *seen: Seen) -> Example:
    """Return the load of experiment old16-l-c-2g-bigabove, or one like it."""
    spans = {"kernel": at(0x6F000000, 0xD41000), "boot_params": FAR, "initrd": initrd}
    return Example(rule, what, seen, spans, image=kernel("5.0-old16"), memory=machine())


def moved(rule: str, what: str, base: int, *seen: Seen) -> Example:
    """Return a load that KASLR moved to ``base``."""
    request = asked_by_options(cmdline="mem_encrypt=on", load_address=base, sme=Switch.ON)
    spans = {"kernel": at(0x20000000, 0xC03000), "boot_params": FAR}
    return Example(rule, what, seen, spans, with_header(OLD, init_size=0xC03000), request)


def unaligned(
    rule: str, what: str, *seen: Seen, request: BootRequest = UNMOVED, **spans: Span
) -> Example:
    """Return a load 1 MiB below 256 MiB, which is unpacked from there on."""
    kernel = at(0xFF00000, 0xD41000)
    return Example(rule, what, seen, {"kernel": kernel} | spans, OLD, request, machine())


def below_pref(rule: str, what: str, *seen: Seen, request: BootRequest = UNMOVED) -> Example:
    """Return a load at 2 MiB, which is unpacked from 16 MiB on, where boot_params lie."""
    spans = {"kernel": at(0x200000, 0xD41000), "boot_params": at(0x1000000)}
    return Example(rule, what, seen, spans, OLD, request, machine())


def sized(what: str, size: int, paging: Paging, *seen: Seen) -> Example:
    """Return an initrd of which only the size is known."""
    request = asked_by_options(
        initrd=GivenInitrd(size), paging=paging, kaslr=Switch.OFF, sme=Switch.ON
    )
    return Example("SME009", what, seen, image=NEW, request=request)


def placed(what: str, size: int, *seen: Seen) -> Example:
    """Return a huge initrd at a place, for which the pages are known exactly."""
    spans = {"kernel": at(0x1000000, 0x3F98000), "initrd": at(0x100000000, size)}
    return Example("SME009", what, seen, spans, NEW, replace(UNMOVED, paging=Paging.FOUR))


def loaded(rule: str, what: str, *seen: Seen, kernel: Span = KERNEL) -> Example:
    return Example(rule, what, seen, {"kernel": kernel})


def log_of(*lines: str) -> KernelLog:
    return read_dmesg(NamedStream.of("dmesg", "\n".join(lines).encode()))


def e820(*rows: tuple[int, int, str], begin: str = "") -> tuple[str, ...]:
    """Return the lines of a log about a firmware's map, and about what every kernel changes."""
    table = tuple(f"BIOS-e820: [mem {a:#018x}-{b - 1:#018x}] {name}" for a, b, name in rows)
    return (*([begin] if begin else []), *table, TRIM)


def listed(*rows: tuple[int, int, str]) -> FirmwareMap:
    found = log_of(*e820(*rows)).boot.firmware_map
    assert found is not None
    return replace(found, kind=FirmwareMapKind.SYSFS, source="memmap")


def sources(
    rule: str,
    what: str,
    *seen: Seen,
    memory: MemoryMap | None = None,
    log: KernelLog | None = None,
    firmware: FirmwareMap | None = None,
    request: BootRequest = UNMOVED,
) -> Example:
    """Return a load of the kernel at 256 MiB on a machine that several sources tell of."""
    spans = {"kernel": KERNEL, "boot_params": FAR}
    known = memory or machine()
    return Example(rule, what, seen, spans, OLD, request, known, log=log, firmware=firmware)


def reserved_by(*lines: str, memory: MemoryMap, what: str, seen: tuple[Seen, ...] = ()) -> Example:
    log = log_of("[    0.0] Command line: crashkernel=256M", *e820(*SAME), *lines)
    return sources("SME041", what, *seen, memory=memory, log=log, request=CRASH)


TAKEN_RAM = Span(64 << 20, 0x7FFE0000)


def told(option: str) -> KernelLog:
    """Return a log that shows nothing but what the running kernel was given."""
    return log_of(f"[    0.0] Command line: {option}")


RESERVED = Span(0xC000000, 0x1C000000)


def asking(rule: str, what: str, value: str, reserved: str, *seen: Seen) -> Example:
    log = log_of(
        f"[    0.0] Command line: crashkernel={value}",
        f"[    0.0] Reserving {reserved} for crashkernel (System RAM: 2047MB)",
    )
    memory = crash_kernel(RESERVED.end)
    return sources(rule, what, *seen, memory=memory, log=log, request=CRASH)


TRIM = "e820: update [mem 0x00000000-0x00000fff] usable ==> reserved"
SAME = ((0, 0xA0000, "usable"), (0x100000, 0x7FFE0000, "usable"))
HOLED = (
    (0, 0xA0000, "usable"),
    (0x100000, 0x10C00000, "usable"),
    (0x10C00000, 0x10E00000, "reserved"),
    (0x10E00000, 0x7FFE0000, "usable"),
)
ABOVE = (*SAME[:1], (0x100000, 0x70000000, "usable"), (0x70000000, 0x7FFE0000, "reserved"))
ADDED = (*SAME, (0x100000000, 0x140000000, "usable"))
USER = tuple(line.replace("BIOS-e820", "user") for line in e820(*SAME))
MORE = (*SAME, (0x100000000, 0x180000000, "usable"))
TOLD = "Reserving 256MB of memory at 192MB for crashkernel (System RAM: 2047MB)"
NEWER_WORDS = "crashkernel reserved: 0x000000000c000000 - 0x000000001c000000 (256 MB)"
FAILED = "crashkernel reservation failed - No suitable area found."
ESRT = "esrt: Reserving ESRT space from 0x0000000010001f98 to 0x0000000010001fd0."
ACTIVE = "Memory Encryption Features active: AMD "
OLD_ACTIVE = "AMD Secure Memory Encryption (SME) active"
UNDER_KVM = "Hypervisor detected: KVM"
BANNER = "Linux version {} (x@y) (gcc) #1 SMP"
RUNTIME = "efi: mem01: [Runtime Data |RUN|  |  |WB|WT|WC|UC] range=[0x{:016x}-0x{:016x}] (0MB)"
DIED = ("input_data: 0x46cb3a8", "output: {:#x}", "kernel_total_size: {:#x}")


def ran(release: str) -> KernelLog:
    return log_of(BANNER.format(release), *e820(*SAME))


def died(output: int, size: int) -> KernelLog:
    lines = (line.format(value) for line, value in zip(DIED, (0, output, size), strict=True))
    return log_of(*e820(*SAME), *lines)


LAST_WRITTEN, LAST_MAPPED = at(WRITTEN_END - PAGE), at(MAPPED_END - PAGE)
UNWRITTEN, BEYOND_WORST = Span(WRITTEN_END, MAPPED_END), Span(WORST_END, MAPPED_END)
WORST = Span(WRITTEN_END, WORST_END)
BIG = at(0x6FD50000, 4 << 20)
REPEATED = error(Span(0x6FE9E000, 0x6FF50000))
FEWEST = "more than the fewest pages"
LEFT_OUT = "a fragment of a map, is not missing System RAM"
ALL_PAGES = "all the pages that the kernel allows for are used"
INSTRUMENTED = "before the kernel's page tables is instrumented"
STRANGER = Misfit("bzImage", "vmlinux", "the release", "6.1.0-55", "6.1.0-56")
UNNAMED = "this unnamed segment is the initrd"
DECOMPRESSOR = "the tables in use at that moment are the decompressor's"
HIDDEN_CRASH = asked_by_options(mode=Mode.CRASH).completed(by=HIDDEN_INITRD)
MOVED = asked_by_options(cmdline="mem_encrypt=off", load_address=0x30000000)
OPEN = asked_by_options(cmdline="mem_encrypt=off")
CRASH = asked_by_options(mode=Mode.CRASH).completed(by=UNMOVED)
LOAD = asked_by_options(mode=Mode.LOAD).completed(by=UNMOVED)
FIRST_BOOT = replace(UNMOVED, path=Path.FIRST_BOOT)
ELSEWHERE = replace(UNMOVED, load_address=0x10200000)
A_PAGE_MORE = at(0x10000000, 0xD42000)
BUFFER = machine("10e06000-11ffffff : RAM buffer", ram_end=0x10E06000)
NO_RAM, NO_FRAME = machine(ram_end=0x10E06000), machine(ram_end=0x10BFF000)
FRAGMENT = machine(ram_end=0x10E06000, whole=False)
HOT_ADDED = machine("100000000-13fffffff : System RAM")
KMEM = machine(
    "100000000-13fffffff : Persistent Memory", "  100000000-13fffffff : System RAM (kmem)"
)


def of_code(
    rule: str, what: str, result: Result, *seen: Seen, aspect: Aspect | None = None
) -> Example:
    """Return a case in which the kernel's own code was run, and one number differed or none."""
    place = CodePlace(0xFFFFFFFF81000010, "sme_encrypt_kernel+0x10")
    known = () if aspect is None else (KnownDifference(Difference(aspect, "1", "2", place), 1, 1),)
    code = Verification(result, (), 1, known, ("why",), place, "an emulator")
    return Example(rule, what, seen, verification=code)


CASES = [
    beside("SME001", "the last page", error(LAST_WRITTEN), boot_params=LAST_WRITTEN),
    beside("SME001", "a page on", boot_params=at(WRITTEN_END)),
    old16("SME001", "copied back", BIG, error(Span(0x6FD50000, 0x6FE0B000)), REPEATED),
    old16("SME001", "too short for that", at(0x6FD50000, 0x14E000), error(at(0x6FD50000, 0xBB000))),
    moved("SME001", "live tables", 0x1FE00000, error(Span(0x20BE3000, 0x20C03000), DECOMPRESSOR)),
    moved("SME001", "below live tables", 0x1FC00000),
    hidden("SME002", "the last page", at(WORST_END - PAGE), error(at(WORST_END - PAGE), FEWEST)),
    hidden("SME002", "a page on", at(WORST_END)),
    beside("SME002", "pages known exactly", boot_params=at(WRITTEN_END)),
    beside("SME003", "a page", error(LAST_MAPPED), initrd=at(MAPPED_END - PAGE, FRAME)),
    beside("SME003", "a page on", initrd=at(MAPPED_END, FRAME - PAGE)),
    beside("SME003", "whole frames", initrd=at(0x10E00000, 2 * FRAME)),
    old16("SME003", "all but a whole frame", BIG, error(Span(0x6FD50000, 0x6FE00000))),
    beside("SME003", "unnamed", error(LAST_MAPPED, UNNAMED), other=at(MAPPED_END - PAGE, FRAME)),
    within("SME004", "no RAM", NO_RAM, error(LAST_WRITTEN), note(UNWRITTEN)),
    within("SME004", "only mapped", machine(ram_end=WRITTEN_END), note(UNWRITTEN)),
    within("SME004", "last page", machine(ram_end=MAPPED_END - PAGE), note(LAST_MAPPED)),
    within("SME004", "all in RAM", machine(ram_end=MAPPED_END)),
    within(
        "SME004", "fragment", FRAGMENT, error(LAST_WRITTEN, LEFT_OUT), note(UNWRITTEN, LEFT_OUT)
    ),
    within("SME004", "RAM buffer", BUFFER, warning(LAST_WRITTEN, "it is not backed by memory")),
    within("SME004", "slack", NO_FRAME, error(Span(0x10BFF000, WRITTEN_END)), note(UNWRITTEN)),
    within(
        "SME004",
        "worst",
        machine(ram_end=WRITTEN_END),
        error(WORST, FEWEST),
        note(BEYOND_WORST),
        request=HIDDEN_INITRD,
    ),
    beside("SME005", "slack", error(at(0x10BFF000)), boot_params=at(0x10BFF000)),
    beside("SME005", "image", error(at(0x10A15000)), boot_params=at(0x10A15000)),
    beside("SME005", "only unpacked", boot_params=at(0x10D40000)),
    beside("SME005", "a page before", boot_params=at(0x0FFFF000)),
    beside("SME044", "unpacked", error(at(0x10D40000)), boot_params=at(0x10D40000)),
    beside("SME044", "a page behind", boot_params=at(0x10D41000)),
    unaligned("SME044", "behind the segment", error(at(0x10C41000)), boot_params=at(0x10C41000)),
    unaligned("SME044", "behind the buffer", boot_params=at(0x10D41000)),
    unaligned("SME044", "purgatory", note(at(0x10C41000)), purgatory=at(0x10C41000)),
    unaligned("SME044", "unnamed", error(at(0x10C41000), "is not purgatory"), other=at(0x10C41000)),
    unaligned(
        "SME044", "the copy", error(at(0x10D40000)), request=MOVED, boot_params=at(0x10D40000)
    ),
    below_pref("SME044", "before the copy", request=MOVED),
    below_pref("SME044", "KASLR may leave it", error(at(0x1000000), "KASLR"), request=OPEN),
    below_pref("SME044", "KASLR leaves it", error(at(0x1000000))),
    within("SME006", "a page", crash_kernel(0x10E06000), error(LAST_WRITTEN), request=CRASH),
    within("SME006", "none", crash_kernel(WRITTEN_END), request=CRASH),
    within(
        "SME006", "worst", crash_kernel(WRITTEN_END), error(WORST, FEWEST), request=HIDDEN_CRASH
    ),
    within("SME006", "no crash kernel", crash_kernel(0x10E06000), request=LOAD),
    alone("SME007", "a page short", with_header(OLD, init_size=0xFFF000), error()),
    alone("SME007", "owned to the end", with_header(OLD, init_size=0x1000000)),
    beside("SME007", "a machine", warning(Span(0x10D41000, MAPPED_END))),
    alone("SME008", "to the byte", with_header(OLD, init_size=0x1000000), warning()),
    alone("SME008", "a byte short", with_header(OLD, init_size=0xFFFFFF)),
    alone("SME008", "no luck needed", NEW),
    sized("4 levels", 235 * GIB, Paging.FOUR),
    sized("4 levels, a byte more", 235 * GIB + 1, Paging.FOUR, error(None, ALL_PAGES)),
    sized("5 levels", 228 * GIB, Paging.FIVE),
    sized("5 levels, a byte more", 228 * GIB + 1, Paging.FIVE, error(None, ALL_PAGES)),
    placed("251 GiB", 251 * GIB, error(None, ALL_PAGES)),
    placed("251 GiB and a page", 251 * GIB + PAGE, error()),
    beside("SME010", "the last page", note(LAST_MAPPED), purgatory=at(MAPPED_END - PAGE, 0x9000)),
    beside("SME010", "a page on", purgatory=at(MAPPED_END, 0x9000)),
    beside("SME010", "written", purgatory=LAST_WRITTEN),
    beside("SME010", "the initrd is another matter", initrd=LAST_MAPPED),
    alone("SME011", "a page off", scratch(0x3601000), error()),
    alone("SME011", "aligned", scratch()),
    alone("SME012", "a byte short", scratch(size=(4 << 20) - 1), error()),
    alone("SME012", "long enough", scratch()),
    alone("SME013", "NOBITS", scratch(kind="NOBITS"), warning()),
    alone("SME013", "PROGBITS", scratch()),
    alone("SME014", "a frame too low", scratch(0x3400000), error()),
    alone("SME014", "directly after what is written", scratch()),
    beside("SME015", "a page", error(at(0x10D40000)), boot_params=at(0x10D40000, 0x2000)),
    beside(
        "SME015",
        "each with the furthest below",
        error(at(0x10D40000)),
        error(at(0x10D42000)),
        boot_params=at(0x10D40000, 0x8000),
        purgatory=at(0x10D42000),
    ),
    beside("SME015", "touching", boot_params=at(0x10D41000)),
    beside("SME016", "a page", error(at(0x7FFE0000)), boot_params=at(0x7FFDF000, 0x2000)),
    beside("SME016", "inside", boot_params=at(0x7FFDE000, 0x2000)),
    within("SME016", "fragment", FRAGMENT, error(FAR, LEFT_OUT)),
    Example("SME017", "refused", (error(),), {"kernel": KERNEL}, refusal="busy"),
    loaded("SME017", "accepted"),
    Example("SME035", "no reservation", (error(),), request=PREDICTED_CRASH, memory=machine()),
    Example("SME035", "a recorded load", (), {"kernel": KERNEL}, refusal="busy"),
    loaded("SME018", "a frame too low", warning(), kernel=at(0xE00000, 0xD41000)),
    loaded("SME018", "at pref_address", kernel=at(0x1000000, 0xD41000)),
    moved("SME018", "moved by KASLR", 0x30000000),
    beside("SME019", "a byte", warning(at(0x20000001)), initrd=at(0x20000001)),
    beside("SME019", "a page", initrd=at(0x20000000)),
    moved("SME020", "a frame", 0x3F200000, error(at(0x40000000, FRAME), "KASLR chose the place")),
    moved("SME020", "none", 0x3F000000),
    Example("SME021", "another bss", (warning(),), memory=running(0x18D8000), request=FIRST_BOOT),
    Example("SME021", "this bss", memory=running(0x18D7000), request=FIRST_BOOT),
    sources("SME021", "kdump", warning(), log=ran("5.1.0"), request=CRASH),
    sources("SME021", "kexec", note(), log=ran("5.1.0"), request=LOAD),
    sources("SME021", "the same", log=ran("5.0.0"), request=CRASH),
    sources("SME021", "no banner", log=log_of(OLD_ACTIVE), request=CRASH),
    loaded("SME022", "a page more", error(A_PAGE_MORE), kernel=A_PAGE_MORE),
    loaded("SME022", "the file's size", kernel=at(0x10000000, 0x1DE000)),
    Example(
        "SME022",
        "a file of whole pages after its setup sectors",
        (),
        {"kernel": at(0x10000000, 3 * PAGE)},
        of_file(setup_sects=39, file_size=3 * PAGE + 40 * 512),
    ),
    Example("SME022", "rounded up", (), {"kernel": KERNEL}, with_header(OLD, init_size=0xD40001)),
    alone("SME023", "5.3", released("5.3.0-1-amd64"), error()),
    alone("SME023", "5.2", released("5.2.21")),
    alone("SME023", "its symbol", reserving(0xFFFFFFFF81A00000), error()),
    alone("SME011", "the end a page off", scratch(size=0x401000), warning()),
    alone("SME014", "a frame too high", scratch(0x3800000), error()),
    alone("SME014", "before the reserved end", reserving(0xFFFFFFFF84800000, scratch()), error()),
    Example("SME024", "a frame on", (error(),), {"kernel": KERNEL}, request=ELSEWHERE),
    moved("SME024", "moved by KASLR", 0x30000000),
    alone("SME026", "less than the kernel", with_header(NEW, init_size=0x342F000), error()),
    alone("SME026", "as large as the kernel", with_header(NEW, init_size=0x3430000)),
    alone("SME026", "a digit too many", with_header(NEW, init_size=0x3F980000), error()),
    alone("SME026", "a payload too large", with_header(NEW, output_len=0x32C6E340), error()),
    alone("SME026", "aligned too far", with_header(NEW, kernel_alignment=32 << 20), error()),
    alone("SME026", "aligned otherwise", with_header(NEW, kernel_alignment=8 << 20)),
    alone("SME026", "a large decompressor", with_header(NEW, init_size=0x5000000)),
    alone("SME026", "linked elsewhere", with_header(NEW, pref_address=0x1200000), error()),
    alone("SME026", "_end not after .brk", ending(0xFFFFFFFF84420000), error()),
    alone("SME026", "_end past .brk", ending(0xFFFFFFFF84431000), error()),
    alone("SME026", "_end inside .bss", ending(0xFFFFFFFF84000000), error()),
    alone("SME026", "_end after .brk", ending(0xFFFFFFFF84430000)),
    alone("SME026", "_end not after its limit", ending(OLD_END - PAGE, bare()), error()),
    alone("SME026", "_end after its limit", ending(OLD_END, bare())),
    alone("SME026", "_end below .bss", ending(OLD_END - 0x20000, bare("__bss_stop")), error()),
    alone("SME026", "_end past the LOADs", ending(OLD_END + PAGE, bare(loads=True)), error()),
    alone("SME026", "_end where the LOADs end", ending(OLD_END, bare(loads=True))),
    alone("SME026", "no SME", configured(NEW, CONFIG_AMD_MEM_ENCRYPT="n"), error()),
    alone("SME026", "SME", configured(NEW, CONFIG_AMD_MEM_ENCRYPT="y")),
    alone("SME026", "a stranger", replace(NEW, misfits=(STRANGER,)), error()),
    alone("SME027", "a byte short", loads(NEW, shorter=1), error()),
    alone("SME027", "to the byte", NEW),
    alone("SME027", "none", replace(NEW, loads=NEW.loads[:1]), error(None, "names every LOAD")),
    alone("SME027", "nothing to cover", replace(scratch(size=0), loads=NEW.loads[:1])),
    alone("SME046", "a link address", coded(ACCESS), error()),
    alone(
        "SME046",
        "another",
        coded(ACCESS, replace(ACCESS, address=ACCESS.address - 19)),
        error(),
        error(),
    ),
    alone("SME046", "of a table", coded(replace(ACCESS, addressing=Addressing.INDEXED)), error()),
    alone("SME046", "by a register", coded(BY_REGISTER), UNCERTAIN),
    alone("SME046", "of guests", coded(replace(ACCESS, for_guests=True)), UNCERTAIN),
    alone("SME046", "not followed", coded(not_followed=("sme_enable: …",)), UNCERTAIN),
    alone("SME046", "none", coded()),
    alone("SME028", "inside", at_symbol(0xFFFFFFFF84700000), error()),
    alone("SME028", "outside", at_symbol(0xFFFFFFFF84400000), error()),
    alone("SME028", "at the beginning", at_symbol(0xFFFFFFFF84600000)),
    alone("SME029", "1 MiB", with_header(NEW, kernel_alignment=1 << 20), error()),
    alone("SME029", "16 MiB", with_header(NEW, kernel_alignment=1 << 24)),
    alone("SME029", "32-bit", flagged(0x7E), error()),
    alone("SME029", "not relocatable", with_header(NEW, relocatable=False), warning()),
    alone("SME029", "not above 4 GiB", flagged(0x7D), warning()),
    alone("SME030", "KASAN", configured(NEW, CONFIG_KASAN="y"), warning(None, INSTRUMENTED)),
    alone("SME030", "KMSAN in 6.1", configured(NEW, CONFIG_KMSAN="y"), warning(None, INSTRUMENTED)),
    alone("SME030", "KMSAN in 6.12", configured(NEWER, CONFIG_KMSAN="y")),
    alone("SME030", "none of them", configured(NEW, CONFIG_KASAN="n", CONFIG_KCOV="y")),
    within("SME025", "a page out", crash_kernel(0x10D40000), error(KERNEL), request=CRASH),
    within("SME025", "another", crash_kernel(0x10D41000), error(FAR), request=CRASH),
    in_reservation("SME025", "inside", crash_kernel(0x10D41000)),
    within("SME050", "to the end of RAM", crash_kernel(0x7FFE0000), request=CRASH),
    within("SME050", "past it", NOT_IN_RAM, error(at(0x20000000, 0x10000000)), request=CRASH),
    within("SME050", "two", TWO_RESERVED, warning(Span(0x20000000, 0x30000000)), request=CRASH),
    within("SME050", "a fragment", parse_iomem(ALONE, "iomem"), request=CRASH),
    within("SME025", "in the low of two", TWO_RESERVED, error(KERNEL), request=CRASH),
    sources("SME040", "log agrees", log=log_of(*e820(*SAME)), firmware=listed(*SAME)),
    sources("SME040", "log, workarea", error(at(0x10C00000, FRAME)), log=log_of(*e820(*HOLED))),
    sources("SME040", "list, workarea", error(at(0x10C00000, FRAME)), firmware=listed(*HOLED)),
    sources(
        "SME040", "memmap= in the log", log=log_of(*e820(*HOLED), *USER), firmware=listed(*HOLED)
    ),
    sources("SME040", "console", warning(at(1 << 32, GIB)), log=log_of(*e820(*ADDED)[:-1])),
    sources("SME040", "elsewhere", warning(Span(0x70000000, 0x7FFE0000)), firmware=listed(*ABOVE)),
    sources(
        "SME040", "hot-added", warning(at(1 << 32, GIB)), memory=HOT_ADDED, firmware=listed(*SAME)
    ),
    sources("SME040", "kmem", memory=KMEM, firmware=listed(*SAME)),
    sources("SME040", "a fragment", memory=FRAGMENT, firmware=listed(*SAME)),
    sources("SME040", "mem= that left it", log=told("mem=2G")),
    sources("SME040", "mem= that took it", error(TAKEN_RAM), log=told("mem=64M")),
    sources("SME040", "the rest of mem=", error(TAKEN_RAM), log=told("mem=64M@1G")),
    sources("SME040", "memmap= of a type", log=told("memmap=1G$512M memmap=1G%512M-2+1")),
    sources(
        "SME040", "mem= in it", error(Span(0x10800000, 0x7FFE0000)), log=told("mem=0x10800000")
    ),
    Example(
        "SME040",
        "what may be added after mem=",
        (warning(at(1 << 32, GIB)),),
        {"kernel": at(0x110000000, 0xD41000), "boot_params": FAR},
        memory=HOT_ADDED,
        log=told("mem=4G"),
    ),
    Example(
        "SME040",
        "what was there at the boot",
        (error(at(1 << 32, GIB)),),
        {"kernel": at(0x110000000, 0xD41000), "boot_params": FAR},
        memory=HOT_ADDED,
        log=log_of("[    0.0] Command line: mem=4G", *e820(*ADDED)),
    ),
    sources("SME040", "memmap= elsewhere", warning(at(0x60000000)), log=told("memmap=4K$1536M")),
    sources("SME040", "mem=", note(Span(1 << 32, 6 * GIB)), firmware=listed(*MORE)),
    sources(
        "SME040",
        "firmware and log",
        warning(Span(1 << 32, 6 * GIB)),
        log=log_of(*e820(*SAME)),
        firmware=listed(*MORE),
    ),
    reserved_by(TOLD, memory=crash_kernel(0x1C000000), what="both"),
    reserved_by(NEWER_WORDS, memory=crash_kernel(0x1C000000), what="newer words"),
    reserved_by(TOLD, memory=machine(), what="lost", seen=(error(Span(0xC000000, 0x1C000000)),)),
    reserved_by(TOLD, memory=FRAGMENT, what="not in the fragment"),
    reserved_by(
        TOLD,
        memory=crash_kernel(0x1B000000),
        what="shrunk",
        seen=(note(Span(0x1B000000, 0x1C000000)),),
    ),
    reserved_by(
        TOLD.replace("192MB", "208MB"),
        memory=crash_kernel(0x1C000000),
        what="another place",
        seen=(error(Span(0xD000000, 0x1D000000)),),
    ),
    asking("SME049", "what is reserved", "256M", "256MB of memory at 192MB"),
    asking("SME049", "another size", "512M", "256MB of memory at 192MB", error(RESERVED)),
    asking("SME049", "another place", "256M@1G", "256MB of memory at 192MB", error(RESERVED)),
    reserved_by(
        FAILED,
        memory=crash_kernel(0x1C000000),
        what="failed",
        seen=(warning(Span(0xC000000, 0x1C000000)),),
    ),
    sources("SME042", "ESRT", warning(at(0x10001F98, 0x38)), log=log_of(*e820(*SAME), ESRT)),
    sources(
        "SME042",
        "runtime services, the last written page",
        error(LAST_WRITTEN),
        log=log_of(*e820(*SAME), RUNTIME.format(WRITTEN_END - PAGE, 0x10EFFFFF)),
    ),
    sources(
        "SME042",
        "runtime services, a page on",
        log=log_of(*e820(*SAME), RUNTIME.format(WRITTEN_END, 0x10EFFFFF)),
    ),
    sources(
        "SME042",
        "a table",
        note(at(0x10000018, 1)),
        log=log_of(*e820(*SAME), "efi:  ACPI 2.0=0x79993000  MEMATTR=0x10000018"),
    ),
    sources("SME043", "this one", log=died(0x10000000, 0xA16000)),
    sources("SME043", "another place", error(), log=died(0x10200000, 0xA16000)),
    sources("SME043", "a kernel elsewhere", log=died(0x10000000, 0xA16000), request=ELSEWHERE),
    sources("SME043", "another kernel", error(), log=died(0x10000000, 0xA17000)),
    sources("SME045", "SEV in one line", error(), log=log_of(ACTIVE + "SME SEV SEV-ES")),
    sources("SME045", "SEV in another", error(), log=log_of(ACTIVE + "SEV", OLD_ACTIVE)),
    sources("SME045", "under KVM", error(), log=log_of(OLD_ACTIVE, UNDER_KVM)),
    sources("SME045", "v4.14", log=log_of(BANNER.format("4.14.0"), OLD_ACTIVE, UNDER_KVM)),
    sources("SME045", "v4.15", error(), log=log_of(BANNER.format("4.15.0"), OLD_ACTIVE, UNDER_KVM)),
    sources("SME045", "SME alone", log=log_of(OLD_ACTIVE, OLD_ACTIVE)),
    sources("SME045", "a guest alone", log=log_of(ACTIVE + "SEV SEV-ES", UNDER_KVM)),
    of_code("SME047", "agrees", Result.AGREES),
    of_code("SME047", "not recognized", Result.NOT_RECOGNIZED),
    of_code("SME047", "another start", Result.DIFFERS, error(), aspect=Aspect.START),
    of_code("SME047", "a fault is none", Result.FAULTS, aspect=Aspect.FAULT),
    of_code("SME048", "agrees", Result.AGREES),
    of_code("SME048", "a fault", Result.FAULTS, error(), aspect=Aspect.FAULT),
    of_code("SME048", "another start is none", Result.DIFFERS, aspect=Aspect.START),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule} {case.what}")
def test_rule(case: Example) -> None:
    found = case.findings
    assert [(f.severity, f.span) for f in found] == [(s.severity, s.span) for s in case.expected]
    for finding, seen in zip(found, case.expected, strict=True):
        assert (finding.condition is None) is (seen.condition is None)
        assert (seen.condition or "") in (finding.condition or "")
        assert finding.message
        assert finding.remedy


@pytest.mark.parametrize(
    "case",
    [one for one in CASES if one.rule == "SME040" and one.expected],
    ids=lambda one: one.what,
)
def test_what_the_kernel_took_of_its_firmwares_map_needs_no_step(case: Example) -> None:
    for finding in case.findings:
        is_taken = finding.severity is Severity.NOTE
        assert finding.remedy.startswith("nothing to do") is is_taken


@pytest.mark.parametrize(
    ("start", "used"),
    [(MAPPED_END - PAGE, "the written part of the workarea"), (MAPPED_END, "the workarea")],
)
def test_a_clear_answer_says_which_part_nothing_overlaps(start: int, used: str) -> None:
    spans = {"kernel": KERNEL, "boot_params": FAR, "purgatory": at(start, 0x9000)}
    report = Example("SME010", "", (), spans, OLD, UNMOVED, machine()).report
    assert report.verdict is Verdict.CLEAR
    assert report.headline.endswith(f"no segment of this load overlaps {used}")


def test_every_rule_has_both() -> None:
    assert {case.rule for case in CASES if case.expected} == set(RULES)
    assert {case.rule for case in CASES if not case.expected} == set(RULES)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_severity_of_a_rule_is_that_of_its_worst_finding(rule: Rule) -> None:
    seen = [seen.severity for case in CASES if case.rule == rule.id for seen in case.expected]
    assert min(seen, key=lambda severity: severity.rank) is rule.severity


def test_no_file_of_rules_is_forgotten() -> None:
    for path in FilePath(catalogue.__file__).parent.glob("*.py"):
        module = import_module(f"smecheck.checks.{path.stem}")
        written = [value for value in vars(module).values() if isinstance(value, Rule)]
        assert {*written} <= {*RULES.values()}, path.name


def _ids(node: ast.AST) -> set[int]:
    """Return where an expression or a file spells the id of a rule."""
    return {
        id(found)
        for found in ast.walk(node)
        if isinstance(found, ast.Constant) and isinstance(found.value, str) and found.value in RULES
    }


def test_only_a_rule_spells_ids() -> None:
    """Its own, and those that it comes after; whoever asks for more asks what the rule declares."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        declared: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                declared |= set().union(*map(_ids, node.decorator_list))
        assert _ids(tree) == declared, path
