"""All runs of a kernel's code, and what they come to together."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from smecheck.boot.boot import Initrd
from smecheck.emulation.differences import compare, result_of
from smecheck.emulation.emulator import Arena, StopKind, emulator_version, release
from smecheck.emulation.isolation import CPU_SECONDS, ChildEnded, in_child
from smecheck.emulation.matrix import Ground, full_matrix, short_matrix
from smecheck.emulation.observation import Entries, Observation, Seen
from smecheck.emulation.prediction import predict
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.constants import KERNEL_IMAGE_SIZE, PAGE_SIZE, START_KERNEL_MAP
from smecheck.kernel.five_levels import has_five_levels
from smecheck.kernel.generations import GENERATION_RULES
from smecheck.kernel.startup_names import spellings
from smecheck.kernel.verification import (
    Aspect,
    CodePlace,
    Difference,
    KnownDifference,
    Result,
    Run,
    Verification,
)
from smecheck.quantity import address_text
from smecheck.record import record, replace
from smecheck.span import Span, align_up
from smecheck.workarea.arithmetic import KernelLayout, reach_anywhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.emulation.start import Start
    from smecheck.evidence import Fact
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.generations import GenerationRules
    from smecheck.kernel.image import KernelImage
    from smecheck.kernel.program import KernelProgram

ENCRYPT_KERNEL = "sme_encrypt_kernel"
ENCRYPT_EXECUTE = "sme_encrypt_execute"
_ENABLED = "sme_me_mask"
_FIVE_LEVELS = "__pgtable_l5_enabled"
"""arch/x86/kernel/head64.c, later boot/startup: there where the code knows 5-level paging."""

_CODE_SHOWN = 15
_QUICK_SECONDS = 20
"""Of CPU, for a part of the matrix; that of a real kernel takes less than one."""

_RUNS_PER_SWEEP = 16
_ENOUGH = 64
"""Runs that differ, after which no more are made."""

_KASAN_SHADOW = Span(0xDFFF_FC00_0000_0000, 0xFFFF_FC00_0000_0000)
"""arch/x86/Kconfig, KASAN_SHADOW_OFFSET: an eighth of all addresses, from there on."""


@record
class Subject:
    """A kernel whose code is run."""

    program: KernelProgram
    image: KernelImage
    facts: KernelFacts


@record
class _Code:
    """Where the functions are that a run needs to know, as linked."""

    encrypt_kernel: int
    encrypt_execute: int
    enabled: int | None
    size: int
    """Of sme_encrypt_kernel()."""


def verify(subject: Subject, *, quick: bool = False) -> Verification:
    """Run the code over the matrix, and hold each run against what is predicted for it.

    Args:
        subject: the kernel.
        quick: over a part of the matrix.

    Raises:
        ImportError: the emulator is not installed.
    """
    emulator = _emulator()
    code = _code(subject.program)
    if isinstance(code, Unknown):
        return not_recognized(code.reason)
    layout = _layout(subject.facts)
    if isinstance(layout, Unknown):
        return not_recognized(layout.reason)
    answers = []
    for generation in reversed(subject.facts.generations):
        rules = GENERATION_RULES[generation]
        trial = _Trial(subject, code.value, layout.value, rules)
        answer = replace(trial.answer(quick=quick), emulator=emulator)
        if answer.result is Result.AGREES:
            return answer
        answers.append(answer)
    return answers[0]


def not_recognized(reason: str) -> Verification:
    """Return the answer where nothing can be run.

    Raises:
        ImportError: the emulator is not installed.
    """
    return Verification(Result.NOT_RECOGNIZED, (), 0, (), (reason,), None, _emulator())


def _emulator() -> str:
    return f"unicorn {emulator_version()}"


def _code(program: KernelProgram) -> Fact[_Code]:
    encrypt_kernel = program.address(spellings(ENCRYPT_KERNEL))
    encrypt_execute = program.address(spellings(ENCRYPT_EXECUTE))
    if encrypt_kernel is None or encrypt_execute is None:
        name = ENCRYPT_KERNEL if encrypt_kernel is None else ENCRYPT_EXECUTE
        return Unknown(f"no symbol {name}: it has no SME code, or the compiler inlined it")
    for what, address in (
        (ENCRYPT_KERNEL, encrypt_kernel),
        (ENCRYPT_EXECUTE, encrypt_execute),
        ("the entry point", program.entry_address),
    ):
        if not program.holds(address):
            return Unknown(f"{what} is at {address_text(address)}, outside the image")
    enabled, size = program.address((_ENABLED,)), program.size_of(encrypt_kernel)
    return Known(_Code(encrypt_kernel, encrypt_execute, enabled, size), "its symbols")


def _layout(facts: KernelFacts) -> Fact[KernelLayout]:
    for fact in (facts.text, facts.end, facts.scheme):
        if isinstance(fact, Unknown):
            return fact
    text, end = value_of(facts.text) or 0, value_of(facts.end) or 0
    section = facts.section
    offset = section.address - text if section is not None else None
    return Known(KernelLayout(end - text, offset), "its symbols and sections")


class _Trial:
    """The runs of one kernel, held against the arithmetic of one generation."""

    def __init__(
        self, subject: Subject, code: _Code, layout: KernelLayout, rules: GenerationRules
    ) -> None:
        self._program = subject.program
        self._code = code
        self._layout = layout
        self._rules = rules
        self._text = (value_of(subject.facts.text) or 0) - START_KERNEL_MAP
        self._notes: list[str] = []
        self._faults: set[CodePlace | None] = set()
        self._page = cache(subject.program.page)
        self._ground = self._ground_of(subject)

    def answer(self, *, quick: bool) -> Verification:
        """Make all runs, and sum them up."""
        starts = (short_matrix if quick else full_matrix)(self._ground)
        runs: list[Run] = []
        reasons = list(self._notes)
        try:
            seconds = _QUICK_SECONDS if quick else CPU_SECONDS
            runs.extend(in_child(partial(self._runs, starts), cpu_seconds=seconds))
        except ChildEnded as ended:
            later = starts[len(runs) :]
            where = f"in run {len(runs) + 1}, {later[0].text}" if later else "after the last run"
            reasons.append(f"{where}: {ended}")
        unable = [run for run in runs if run.result is Result.NOT_RECOGNIZED]
        reasons += [f"in run {run.number}, {run.start}: {run.reason}" for run in unable]
        return Verification(
            result=_result(runs, complete=len(runs) == len(starts)),
            runs=tuple(runs),
            planned=len(starts),
            differences=_known(runs),
            reasons=tuple(reasons),
            code=self._located(self._code.encrypt_kernel),
            emulator="",
        )

    def _ground_of(self, subject: Subject) -> Ground:
        levels = [4]
        built = self._five_levels(subject.image)
        if isinstance(built, Unknown):
            self._notes.append(f"5-level paging was not tried: {built.reason}")
        elif built.value and not self._rules.builds_five_levels:
            self._notes.append(
                "5-level paging was not tried: code of this generation builds 4-level tables under "
                "it, which no CPU of its time could show"
            )
        elif built.value:
            levels.append(5)
        initrd = Initrd(None, PAGE_SIZE, "")
        reach = reach_anywhere(self._layout, self._rules, levels=levels[-1], initrd=initrd)
        ends = [load.paddr + load.memsz - self._text for load in self._program.loads]
        return Ground(
            layout=self._layout,
            image_size=min(
                max(*ends, value_of(subject.image.header.output_len) or 0), KERNEL_IMAGE_SIZE
            ),
            lowest=self._text,
            rules=self._rules,
            levels=tuple(levels),
            mapped_end=reach.extents.mapped_end,
        )

    def _five_levels(self, image: KernelImage) -> Fact[bool]:
        stated = has_five_levels(image)
        if isinstance(stated, Known):
            return stated
        symbols = self._program.symbols
        if symbols.addresses((_FIVE_LEVELS,)):
            return Known(True, f"symbol {_FIVE_LEVELS}")
        if symbols.lists_data:
            return Known(False, f"no symbol {_FIVE_LEVELS}")
        return stated

    def _runs(self, starts: tuple[Start, ...]) -> Iterator[Run]:
        """Make the runs, up to the first that cannot be recognized, or enough that differ."""
        arena = Arena()
        different = 0
        for number, start in enumerate(starts, 1):
            run = self._run(arena, number, start)
            yield run
            different += run.result in (Result.DIFFERS, Result.FAULTS)
            if run.result is Result.NOT_RECOGNIZED or different == _ENOUGH:
                return
            if number % _RUNS_PER_SWEEP == 0:
                release()

    def _run(self, arena: Arena, number: int, start: Start) -> Run:
        predicted = predict(start, self._layout, self._rules)
        seen = self._observation(arena, start).run()
        locate = partial(self._located_at, start.base)
        differences = compare(predicted, seen, locate)
        result = result_of(seen, differences)
        differences = tuple(self._explained(arena, start, one) for one in differences)
        return Run(
            number=number,
            start=start.text,
            base=start.base,
            levels=start.levels,
            tables=start.entries.kind.value,
            encryption_bit=start.encryption_bit,
            initrd=start.initrd,
            result=result,
            predicted=predicted,
            seen=seen.figures,
            differences=differences,
            reason=self._reason(start, seen),
        )

    def _reason(self, start: Start, seen: Seen) -> str:
        """Say why a run means nothing, and where that was; empty where it means something."""
        if not seen.unrecognized or seen.stop.kind is StopKind.REACHED or not seen.stop.instruction:
            return seen.unrecognized
        place = self._located_at(start.base, seen.stop.instruction)
        return f"{seen.unrecognized}, at {address_text(place.address)} ({place.symbol})"

    def _observation(self, arena: Arena, start: Start, *, traced: bool = False) -> Observation:
        moved = start.base - self._text
        code, entry = self._code, self._program.entry_address
        first = code.encrypt_kernel - START_KERNEL_MAP + moved
        enabled = None if code.enabled is None else code.enabled - START_KERNEL_MAP + moved
        entries = Entries(
            entry=entry - START_KERNEL_MAP + moved,
            encrypt_kernel=first,
            encrypt_execute=code.encrypt_execute - START_KERNEL_MAP + moved,
            own=Span.sized(first, code.size),
            kernel=Span.sized(start.base, max(self._ground.image_size, self._ground.mapped_end)),
            enabled=enabled,
        )
        kernel = Span.sized(start.base, align_up(self._layout.end_offset, PAGE_SIZE))
        return Observation(
            arena, start, kernel, lambda at: self._page(self._text + at), entries, traced=traced
        )

    def _is_new_fault(self, difference: Difference) -> bool:
        """Return whether this is the first fault at its instruction."""
        if difference.aspect is not Aspect.FAULT or difference.instruction in self._faults:
            return False
        self._faults.add(difference.instruction)
        return True

    def _explained(self, arena: Arena, start: Start, fault: Difference) -> Difference:
        """Say of a fault what lies at its address, and which function came to it; once of each."""
        if not self._is_new_fault(fault):
            return fault
        seen = self._observation(arena, start, traced=True).run()
        address = seen.stop.address
        note = "" if address is None else self._what_is_there(address)
        path = (self._located_at(start.base, place).symbol for place in reversed(seen.path))
        own = _function(fault.instruction.symbol) if fault.instruction else ""
        caller = next((symbol for symbol in path if _function(symbol) != own), "")
        return replace(fault, note=note, reached_from=caller)

    def _what_is_there(self, address: int) -> str:
        """Say what is at a virtual address that nothing maps, as far as that can be said."""
        if address >= START_KERNEL_MAP:
            return f"the link address of {self._program.place(address)}"
        if address in _KASAN_SHADOW:
            return (
                "KASAN's shadow memory: this code is instrumented (CONFIG_KASAN), and nothing of "
                "the shadow is mapped so early"
            )
        return ""

    def _located_at(self, base: int, physical: int) -> CodePlace:
        """Name the instruction at a physical address of a run."""
        if physical in Span.sized(base, self._ground.image_size):
            return self._located(START_KERNEL_MAP + self._text + physical - base)
        return CodePlace(physical, "outside the image")

    def _located(self, address: int) -> CodePlace:
        physical = address - START_KERNEL_MAP
        within = physical % PAGE_SIZE
        pages = self._page(physical - within) + self._page(physical - within + PAGE_SIZE)
        code = pages[within : within + _CODE_SHOWN]
        return CodePlace(address, self._program.place(address), code.hex())


def _function(place: str) -> str:
    return place.partition("+")[0]


def _result(runs: list[Run], *, complete: bool) -> Result:
    """Return the worst that is known: what was seen to differ does, whatever was not seen."""
    found = {run.result for run in runs}
    for result in (Result.DIFFERS, Result.FAULTS):
        if result in found:
            return result
    return Result.AGREES if complete and found == {Result.AGREES} else Result.NOT_RECOGNIZED


def _known(runs: list[Run]) -> tuple[KnownDifference, ...]:
    """Return each kind of difference once, as the first run that has it shows it.

    Faults are distinguished by their instruction: what comes after the first is not known.
    """
    known: dict[tuple[Aspect, CodePlace | None], KnownDifference] = {}
    for run in runs:
        for difference in run.differences:
            is_fault = difference.aspect is Aspect.FAULT
            key = (difference.aspect, difference.instruction if is_fault else None)
            before = known.get(key, KnownDifference(difference, run.number, 0))
            known[key] = replace(before, runs=before.runs + 1)
    order = list(Aspect)
    return tuple(sorted(known.values(), key=lambda one: order.index(one.first.aspect)))
