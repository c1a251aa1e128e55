"""The tables of the text report: aligned columns without boxes, so that they paste well."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from rich.table import Table
from rich.text import Text

from smecheck.load.compared_segments import Match
from smecheck.quantity import address_text, size_text
from smecheck.report.counterexample_files import counterexample_text
from smecheck.report.cross_check_words import match_text
from smecheck.report.placement_rows import (
    compared_placements,
    extent_rows,
    other_placement,
    status_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from smecheck.answer import Report
    from smecheck.checks.finding import RuleResult
    from smecheck.evidence import Step
    from smecheck.load.compared_segments import CrossCheck
    from smecheck.load.segments import SegmentList
    from smecheck.report.fact_lines import FactLine
    from smecheck.workarea.proven import Proof, ProofPath

_LONGEST_ADDRESS = len("0xffffffffffffffff")
_READABLE = 52
"""Columns beyond which a cell of prose is harder to read than one more line."""


Words: TypeAlias = "Callable[[str], str]"
"""Makes text from anywhere fit to be shown."""


def grid(columns: int, *, gap: int) -> Table:
    """Return an empty table in which only the last column wraps."""
    table = Table.grid(padding=(0, gap, 0, 0))
    for _ in range(columns - 1):
        table.add_column(no_wrap=True, overflow="fold")
    table.add_column(overflow="fold")
    return table


def placements_table(report: Report, words: Words) -> Table:
    """Return where the workarea is and whose memory that is, beside the other scheme.

    That one is a line only where it teaches nothing.
    """
    placements, other = compared_placements(report), other_placement(report)
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    for _ in placements:
        table.add_column(min_width=_LONGEST_ADDRESS, max_width=_READABLE, overflow="fold")
    table.add_row("scheme", *(Text(p.scheme.value, "bold") for p in placements))
    table.add_row("status", *(status_of(placement) for placement in placements))
    for name, cells in extent_rows(placements):
        table.add_row(name, *cells)
    table.add_row("owner", *(Text(p.owner.value, "bold") for p in placements))
    table.add_row("", *(words(placement.owner_reason) for placement in placements))
    table.add_row("note", *(words(placement.reason) for placement in placements))
    if other is not None:
        table.add_row("other", words(other))
    return table


def facts_table(facts: Iterable[FactLine], words: Words) -> Table:
    """Return the facts with their origins; at the end those that are not known, by reason."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(min_width=_LONGEST_ADDRESS, max_width=_READABLE, overflow="fold")
    table.add_column(overflow="fold", style="dim")
    unknown = []
    for fact in facts:
        if fact.value is None:
            unknown.append(fact)
        else:
            table.add_row(fact.name, words(fact.value), words(fact.origin))
    unknown.sort(key=lambda fact: fact.origin)
    for reason, group in groupby(unknown, key=lambda fact: fact.origin):
        table.add_row("unknown", ", ".join(fact.name for fact in group), words(reason))
    return table


def proof_table(proof: Proof, words: Words, *, with_examples: bool) -> Table:
    """Return for each way of loading whether it keeps the workarea, and by how much.

    Args:
        proof: what to show.
        words: makes text printable.
        with_examples: show how the ways that this boot can take fail.
    """
    table = grid(4, gap=2)
    for path in proof.paths:
        margin = f"{size_text(abs(path.margin))} {'to spare' if path.margin >= 0 else 'short'}"
        table.add_row(
            path.path.value,
            ("holds" if path.holds else "fails") + ("" if path.taken else " (not this boot)"),
            f"_text + {address_text(path.reserved_end)}" + (" or more" if path.is_bound else ""),
            Text(f"{margin}{_growth(path)}; {words(path.reason)}"),
        )
        if with_examples and path.taken and path.counterexample is not None:
            example = words(counterexample_text(path.counterexample))
            table.add_row("", "example", "", Text(example, "dim"))
    return table


def _growth(path: ProofPath) -> str:
    if path.growth is None:
        return ""
    if path.grows_along:
        return ", however the kernel grows"
    return f", until _end moves by more than {size_text(path.growth)}"


def segments_table(segments: SegmentList, words: Words) -> Table:
    """Return the segments of the load by address."""
    table = grid(4, gap=2)
    for segment in segments.segments:
        table.add_row(
            segment.role.value,
            repr(segment.span),
            segment.origin.value,
            Text(words(segment.where), "dim"),
        )
    return table


def cross_check_table(check: CrossCheck, words: Words) -> Table:
    """Return recorded and predicted segments side by side, the first lines for the differences."""
    table = grid(4, gap=2)
    if check.segments:
        table.add_row("", "recorded", "predicted", "")
    for segment in check.segments:
        spans = ("-" if s is None else repr(s) for s in (segment.recorded, segment.predicted))
        style = "" if segment.match is Match.SAME else "bold"
        table.add_row(segment.role.value, *spans, Text(match_text(segment), style))
    for text in check.explained_by:
        table.add_row("agrees with", Text(words(text), "bold"), "", "")
    return table


def checks_table(checks: Iterable[RuleResult], words: Words) -> Table:
    """Return the rules that were asked: what came of them, what they ask or why they could not."""
    table = grid(3, gap=2)
    for result in checks:
        said = f"{result.name}: {result.reason}" if result.reason else result.label
        table.add_row(result.rule, result.outcome.value, Text(words(said), "dim"))
    return table


def derivation_table(steps: tuple[Step, ...], words: Words) -> Table:
    """Return every step of the arithmetic: what, how, and from where."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for step in steps:
        text = Text.assemble(words(step.formula), "\n", (words(step.source), "dim"))
        table.add_row(words(step.name), address_text(step.value), text)
    return table
