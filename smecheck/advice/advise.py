"""What would help, tried out: the way in."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.advice.changes import (
    Present,
    Trial,
    as_recorded,
    boot_options,
    is_safe,
    kernel_with_section,
    other_call,
    other_initrd,
    other_reservation,
    other_tools,
    try_out,
    window,
    without_area,
)
from smecheck.answer import Advice, Report
from smecheck.case import Case
from smecheck.evidence import Known
from smecheck.record import replace


def advise(question: Case, report: Report) -> tuple[Advice, ...]:
    """Return changes with the verdicts that they give, cheapest first.

    Where the present answer is safe, nothing needs to be changed, and nothing is tried.
    """
    if is_safe(report):
        return ()
    present = Present(question, report)
    tried = [*_tried(present)]
    return tuple(sorted(tried, key=lambda advice: advice.cost.rank))


def _tried(present: Present) -> Iterator[Advice]:
    for what_if in boot_options(present):
        yield try_out(what_if).advice()
    predictable = present.predictable
    if isinstance(predictable, Known):
        base, said = as_recorded(predictable.value, present.question.segments)
        yield from _loaded_otherwise(base, said)
    else:
        base = replace(present.question, segments=None)
    kernel = kernel_with_section(base, present.report)
    if kernel is not None:
        yield try_out(kernel).advice()


def _loaded_otherwise(predicted: Case, said: str) -> Iterator[Advice]:
    """Yield what changes the load, each predicted anew."""
    call = other_call(predicted)
    if call is not None:
        yield try_out(call).advice(said)
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
