"""Members that contradict each other: both are shown, and neither is used in silence."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.quantity import parse_integer
from smecheck.support_case.triage_report import Contradiction, Evidence, FactName, TriageFact

_ONE_VALUE = (
    FactName.RELEASE,
    FactName.CMDLINE,
    FactName.KEXEC_LOADED,
    FactName.CRASH_LOADED,
    FactName.CRASH_SIZE,
    FactName.KEXEC_TOOLS,
    FactName.CPUS,
    FactName.DISTRIBUTION,
    FactName.LOADER,
    FactName.CRASH_CMDLINE,
)
"""Of which a machine has one."""
_MIB = 1 << 20


def contradictions(evidence: Evidence) -> tuple[Contradiction, ...]:
    """Return what the members contradict each other in."""
    return (*_of_values(evidence), *_of_reservation(evidence))


def _of_values(evidence: Evidence) -> Iterator[Contradiction]:
    for name in _ONE_VALUE:
        facts = _different(evidence.said(name))
        if len(facts) > 1 and evidence.one(name) is None:
            yield Contradiction(name.value, facts, "neither is used")


def _different(facts: tuple[TriageFact, ...]) -> tuple[TriageFact, ...]:
    """Return the first fact of each value."""
    return tuple({fact.value: fact for fact in reversed(facts)}.values())[::-1]


def _of_reservation(evidence: Evidence) -> Iterator[Contradiction]:
    """Hold "Crash kernel" of iomem against what the log says that was reserved."""
    shown = [
        region.span
        for memory in evidence.iomems
        if memory.shows_kernel
        for region in memory.named("Crash kernel")
    ]
    logged = [
        (reserved, log)
        for log in evidence.logs
        if log.is_running and not log.is_crash
        for reserved in log.log.boot.crash_reservations
    ]
    if not shown or not logged:
        return
    for reserved, _ in logged:
        slack = _MIB if reserved.in_mib else 0
        fits = any(
            0 <= span.start - reserved.span.start <= slack
            and abs(span.size - reserved.span.size) <= slack
            for span in shown
        )
        if not fits:
            facts = evidence.said(FactName.RESERVATION)
            yield Contradiction(
                FactName.RESERVATION.value, _different(facts), "/proc/iomem is used"
            )
            return


def number_of(fact: TriageFact | None) -> int | None:
    """Return the number that a fact has as its value."""
    if fact is None:
        return None
    try:
        return parse_integer(fact.value.split()[0])
    except (ValueError, IndexError):
        return None
