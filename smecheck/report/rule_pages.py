"""The documentation of the rules, as Markdown, out of the rules themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from smecheck.model.finding import Effect

if TYPE_CHECKING:
    from smecheck.checks.rule import Rule

_DOCUMENT = "docs/rules.md"


def rule_url(rule_id: str) -> str:
    """Return where the rule is documented, relative to the project."""
    return f"{_DOCUMENT}#{rule_id.lower()}"


def rule_page(rule: Rule) -> str:
    """Return the page of one rule."""
    decides = {
        Effect.COLLISION: "An error of this rule makes the verdict `collision`.",
        Effect.CONTRADICTION: "An error of this rule makes the verdict `undecided`: the inputs "
        "contradict each other.",
        Effect.NONE: "",
    }[rule.effect]
    parts = [
        f"## {rule.id}",
        f"**{rule.title[0].upper()}{rule.title[1:]}** ({rule.severity.value})",
        rule.documentation,
        decides,
        f"Next step: {rule.remedy}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def rules_document(rules: Iterable[Rule]) -> str:
    """Return the document with the pages of all rules."""
    intro = "# The rules\n\nThe rules' own texts, as `smecheck explain` prints them.\n"
    return "\n".join([intro, *(rule_page(rule) for rule in rules)])
