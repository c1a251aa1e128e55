"""The documentation of the rules, as Markdown or JSON, out of the rules themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from smecheck.checks.finding import Effect
from smecheck.record import record
from smecheck.report.docs_address import site_url

if TYPE_CHECKING:
    from smecheck.checks.rule import Rule

RULES_SCHEMA = "smecheck/rules-v1"

_DOCUMENT = "docs/rules.md"
_PARTS = ("Passes", "Fails", "Sources")
EFFECTS = {
    Effect.COLLISION: "An error of this rule makes the verdict `collision`.",
    Effect.LOSS: "An error of this rule makes the verdict `collision`, whether SME is used or not.",
    Effect.CONTRADICTION: "An error of this rule makes the verdict `undecided`: the inputs "
    "contradict each other.",
    Effect.NONE: "",
}


@record
class RuleText:
    """The parts of a rule's documentation."""

    checks: str
    """What it looks at, in a sentence."""
    matters: str
    """Why that matters: paragraphs."""
    passes: str
    """An example that passes."""
    fails: str
    """One that fails."""
    sources: str


def rule_text(rule: Rule) -> RuleText:
    """Take a rule's documentation apart: its first paragraph, the others, the labelled ends."""
    pattern = "|".join(_PARTS)
    prose, *labelled = re.split(rf"^({pattern}): ", rule.documentation, flags=re.MULTILINE)
    parts = {
        label: " ".join(text.split())
        for label, text in zip(labelled[::2], labelled[1::2], strict=True)
    }
    checks, _, matters = prose.strip().partition("\n\n")
    passes, fails, sources = (parts.get(label, "") for label in _PARTS)
    return RuleText(checks, matters, passes, fails, sources)


def rule_url(rule_id: str) -> str:
    """Return where the rule is documented: on the site, or relative to the project without one."""
    anchor = rule_id.lower()
    return site_url("rules", anchor) or f"{_DOCUMENT}#{anchor}"


def heading(rule: Rule) -> str:
    """Return the title with a capital, unless it begins with a name from the code."""
    first = rule.title.split()[0]
    if first == "kexec" or "_" in first:
        return rule.title
    return f"{rule.title[0].upper()}{rule.title[1:]}"


def rule_page(rule: Rule) -> str:
    """Return the page of one rule."""
    text = rule_text(rule)
    scope = ", static" if rule.static else ""
    after = " and ".join(rule.after)
    examples = [f"- {label}: {said}" for label, said in _examples(text) if said]
    parts = [
        f"## {rule.id}",
        f"**{heading(rule)}** ({rule.severity.value}{scope})",
        text.checks,
        text.matters,
        EFFECTS[rule.effect],
        f"It is skipped where {after} failed." if after else "",
        "\n".join(examples),
        f"Next step: {rule.remedy}.",
        f"Sources: {text.sources}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def rules_json(rules: Iterable[Rule]) -> str:
    """Return the ``smecheck/rules-v1`` document."""
    from smecheck.report.safe_text import json_text

    return json_text({"schema": RULES_SCHEMA, "rules": [_rule_object(rule) for rule in rules]})


def _examples(text: RuleText) -> tuple[tuple[str, str], ...]:
    return ("passes", text.passes), ("fails", text.fails)


def _rule_object(rule: Rule) -> dict[str, object]:
    text = rule_text(rule)
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity.value,
        "effect": rule.effect.value,
        "static": rule.static,
        "after": list(rule.after),
        "checks": text.checks,
        "matters": text.matters,
        "passes": text.passes,
        "fails": text.fails,
        "remedy": rule.remedy,
        "sources": text.sources,
        "url": rule_url(rule.id),
    }
