"""``smecheck rules`` and ``smecheck explain``: what the rules mean."""

from __future__ import annotations

import click

from smecheck.cli.output import write_stdout
from smecheck.cli.parameters import HELP_NAMES
from smecheck.errors import UsageError


@click.command(
    epilog="\b\nExamples:\n  smecheck rules\n  smecheck rules --format json",
    context_settings=HELP_NAMES,
)
@click.option(
    "--format",
    "list_format",
    type=click.Choice(["plain", "json"]),
    default="plain",
    help="json: with all that explain prints, described by `smecheck schema rules-v1`.",
)
def rules(list_format: str) -> None:
    """List the rules: id, severity, title."""
    from smecheck.checks.catalogue import RULES

    if list_format == "json":
        from smecheck.report.rule_pages import rules_json

        write_stdout(rules_json(RULES.values()), encoding="utf-8")
        return
    write_stdout(
        "".join(f"{rule.id}  {rule.severity.value:7}  {rule.title}\n" for rule in RULES.values())
    )


@click.command(epilog="\b\nExamples:\n  smecheck explain SME001", context_settings=HELP_NAMES)
@click.argument("rule_id", metavar="RULE")
def explain(rule_id: str) -> None:
    """Say what RULE (for example SME001) means, why it matters and what to do."""
    from smecheck.checks.catalogue import RULES
    from smecheck.report.rule_pages import rule_page

    rule = RULES.get(rule_id.upper())
    if rule is None:
        raise UsageError(f"there is no rule {rule_id!r}", help_text="smecheck rules lists them all")
    write_stdout(rule_page(rule))
