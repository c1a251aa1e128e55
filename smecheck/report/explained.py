"""A rule or a word explained, for people at a terminal: wrapped, and without marks of Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.report.rule_pages import EFFECTS, heading, rule_text

if TYPE_CHECKING:
    from smecheck.checks.rule import Rule
    from smecheck.report.terms import Term

_WIDEST = 88
"""Columns beyond which prose is hard to read."""
_INDENT = "  "


def explained_rule(rule: Rule, width: int, *, bold: bool) -> str:
    """Return the page of a rule as text of ``width`` columns."""
    text = rule_text(rule)
    scope = ", decided by the kernel alone" if rule.static else ""
    parts = [
        ("", text.checks),
        ("Why it matters", f"{text.matters}\n\n{EFFECTS[rule.effect]}".strip()),
        ("Skipped", f"where {' and '.join(rule.after)} failed." if rule.after else ""),
        ("Passes", text.passes),
        ("Fails", text.fails),
        ("What to do", f"{rule.remedy}."),
        ("Sources", text.sources),
    ]
    head = f"{rule.id}  {heading(rule)}"
    return _page(head, f"{rule.severity.value}{scope}", parts, width, bold=bold)


def explained_term(term: Term, width: int, *, bold: bool) -> str:
    """Return what a term means as text of ``width`` columns."""
    return _page(term.name, term.kind, [("", term.meaning)], width, bold=bold)


def _page(head: str, kind: str, parts: list[tuple[str, str]], width: int, *, bold: bool) -> str:
    lines = list(_wrapped(head, width, ""))
    shown = [*(_bold(line) if bold else line for line in lines), f"{_INDENT}({kind})"]
    for title, text in parts:
        if not text:
            continue
        shown.append("")
        if title:
            shown.append(_bold(title) if bold else title)
        for number, paragraph in enumerate(text.split("\n\n")):
            if number:
                shown.append("")
            shown += _wrapped(paragraph, width, _INDENT)
    return "\n".join(shown) + "\n"


def _wrapped(text: str, width: int, indent: str) -> Iterator[str]:
    plain = text.replace("``", "").replace("`", "")
    yield from textwrap.wrap(
        " ".join(plain.split()),
        min(width, _WIDEST),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m"
