"""The situation that is to be changed: what was asked, what was answered, what can be varied."""

from __future__ import annotations

from smecheck.analysis import answer
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.model.advice import Cost
from smecheck.model.report import Report
from smecheck.model.segments import SegmentList
from smecheck.placement.cmdline import without_option
from smecheck.placement.kexec.predicted_load import Machine
from smecheck.placement.question import Question
from smecheck.quantity import address_text
from smecheck.record import record, replace
from smecheck.span import Span

_ADDED_BY_KEXEC = ("elfcorehdr", "acpi_rsdp")
"""Words that kexec itself puts on the command line of a crash kernel."""


@record
class WhatIf:
    """One change, as the question that it leads to."""

    change: str
    cost: Cost
    question: Question
    note: str = ""
    """What has to be said with the verdict."""


@record
class Present:
    """What was asked and answered."""

    question: Question
    report: Report

    @property
    def cmdline(self) -> Fact[str]:
        """The command line that kexec is given for the kernel."""
        given, passed_on = self.question.boot.cmdline, self.report.boot.cmdline
        if given is not None:
            return Known(given, "--cmdline")
        if isinstance(passed_on, Unknown):
            return passed_on
        words = passed_on.value
        for option in _ADDED_BY_KEXEC:
            words = without_option(words, option)
        return Known(words, passed_on.origin)

    @property
    def predictable(self) -> Fact[Question]:
        """The same load as a question that is answered by prediction, so that it can be varied."""
        boot = self.report.boot
        for fact in (boot.loader, boot.mode):
            if isinstance(fact, Unknown):
                return fact
        if self.report.memory is None:
            return Unknown("the memory of the machine is not known (--iomem)")
        request = replace(
            self.question.boot,
            loader=value_of(boot.loader),
            mode=value_of(boot.mode),
            initrd_size=boot.initrd.size,
            cmdline=value_of(self.cmdline),
            load_address=None,
        )
        varied = replace(self.question, boot=request, segments=None, memory=self.report.memory)
        return Known(varied, "prediction")


def as_recorded(predicted: Question, recorded: SegmentList | None) -> tuple[Question, str]:
    """Return the question whose prediction gives the load that was recorded, and what to say of it.

    A record does not tell the window (``--mem-max``) that kexec was given: where the prediction
    differs without one, the end of the highest segment is tried.
    """
    if recorded is None:
        return predicted, ""
    if _gives(predicted, recorded):
        return predicted, "predicted; of the load as it is, that gives exactly what was recorded"
    machine = predicted.machine or Machine()
    end = max((segment.span.end for segment in recorded.segments), default=machine.window.start)
    if machine.window.start < end < machine.window.end:
        narrowed = replace(machine, window=Span(machine.window.start, end))
        windowed = replace(predicted, machine=narrowed)
        if _gives(windowed, recorded):
            return windowed, (
                f"predicted; with --mem-max={address_text(end - 1)}, that gives exactly what was "
                "recorded"
            )
    return predicted, (
        "predicted, with care: of the load as it is, that does not give what was recorded "
        "(--cross-check shows where)"
    )


def _gives(question: Question, recorded: SegmentList) -> bool:
    """Tell whether a prediction puts the same spans in place as were recorded."""
    again = answer(question).segments
    return again is not None and _places(again) == _places(recorded)


def _places(segments: SegmentList) -> list[tuple[int, int]]:
    return sorted((segment.span.start, segment.span.end) for segment in segments.segments)
