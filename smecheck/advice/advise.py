"""What would help: changes that are met in the field, each tried with the program itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smecheck.analysis import analyze, answer
from smecheck.answer import Advice, Cost, Report, Verdict
from smecheck.asked import GivenInitrd, Switch
from smecheck.case import Case
from smecheck.checks.finding import Severity
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.cmdline import has_word, without_option, without_word
from smecheck.kernel.constants import PAGE_SIZE, PMD_SIZE, SECTION_SIZE
from smecheck.kernel.image import INIT_SCRATCH, KernelImage, LoadSegment, Section
from smecheck.load.hidden_places import area_is_used
from smecheck.load.load_of_case import host_of
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, SegmentList
from smecheck.load.versions import NEWEST_TOOLS, ToolsChange, version_text
from smecheck.machine.memory import MemoryMap, Region
from smecheck.quantity import address_text, size_text
from smecheck.record import record, replace
from smecheck.span import Span, align_up


def is_safe(report: Report) -> bool:
    """Return whether nothing is left to be changed: no collision, nothing open, no other error."""
    safe = report.verdict in (Verdict.CLEAR, Verdict.NOT_APPLICABLE)
    return safe and not any(one.severity is Severity.ERROR for one in report.findings)


@record
class Trial:
    """A change and its answer."""

    what_if: WhatIf
    report: Report

    @property
    def helps(self) -> bool:
        """Whether it is safe then."""
        return is_safe(self.report)

    def advice(self, *notes: str) -> Advice:
        """Return it as advice, with what has to be said beside it."""
        said = [self.report.headline, self.what_if.note, *notes]
        return Advice(
            change=self.what_if.change,
            verdict=self.report.verdict,
            cost=self.what_if.cost,
            helps=self.helps,
            note="; ".join(text for text in said if text),
        )


def try_out(what_if: WhatIf) -> Trial:
    """Ask the question that a change leads to.

    What is safe is asked once more with other values of what was assumed, so that it helps only
    where whoever makes the change is shown the same.
    """
    report = answer(what_if.case)
    if is_safe(report):
        report = analyze(replace(what_if.case, cross_check=False))
    return Trial(what_if, report)


_ADDED_BY_KEXEC = ("elfcorehdr", "acpi_rsdp", "dmcryptkeys")
"""Words that kexec itself puts on the command line of a crash kernel."""


@record
class WhatIf:
    """One change, as the question that it leads to."""

    change: str
    cost: Cost
    case: Case
    note: str = ""
    """What has to be said with the verdict."""


_AS_IT_IS, _WHAT_IF = "the load as it is", "what if"
"""Who says what of a load that is tried."""


@record
class Present:
    """What was asked and answered."""

    case: Case
    report: Report

    @property
    def cmdline(self) -> Fact[str]:
        """The command line that kexec is given for the kernel."""
        given, passed_on = self.case.asked.cmdline, self.report.boot.cmdline
        if given is not None:
            return given
        if isinstance(passed_on, Unknown):
            return passed_on
        words = passed_on.value
        for option in _ADDED_BY_KEXEC:
            words = without_option(words, option)
        return Known(words, passed_on.origin)

    @property
    def predictable(self) -> Fact[Case]:
        """The same load as a question that is answered by prediction, so that it can be varied."""
        boot = self.report.boot
        loader, mode = boot.loader, boot.mode
        if isinstance(loader, Unknown):
            return loader
        if isinstance(mode, Unknown):
            return mode
        if self.report.memory is None:
            return Unknown("the memory of the machine is not known (--iomem)")
        initrd, cmdline = self.case.asked.initrd, self.cmdline
        if initrd is None or self.case.segments is not None:
            initrd = Known(GivenInitrd(boot.initrd.size), _AS_IT_IS)
        request = replace(
            self.case.asked,
            loader=Known(loader.value, _AS_IT_IS),
            mode=Known(mode.value, _AS_IT_IS),
            initrd=initrd,
            cmdline=cmdline if isinstance(cmdline, Known) else None,
            load_address=None,
        )
        varied = replace(self.case, asked=request, segments=None, memory=self.report.memory)
        return Known(varied, "prediction")


def as_recorded(predicted: Case, recorded: SegmentList | None) -> tuple[Case, str]:
    """Return the question whose prediction gives the load that was recorded, and what to say of it.

    A record does not show the window (``--mem-max``) that kexec was given: where the prediction
    differs without one, the end of the highest segment is tried.
    """
    if recorded is None:
        return predicted, ""
    if answer(predicted).segments is None:
        return predicted, "predicted; the load as it is cannot be predicted"
    if _gives(predicted, recorded):
        return (
            predicted,
            "predicted; for the load as it is, the prediction matches the record exactly",
        )
    machine = predicted.machine or Machine()
    end = max((segment.span.end for segment in recorded.segments), default=machine.window.start)
    if machine.window.start < end < machine.window.end:
        narrowed = replace(machine, window=Span(machine.window.start, end))
        windowed = replace(predicted, machine=narrowed)
        if _gives(windowed, recorded):
            return windowed, (
                f"predicted; with --mem-max={address_text(end - 1)}, the prediction matches the "
                "record exactly"
            )
    return predicted, (
        "predicted, with care: for the load as it is, the prediction differs from the record "
        "(--cross-check shows where)"
    )


def _gives(case: Case, recorded: SegmentList) -> bool:
    """Return whether a prediction puts the same spans in place as were recorded."""
    again = answer(case).segments
    return again is not None and _places(again) == _places(recorded)


def _places(segments: SegmentList) -> list[tuple[int, int]]:
    return sorted((segment.span.start, segment.span.end) for segment in segments.segments)


_PLAIN_MEMORY = "memory is then not encrypted"


def boot_options(present: Present) -> Iterator[WhatIf]:
    """Yield SME off, and KASLR the other way."""
    yield _without_sme(present)
    kaslr, cmdline = present.report.boot.kaslr, present.cmdline
    if not isinstance(kaslr, Known):
        return
    words = cmdline.value if isinstance(cmdline, Known) else None
    if kaslr.value:
        with_word = None if words is None else f"{words} nokaslr".lstrip()
        yield _kaslr(
            present,
            with_word,
            "add nokaslr to the command line of the loaded kernel",
            "the kernel then runs where it is loaded, every time",
        )
    elif words is not None and has_word(words, "nokaslr"):
        yield _kaslr(
            present,
            without_word(words, "nokaslr"),
            "remove nokaslr from the command line of the loaded kernel",
            "the kernel then runs elsewhere at every boot",
        )


def _kaslr(present: Present, words: str | None, change: str, note: str) -> WhatIf:
    stated = Switch.OFF if words is None else Switch.AUTO
    cmdline = None if words is None else Known(words, _WHAT_IF)
    boot = replace(present.case.asked, cmdline=cmdline, load_address=None, kaslr=stated)
    return WhatIf(change, Cost.BOOT_OPTION, replace(present.case, asked=boot), note)


def _without_sme(present: Present) -> WhatIf:
    boot, cmdline = present.case.asked, present.cmdline
    if isinstance(cmdline, Known):
        # The last one counts, for some kernels the first: only one is left.
        words = f"{without_option(cmdline.value, 'mem_encrypt')} mem_encrypt=off".lstrip()
        boot = replace(boot, cmdline=Known(words, _WHAT_IF), sme=Switch.AUTO)
    else:
        boot = replace(boot, sme=Switch.OFF)
    return WhatIf(
        "boot the loaded kernel with mem_encrypt=off, and no other mem_encrypt=",
        Cost.BOOT_OPTION,
        replace(present.case, asked=boot),
        _PLAIN_MEMORY,
    )


_STEP = 1 << 20
_SMALLER = (2, 4, 8)
_LARGER = (2, 4, 8, 16)


def other_initrd(predicted: Case) -> Trial | None:
    """Return the load with the size nearest to the present one with which it is safe."""
    initrd = predicted.asked.initrd
    if initrd is None or not initrd.value.size:
        return None
    size = initrd.value.size
    smaller = [align_up(size // part, PAGE_SIZE) for part in _SMALLER]
    larger = [align_up(size * times, _STEP) for times in _LARGER]
    for other in sorted({*smaller, *larger} - {size}, key=lambda other: abs(other - size)):
        change = "make the initrd smaller" if other < size else "make the initrd larger (pad it)"
        trial = try_out(
            WhatIf(
                f"{change}: {size_text(other)} instead of {size_text(size)}",
                Cost.INITRD,
                replace(
                    predicted,
                    asked=replace(predicted.asked, initrd=Known(GivenInitrd(other), _WHAT_IF)),
                ),
            )
        )
        if trial.helps:
            return trial
    return None


def kernel_with_section(case: Case, report: Report) -> WhatIf | None:
    """Return the question for this kernel as v5.3 (e1bfa87399e3) would lay it out."""
    text, end, scheme = report.facts.text, report.facts.end, report.facts.scheme
    if not (isinstance(text, Known) and isinstance(end, Known) and isinstance(scheme, Known)):
        return None
    if not scheme.value.rules.follows_end:
        return None
    start = text.value + align_up(end.value - text.value, PMD_SIZE)
    section = Section(INIT_SCRATCH.name, start, SECTION_SIZE, "PROGBITS")
    image = _with_section(case.image, section, text.value)
    init_size = image.header.init_size
    note = (
        "with the section that v5.3 introduced (e1bfa87399e3): .init.scratch after _end, in "
        "the file"
    )
    if isinstance(init_size, Known):
        note += f"; with the smallest possible init_size, {size_text(init_size.value)}"
    boot = replace(case.asked, load_address=None)
    return WhatIf(
        "use a kernel whose workarea is its own section (v5.3 and later, or a backport)",
        Cost.KERNEL,
        replace(case, image=image, asked=boot),
        note,
    )


def _with_section(image: KernelImage, section: Section, text: int) -> KernelImage:
    header = image.header
    if isinstance(header.init_size, Known):
        # The section is file data, 2 MiB after its distance from _text at the least, and
        # init_size exceeds the unpacked file: arch/x86/boot/header.S.
        least = section.end - text + PMD_SIZE
        size = max(header.init_size.value, align_up(least, PAGE_SIZE))
        header = replace(header, init_size=Known(size, _WHAT_IF))
    if isinstance(header.output_len, Known):
        least = max(header.output_len.value, section.end - text + PMD_SIZE)
        header = replace(header, output_len=Known(least, _WHAT_IF))
    return replace(
        image,
        header=header,
        symbols={
            **image.symbols,
            INIT_SCRATCH.begin: section.address,
            INIT_SCRATCH.end: section.end,
            "sme_workarea": section.address,
        },
        sections=(*image.sections, section),
        loads=_reaching(image.loads, section),
    )


def _reaching(loads: tuple[LoadSegment, ...], section: Section) -> tuple[LoadSegment, ...]:
    """Return the LOADs with the last one, in memory and in the file, up to the section's end."""
    if not loads:
        return loads
    last = max(loads, key=lambda load: load.vaddr)
    size = section.end - last.vaddr
    grown = replace(last, filesz=size, memsz=size)
    return tuple(grown if load is last else load for load in loads)


_WINDOW_STEP = 64 << 10
"""Fine enough to find a gap of a few pages after a kernel that is aligned to 2 MiB."""

_WINDOW_STEPS = 128
"""8 MiB: more than the workarea and the alignment take together."""

_RAM_RANGES = 3
"""How many of the highest ranges of RAM are tried."""


def other_calls(predicted: Case) -> Iterator[WhatIf]:
    """Yield the load by every other system call."""
    loader = predicted.asked.loader
    if loader is None:
        return
    for other in Loader:
        if other is not loader.value:
            yield WhatIf(
                f"load it with {other.value} (kexec {other.rules.option})",
                Cost.RELOAD,
                replace(predicted, asked=replace(predicted.asked, loader=Known(other, _WHAT_IF))),
            )


def without_area(predicted: Case) -> Iterator[WhatIf]:
    """Yield the load by kexec_file_load beside the area for contiguous memory that it would use."""
    host, loader = host_of(predicted), predicted.asked.loader
    may_use_cma = loader is not None and loader.value.rules.may_use_cma
    if host is None or not may_use_cma or predicted.asked.is_crash:
        return
    if value_of(area_is_used(host)) is not True:
        return
    machine = predicted.machine or Machine()
    beside = replace(machine, host=replace(machine.host, cma=Known(False, _WHAT_IF)))
    case = replace(predicted, machine=beside)
    yield WhatIf("load it with kexec -s --no-cma (after kexec-tools 2.0.32)", Cost.RELOAD, case)
    yield WhatIf("start the running kernel without an area for CMA (cma=0)", Cost.REBOOT, case)


def other_tools(predicted: Case) -> Iterator[WhatIf]:
    """Yield the load by other generations of kexec-tools, where these decide the placement."""
    loader = predicted.asked.loader
    if loader is None or not loader.value.rules.placed_by_tools:
        return
    machine = predicted.machine or Machine()
    versions = {change.since for change in ToolsChange} | {NEWEST_TOOLS}
    for version in sorted(versions, reverse=True):
        text = version_text(version)
        host = replace(machine.host, kexec_tools=Known(text, _WHAT_IF))
        yield WhatIf(
            f"load it with kexec-tools {text}",
            Cost.RELOAD,
            replace(predicted, machine=replace(machine, host=host)),
        )


def window(predicted: Case) -> Trial | None:
    """Return the highest ``--mem-max`` with which the load is safe, if there is one.

    kexec_file_load has no such window.
    """
    loader = predicted.asked.loader
    if loader is None or not loader.value.rules.keeps_to_window:
        return None
    for last in _last_addresses(predicted):
        machine = predicted.machine or Machine()
        if last <= machine.window.start:
            continue
        narrowed = replace(machine, window=Span(machine.window.start, last + 1))
        case = replace(predicted, machine=narrowed)
        if not is_safe(answer(case, first_only=True)):
            continue
        trial = try_out(WhatIf(f"load it with --mem-max={address_text(last)}", Cost.RELOAD, case))
        if trial.helps:
            return trial
    return None


def _last_addresses(predicted: Case) -> Iterator[int]:
    if predicted.memory is None:
        return
    for top in _tops(predicted.memory, is_crash=predicted.asked.is_crash):
        yield from (top - 1 - step * _WINDOW_STEP for step in range(1, _WINDOW_STEPS))


def _tops(memory: MemoryMap, *, is_crash: bool) -> Iterable[int]:
    """Return the ends of what may be loaded into, the highest first."""
    if is_crash:
        return [region.span.end for region in memory.crash_kernel[-1:]]
    return sorted((span.end for span in memory.system_ram), reverse=True)[:_RAM_RANGES]


_ALIGNMENT = 16 << 20
"""arch/x86/include/asm/crash_reserve.h, CRASH_ALIGN: what the kernel aligns a reservation to."""

_LEAST = 64 << 20
_MOST = 1 << 30
_KEEPS_ITS_END = (
    "assumed: the reservation keeps its end and grows downwards; where the kernel reserves it is "
    "known after a reboot only"
)
_RELATIVE = (
    "kexec places from the end of the reservation downwards, and what the workarea hits moves "
    "along with the kernel: a larger crashkernel= does not help"
)


def other_reservation(predicted: Case) -> Advice | None:
    """Return the smallest crashkernel= with which the load is safe, or why no size helps."""
    memory = predicted.memory
    if not predicted.asked.is_crash or memory is None or not memory.crash_kernel:
        return None
    present = memory.crash_kernel[-1]
    trials = [
        try_out(_with_size(predicted, memory, present, size)) for size in _sizes(memory, present)
    ]
    safe = [index for index, trial in enumerate(trials) if trial.helps]
    if safe:
        always = len(safe) == len(trials) - safe[0]
        return trials[safe[0]].advice(
            _KEEPS_ITS_END,
            "every larger size that was tried is safe too" if always else "not every larger one is",
        )
    larger = [trial for trial in trials if _size_of(trial) > present.span.size]
    if not larger:
        return None
    tried = f"no size up to {size_text(_size_of(larger[-1]))} that was tried is safe"
    return larger[0].advice(_RELATIVE, tried, _KEEPS_ITS_END)


def _size_of(trial: Trial) -> int:
    memory = trial.what_if.case.memory
    return memory.crash_kernel[-1].span.size if memory is not None else 0


def _sizes(memory: MemoryMap, present: Region) -> range:
    """Return the sizes that leave the reservation in free memory, its end where it is."""
    around = [r for r in memory.regions if r.depth < present.depth and r.span.covers(present.span)]
    below = [r for r in memory.regions if r not in around and r.span.end <= present.span.start]
    lowest = max([r.span.start for r in around] + [r.span.end for r in below], default=0)
    room = present.span.end - align_up(lowest, _ALIGNMENT)
    return range(_LEAST, min(room, _MOST) + 1, _ALIGNMENT)


def _with_size(predicted: Case, memory: MemoryMap, present: Region, size: int) -> WhatIf:
    span = Span(present.span.end - size, present.span.end)
    regions = [replace(one, span=span) if one is present else one for one in memory.regions]
    regions.sort(key=lambda one: (one.span.start, -one.span.end, one.depth))
    changed = replace(memory, regions=tuple(regions))
    return WhatIf(
        f"reserve crashkernel={size >> 20}M instead of {size_text(present.span.size)}",
        Cost.REBOOT,
        replace(predicted, memory=changed),
    )


def advise(case: Case, report: Report) -> tuple[Advice, ...]:
    """Return changes with the verdicts that they give, cheapest first.

    Where the present answer is safe, nothing needs to be changed, and nothing is tried.
    """
    if is_safe(report):
        return ()
    present = Present(case, report)
    tried = [*_tried(present)]
    return tuple(sorted(tried, key=lambda advice: advice.cost.rank))


def _tried(present: Present) -> Iterator[Advice]:
    for what_if in boot_options(present):
        yield try_out(what_if).advice()
    predictable = present.predictable
    if isinstance(predictable, Known):
        base, said = as_recorded(predictable.value, present.case.segments)
        yield from _loaded_otherwise(base, said)
    else:
        base = replace(present.case, segments=None)
    kernel = kernel_with_section(base, present.report)
    if kernel is not None:
        yield try_out(kernel).advice()


def _loaded_otherwise(predicted: Case, said: str) -> Iterator[Advice]:
    """Yield what changes the load, each predicted anew."""
    yield from (try_out(what_if).advice(said) for what_if in other_calls(predicted))
    yield from (try_out(what_if).advice(said) for what_if in without_area(predicted))
    yield from (trial.advice(said) for trial in _tools_that_differ(predicted))
    for found in (window(predicted), other_initrd(predicted)):
        if found is not None:
            yield found.advice(said)
    reservation = other_reservation(predicted)
    if reservation is not None:
        yield reservation


def _tools_that_differ(predicted: Case) -> Iterator[Trial]:
    """Yield the generations of kexec-tools whose load would be safe, the newest one only."""
    for what_if in other_tools(predicted):
        trial = try_out(what_if)
        if trial.helps:
            yield trial
            return
