"""Two builds compared: what moved, what came and went, and whether it got worse.

A build is compared by its facts, which a report that was kept shows as well as the kernel itself.
Nothing here reads a file or prints.
"""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.answer import Verdict
from smecheck.builds.build_facts import BuildFacts, KeptFinding
from smecheck.builds.comparison_report import Change, Comparison, Kind
from smecheck.builds.gate_report import KERNEL_TARGET, GateRow, RowOutcome
from smecheck.builds.thresholds import growth_row, slack_row
from smecheck.checks.finding import Severity
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.constants import PMD_SIZE
from smecheck.quantity import count_text, size_text
from smecheck.record import record
from smecheck.span import align_up

_GOOD = (Verdict.CLEAR, Verdict.NOT_APPLICABLE)


@record
class Limits:
    """What the new build may do."""

    min_slack: int | None = None
    max_growth: int | None = None


def compare(old: BuildFacts, new: BuildFacts, limits: Limits) -> Comparison:
    """Hold the new build against the old one."""
    rows = [_verdict_row(old, new), *_regressions(old, new)]
    if limits.min_slack is not None:
        rows.append(slack_row(new, limits.min_slack))
    if limits.max_growth is not None:
        rows.append(growth_row(old, new, limits.max_growth))
    changes = tuple(_changes(old, new))
    return Comparison(
        old=old,
        new=new,
        headline=_headline(old, new, rows),
        changes=changes,
        appeared=_only_in(new, old),
        vanished=_only_in(old, new),
        rows=tuple(rows),
    )


def _verdict_row(old: BuildFacts, new: BuildFacts) -> GateRow:
    """Return whether what was clear is so no more. What collides now is a finding of its own."""
    title = "the verdict did not get worse"
    change = f"{old.verdict.value} before, {new.verdict.value} now"
    if old.verdict in _GOOD and new.verdict is Verdict.UNDECIDED:
        errors = (row for row in _regressions(old, new) if row.severity is Severity.ERROR)
        blocker = next(errors, None)
        if blocker is None:
            return GateRow(KERNEL_TARGET, "verdict", title, RowOutcome.UNDECIDED, change)
        reason = f"skipped because {blocker.check} failed"
        return GateRow(KERNEL_TARGET, "verdict", title, RowOutcome.SKIPPED, reason)
    if old.verdict in _GOOD and new.verdict is Verdict.COLLISION:
        return GateRow(KERNEL_TARGET, "verdict", title, RowOutcome.FAILED, change, Severity.ERROR)
    return GateRow(KERNEL_TARGET, "verdict", title, RowOutcome.PASSED, change)


def _regressions(old: BuildFacts, new: BuildFacts) -> Iterator[GateRow]:
    """Yield the rules that only the new build breaks, or breaks worse."""
    before = {finding.rule: finding.severity.rank for finding in reversed(old.findings)}
    shown: set[str] = set()
    for finding in new.findings:
        worse = finding.severity.rank < before.get(finding.rule, len(Severity))
        if worse and finding.rule not in shown:
            shown.add(finding.rule)
            yield GateRow(
                KERNEL_TARGET,
                finding.rule,
                "what passed before still passes",
                RowOutcome.FAILED,
                finding.message,
                finding.severity,
                f"smecheck explain {finding.rule}",
            )


def _only_in(one: BuildFacts, other: BuildFacts) -> tuple[KeptFinding, ...]:
    """Return the findings of rules that the other build does not break."""
    rules = {finding.rule for finding in other.findings}
    return tuple(finding for finding in one.findings if finding.rule not in rules)


def _headline(old: BuildFacts, new: BuildFacts, rows: list[GateRow]) -> str:
    grown = "it is not known how the kernel grew"
    if isinstance(old.end, Known) and isinstance(new.end, Known):
        change = new.end.value - old.end.value
        grown = "_end - _text is the same"
        if change:
            how = "larger" if change > 0 else "smaller"
            grown = f"_end - _text is {size_text(abs(change))} {how}"
    worse = [row for row in rows if row.outcome is RowOutcome.FAILED]
    if worse:
        return f"{grown}; {count_text(len(worse), 'thing')} got worse: {worse[0].message}"
    return f"{grown}; verdict {old.verdict.value} before, {new.verdict.value} now"


def _changes(old: BuildFacts, new: BuildFacts) -> Iterator[Change]:
    yield _text("release", old.release, new.release)
    yield _text("build-id", old.build_id, new.build_id)
    yield _text("scheme", old.scheme, new.scheme)
    yield Change("generation", Kind.TEXT, old.generation, new.generation)
    yield Change("_end - _text", Kind.SIZE, value_of(old.end), value_of(new.end), _frames(old, new))
    yield _number("workarea", Kind.OFFSET, old.workarea, new.workarea)
    yield _number("mapped end", Kind.OFFSET, old.mapped_end, new.mapped_end)
    presence = _presence(old, new)
    yield Change("section", Kind.TEXT, value_of(old.section), value_of(new.section), presence)
    yield _number("section start", Kind.OFFSET, old.section_start, new.section_start)
    yield _number("section size", Kind.SIZE, old.section_size, new.section_size)
    yield _text("section type", old.section_type, new.section_type)
    yield _number("init_size", Kind.SIZE, old.init_size, new.init_size)
    yield _number("slack", Kind.SIZE, old.slack, new.slack)
    yield _number("output_len", Kind.SIZE, old.output_len, new.output_len)
    yield _number("kernel_alignment", Kind.SIZE, old.kernel_alignment, new.kernel_alignment)
    yield _number("pref_address", Kind.ADDRESS, old.pref_address, new.pref_address)
    yield _text("relocatable", _yes_no(old.relocatable), _yes_no(new.relocatable))
    yield Change("verdict", Kind.TEXT, old.verdict.value, new.verdict.value)
    yield Change("basis", Kind.TEXT, old.basis.value, new.basis.value)


def _frames(old: BuildFacts, new: BuildFacts) -> str:
    """Say how many 2 MiB boundaries ``_end`` crossed: the workarea moves in whole frames."""
    if isinstance(old.end, Unknown) or isinstance(new.end, Unknown):
        return ""
    frames = (align_up(new.end.value, PMD_SIZE) - align_up(old.end.value, PMD_SIZE)) // PMD_SIZE
    room = align_up(new.end.value, PMD_SIZE) - new.end.value
    left = f"{size_text(room)} to the next"
    if frames == 0:
        return f"crosses no 2 MiB boundary; {left}"
    times = "a 2 MiB boundary" if abs(frames) == 1 else f"{abs(frames)} boundaries of 2 MiB"
    return f"crosses {times} {'upwards' if frames > 0 else 'downwards'}; {left}"


def _presence(old: BuildFacts, new: BuildFacts) -> str:
    before, now = isinstance(old.section, Known), isinstance(new.section, Known)
    return {(True, False): "vanished", (False, True): "appeared"}.get((before, now), "")


def _text(name: str, old: Fact[str], new: Fact[str]) -> Change:
    return Change(name, Kind.TEXT, value_of(old), value_of(new))


def _number(name: str, kind: Kind, old: Fact[int], new: Fact[int]) -> Change:
    return Change(name, kind, value_of(old), value_of(new))


def _yes_no(fact: Fact[bool]) -> Fact[str]:
    if isinstance(fact, Unknown):
        return fact
    return Known("yes" if fact.value else "no", fact.origin)
