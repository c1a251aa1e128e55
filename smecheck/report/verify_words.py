"""What came of a kernel's machine code, in words: what its formats say alike."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, assert_never

from smecheck.evidence import Known
from smecheck.kernel.verification import Aspect, Result
from smecheck.quantity import address_text, count_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smecheck.kernel.verification import (
        CodePlace,
        KnownDifference,
        Run,
        Verification,
        VerifyReport,
    )

RESULT_WORDS = {
    Result.AGREES: "AGREES",
    Result.DIFFERS: "DIFFERS",
    Result.FAULTS: "FAULTS",
    Result.NOT_RECOGNIZED: "NOT RECOGNIZED",
}

_VERBS = {
    Result.AGREES: "agree",
    Result.DIFFERS: "differ",
    Result.FAULTS: "fault",
    Result.NOT_RECOGNIZED: "not recognized",
}

_NEXT = {
    Result.AGREES: "nothing: the numbers that analyze and gate report for this kernel match its "
    "code",
    Result.DIFFERS: "look at the instruction named, and at what was changed before it; "
    "until it agrees, do not rely on what smecheck says about this kernel's workarea",
    Result.FAULTS: "boot this build with mem_encrypt=off, and check how the instruction addresses "
    "its operand: code that runs this early must be position-independent",
    Result.NOT_RECOGNIZED: "give the vmlinux of the build, with its symbols; if that was given, "
    "please report it",
}


def headline(report: VerifyReport) -> str:
    """Return the answer in a sentence."""
    verification = report.verification
    match verification.result:
        case Result.AGREES:
            return f"the machine code computes as smecheck predicts, in {verification.share} runs"
        case Result.NOT_RECOGNIZED:
            return f"the machine code was not recognized: {verification.reason}"
        case Result.DIFFERS | Result.FAULTS:
            first = verification.differences[0].first
            at = f", at {first.instruction.text}" if first.instruction else ""
            came = f", reached from {first.reached_from}" if first.reached_from else ""
            return (
                f"the machine code {verification.result.value} in {verification.share} runs"
                f"{at}{came}: {first.text}"
            )
    assert_never(verification.result)


def next_step(verification: Verification) -> str:
    """Return what to do now."""
    return _NEXT[verification.result]


def notes_text(known: KnownDifference) -> str:
    """Say what is known of a difference besides; empty where nothing is."""
    first = known.first
    came = f"reached from {first.reached_from}" if first.reached_from else ""
    wanted = f"predicted: {first.predicted}" if first.aspect is Aspect.FAULT else ""
    return "; ".join(text for text in (came, wanted) if text)


def place_text(place: CodePlace) -> str:
    """Name an instruction, with its first bytes."""
    return f"{place.text}: {place.code}" if place.code else place.text


def where_text(known: KnownDifference, verification: Verification) -> str:
    """Say in which runs a difference was seen."""
    run = next(run for run in verification.runs if run.number == known.run)
    return f"in {count_text(known.runs, 'run')}, first in run {run.number}: {run.start}"


def counts_text(verification: Verification) -> str:
    """Return how many runs had which result: ``8 agree, 64 fault, of 202 planned``."""
    return f"{results_text(verification.runs) or 'none'}, of {verification.planned} planned"


def results_text(runs: Iterable[Run]) -> str:
    """Return how many of the runs had which result: ``8 agree, 64 fault``."""
    counts = Counter(run.result for run in runs)
    return ", ".join(f"{counts[one]} {_VERBS[one]}" for one in Result if counts[one])


def context_text(report: VerifyReport) -> str:
    """Return on one line which kernel it is, and what it was run with."""
    release, scheme = report.image.release, report.facts.scheme
    parts = [
        report.image.source,
        f"kernel {release.value}" if isinstance(release, Known) else "kernel of unknown release",
        f"scheme {scheme.value.value}" if isinstance(scheme, Known) else "scheme unknown",
    ]
    code = report.verification.code
    if code is not None:
        parts.append(f"{code.symbol} at {address_text(code.address)}")
    return "; ".join([*parts, report.verification.emulator])


def run_text(run: Run) -> str:
    """Return a run in a line."""
    reason = f" ({run.reason})" if run.reason else ""
    return f"{run.result.value}: {run.start}{reason}"
