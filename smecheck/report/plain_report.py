"""The report as lines of ``key: value``, for pipes: one line per fact, per finding, per premise.

Facts that are not known for the same reason share a line. Keys are stable (docs/formats.md),
nothing is wrapped or shortened, and a line break inside a value is an escape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import value_of, why
from smecheck.quantity import address_text, size_text
from smecheck.record import replace
from smecheck.report.fact_lines import FactLine, boot_facts, kaslr_facts, kernel_facts, yes_or_no
from smecheck.report.safe_text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from smecheck.answer import Advice, Report
    from smecheck.boot.kaslr.slots import KaslrSweep
    from smecheck.checks.finding import Finding, RuleResult
    from smecheck.evidence import Step
    from smecheck.load.compared_segments import CrossCheck
    from smecheck.load.segments import SegmentList
    from smecheck.report.options import RenderOptions
    from smecheck.workarea.placement import Extents, Placement, TablesAtEntry
    from smecheck.workarea.proven import Proof, ProofPath

_EXTENT_KEYS = ("in-place", "start", "written-end", "worst-end", "mapped-end", "length")


def render_plain(report: Report, options: RenderOptions) -> str:
    """Return the report as ``key: value`` lines; the first is the verdict."""
    return plain_text(_lines(report, options))


def _lines(report: Report, options: RenderOptions) -> Iterator[str]:
    yield f"verdict: {report.verdict.value}"
    yield f"basis: {report.basis.value}"
    yield f"exit-code: {options.exit_code}"
    yield f"headline: {report.headline}"
    yield from map(_finding, report.findings)
    yield f"kernel.source: {report.image.source}"
    yield f"kernel.kind: {report.image.kind.value}"
    yield from _facts("kernel", kernel_facts(report))
    yield f"boot.path: {report.boot.path.value}"
    yield from _facts("boot", boot_facts(report.boot))
    for placement in report.placements:
        yield from _placement(placement)
        if options.explain:
            yield from (_step(placement.scheme.value, step) for step in placement.derivation)
    if report.segments is not None:
        yield from _load(report.segments)
        for segment in report.segments.segments if options.explain else ():
            yield from (_step(segment.role.value, step) for step in segment.derivation)
    if report.cross_check is not None:
        yield from _cross_check(report.cross_check)
    if report.proof is not None:
        yield from _proof(report.proof)
    if report.kaslr is not None:
        yield from _kaslr(report.kaslr)
    if options.explain:
        yield from map(_check, report.checks)
    yield from map(_advice, report.advice or ())
    yield from (f"assumption: {text}" for text in report.assumptions)
    yield from (f"not-checked: {text}" for text in report.not_checked)
    for source in report.inputs:
        yield f"input: {source.path} ({source.kind}): {', '.join(source.used) or 'nothing used'}"
    yield f"next: {report.next_step}"


def _facts(prefix: str, facts: Iterable[FactLine]) -> Iterator[str]:
    """Yield a line for each fact; those that are not known for the same reason share one."""
    unknown: dict[str, list[str]] = {}
    for fact in facts:
        if fact.value is None:
            unknown.setdefault(fact.origin, []).append(fact.name)
        else:
            yield f"{prefix}.{fact.name}: {fact.value} ({fact.origin})"
    for reason, names in unknown.items():
        yield _unknown(prefix, names, reason)


def _unknown(prefix: str, names: Sequence[str], reason: str) -> str:
    if len(names) == 1:
        return f"{prefix}.{names[0]}: unknown ({reason})"
    return f"{prefix}.unknown: {', '.join(names)} ({reason})"


def _finding(finding: Finding) -> str:
    span = "-" if finding.span is None else repr(finding.span)
    party = "-" if finding.other is None else finding.other.name
    clauses = [
        finding.message,
        *([f"if: {finding.condition}"] if finding.condition is not None else []),
        *([f"next: {finding.remedy}"] if finding.remedy else []),
    ]
    return (
        f"finding: {finding.rule} {finding.severity.value} {finding.confidence.value} "
        f"{span} {party}: {'; '.join(clauses)}"
    )


def _advice(advice: Advice) -> str:
    effect = "helps" if advice.helps else "does-not-help"
    return (
        f"advice: {advice.cost.value} {effect} {advice.verdict.value}: {advice.change} "
        f"({advice.note})"
    )


def _check(result: RuleResult) -> str:
    reason = f" ({result.reason})" if result.reason else ""
    return f"check: {result.rule} {result.outcome.value}{reason}"


def _placement(placement: Placement) -> Iterator[str]:
    key = f"placement.{placement.scheme.value}"
    extents = placement.extents
    yield f"{key}.actual: {yes_or_no(placement.actual)}"
    yield f"{key}.status: {'undetermined' if extents is None else 'placed'}"
    yield f"{key}.reason: {placement.reason}"
    if extents is None:
        yield _unknown(key, _EXTENT_KEYS, "undetermined")
    else:
        yield from _extents(key, extents)
        yield f"{key}.length: {size_text(extents.worst.size)}"
    yield f"{key}.written-is-exact: {yes_or_no(placement.written_is_exact)}"
    if placement.tables is not None:
        yield f"{key}.tables-at-entry: {_tables(placement.tables)}"
    yield f"{key}.owner: {placement.owner.value} ({placement.owner_reason})"
    if placement.offsets is not None:
        yield from _extents(f"{key}.offset", placement.offsets)


def _tables(tables: TablesAtEntry) -> str:
    added = value_of(tables.added)
    count = "unknown" if added is None else f"{added} added"
    condition = f"; if {tables.condition}" if tables.condition else ""
    return f"{count} ({why(tables.added)}{condition})"


def _extents(key: str, extents: Extents) -> Iterator[str]:
    yield f"{key}.in-place: {extents.in_place!r}"
    yield f"{key}.start: {address_text(extents.start)}"
    yield f"{key}.written-end: {address_text(extents.written_end)}"
    yield f"{key}.worst-end: {address_text(extents.worst_end)}"
    yield f"{key}.mapped-end: {address_text(extents.mapped_end)}"


def _step(name: str, step: Step) -> str:
    # The kernel's own notation in a source, ALIGN(…), is ours to write in ASCII.
    formula, source = (text.replace("…", "...") for text in (step.formula, step.source))
    return f"derivation.{name}: {step.name} = {address_text(step.value)} : {formula} : {source}"


def _load(segments: SegmentList) -> Iterator[str]:
    for segment in segments.segments:
        yield (
            f"segment: {segment.role.value} {segment.span!r} {segment.origin.value} "
            f"({segment.where})"
        )
    if segments.refusal is not None:
        yield f"load.refusal: {segments.refusal}"


def _cross_check(check: CrossCheck) -> Iterator[str]:
    yield f"cross-check.agrees: {yes_or_no(check.agrees)}"
    from smecheck.report.cross_check_words import match_text, outcome_text

    yield f"cross-check.outcome: {outcome_text(check)}"
    for segment in check.segments:
        recorded, predicted = (
            "-" if span is None else repr(span) for span in (segment.recorded, segment.predicted)
        )
        yield (
            f"cross-check.segment: {segment.role.value} {segment.match.value} "
            f"{recorded} {predicted}: {match_text(segment)}"
        )
    yield from (f"cross-check.explained-by: {text}" for text in check.explained_by)
    yield from (f"cross-check.assumption: {text}" for text in check.assumptions)


def _kaslr(sweep: KaslrSweep) -> Iterator[str]:
    facts = (replace(fact, name=fact.name.replace(" ", "-")) for fact in kaslr_facts(sweep))
    yield from _facts("kaslr", facts)
    for area in sweep.slots.areas:
        yield f"kaslr.area: {address_text(area.start)} {area.count}"


def _proof(proof: Proof) -> Iterator[str]:
    yield f"proof.holds: {yes_or_no(proof.holds)}"
    yield f"proof.safe-by-luck: {yes_or_no(proof.by_luck)}"
    if proof.void is not None:
        yield f"proof.void: {proof.void}"
    for path in proof.paths:
        yield (
            f"proof.{path.path.value}: {'holds' if path.holds else 'fails'}, "
            f"{'' if path.taken else 'not taken by this boot, '}"
            f"reserved-end {'at least ' if path.is_bound else ''}"
            f"{address_text(path.reserved_end)}, "
            f"margin {size_text(path.margin)}, "
            f"worst-margin {size_text(path.worst_margin)}, "
            f"written-margin {size_text(path.written_margin)}{_growth(path)} ({path.reason})"
        )
        if path.counterexample is not None:
            from smecheck.report.counterexample_files import counterexample_text

            load = counterexample_text(path.counterexample)
            yield f"proof.{path.path.value}.counterexample: {load}"


def _growth(path: ProofPath) -> str:
    if path.growth is None:
        return ""
    return f", growth {'any' if path.grows_along else size_text(path.growth)}"
