"""A triage in words: what every format for people says first, and in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from smecheck.evidence import value_of
from smecheck.quantity import size_text
from smecheck.report.verdict_words import VERDICT_WORDS
from smecheck.support_case.triage_report import FactName, FailureClass

if TYPE_CHECKING:
    from smecheck.support_case.triage_report import Budget, TriageFact, TriageReport

CLASS_WORDS = {
    FailureClass.RESERVATION: "reservation",
    FailureClass.LOAD: "load",
    FailureClass.JUMP: "before the jump",
    FailureClass.PLACEMENT: "placement",
    FailureClass.DECOMPRESSION: "decompression and early code",
    FailureClass.MEMORY: "memory",
    FailureClass.INITRAMFS: "initramfs and dump target",
    FailureClass.CORRUPTION: "corrupt dump",
}
"""The stage that each class stands for."""

_SHORT = (FactName.CONFIG, FactName.SIGN)
"""Of which there are many: in text, those of a name share their lines."""


def class_text(triage: TriageReport) -> str:
    """Return the class in words: ``P (placement)``."""
    failure = triage.diagnosis.failure
    return "none shown" if failure is None else f"{failure.value} ({CLASS_WORDS[failure]})"


def verdict_text(triage: TriageReport) -> str:
    """Return the verdict, and on what it stands: ``COLLISION (machine)``."""
    word = VERDICT_WORDS[triage.verdict]
    return word if triage.report is None else f"{word} ({triage.report.basis.value})"


def asked_text(triage: TriageReport) -> str:
    """Return in a line what was asked about."""
    report = triage.report
    if report is None:
        return "nothing was placed"
    boot = report.boot
    kaslr, loader = value_of(boot.kaslr), value_of(boot.loader)
    release = value_of(report.image.release) or "of unknown release"
    parts = [
        f"{boot.path.value} of kernel {release}",
        *([f"by {loader.value}"] if loader is not None else []),
        f"SME {boot.sme.value}",
        f"KASLR {'unknown' if kaslr is None else 'on' if kaslr else 'off'}",
    ]
    if report.segments is not None and report.segments.predicted:
        parts.append("load predicted")
    return "; ".join(parts)


def budget_text(budget: Budget) -> str:
    """Return the budget in a line."""
    initrd = f"3 x {_size(budget.initrd)} initrd" if budget.initrd else "an initrd of unknown size"
    parts = [f"{_size(budget.kernel)} kernel", initrd]
    if budget.encryption:
        parts.append(f"{_size(budget.encryption)} swiotlb for SME")
    left = budget.reserved - budget.needed
    end = f"{_size(left)} left" if left >= 0 else f"SHORT by {_size(-left)}"
    total = _size(budget.needed)
    return f"{' + '.join(parts)} = {total}; reserved {_size(budget.reserved)}: {end}"


def _size(size: int) -> str:
    """Return a size without its bytes: nobody copies it out of a sum."""
    return size_text(size).partition(" (")[0]


def fact_rows(triage: TriageReport) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and places of each fact; those of many small ones in one row a member."""
    rows: dict[tuple[FactName, str], list[str]] = {}
    for fact in triage.facts:
        if fact.name not in _SHORT:
            rows.setdefault((fact.name, fact.value), []).append(fact.place)
    order = list(FactName)
    for known, value in sorted(rows, key=lambda row: order.index(row[0])):
        yield known.value, value, ", ".join(rows[known, value])
    short = sorted(
        (fact for fact in triage.facts if fact.name in _SHORT),
        key=lambda fact: (fact.name.value, fact.member),
    )
    for (name, member), facts in groupby(short, key=lambda fact: (fact.name.value, fact.member)):
        listed = list(facts)
        yield name, "; ".join(map(_with_line, listed)), member


def _with_line(fact: TriageFact) -> str:
    return fact.value if fact.line is None else f"{fact.value} (line {fact.line})"
