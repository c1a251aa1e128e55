"""A comparison as lines of ``key: value``, for pipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.builds.comparison_report import Comparison
from smecheck.report.comparison_words import ChangeWords, change_words, origins, shown_changes
from smecheck.report.gate_plain import row_line
from smecheck.report.safe_text import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.report.options import RenderOptions


def render_comparison_plain(comparison: Comparison, options: RenderOptions) -> str:
    """Return the comparison as ``key: value`` lines."""
    return plain_text(_lines(comparison, options))


def _lines(comparison: Comparison, options: RenderOptions) -> Iterator[str]:
    yield f"exit-code: {options.exit_code}"
    yield f"headline: {comparison.headline}"
    yield f"old: {comparison.old.source}"
    yield f"new: {comparison.new.source}"
    for change in shown_changes(comparison):
        yield _change(change_words(change))
    for kept in comparison.appeared:
        yield f"appeared: {kept.rule} {kept.severity.value}: {kept.message}"
    for kept in comparison.vanished:
        yield f"vanished: {kept.rule} {kept.severity.value}: {kept.message}"
    yield from (f"row: {row_line(row)}" for row in comparison.rows)
    if options.explain:
        for fact in origins(comparison):
            yield f"origin.{fact.name}: {fact.old} -> {fact.new}"


def _change(words: ChangeWords) -> str:
    moved = f" ({words.delta})" if words.delta else ""
    note = f"; {words.note}" if words.note else ""
    return f"{words.name}: {words.old} -> {words.new}{moved}{note}"
