"""``smecheck rules`` and ``smecheck explain``: what rules and words mean."""

from __future__ import annotations

import click

from smecheck.cli.output import write_stdout
from smecheck.cli.parameters import HELP_NAMES
from smecheck.errors import UsageError

_EXPLAIN_EPILOG = """
\b
Examples:
  smecheck explain SME001
  smecheck explain undecided
  smecheck explain worst-end
  smecheck explain 4
"""


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


@click.command(epilog=_EXPLAIN_EPILOG, context_settings=HELP_NAMES)
@click.argument("name", metavar="RULE|TERM")
def explain(name: str) -> None:
    """Explain a rule or a term of a report.

    For a RULE (SME001): what it checks, why that matters, what to do. A TERM is a verdict or its
    basis, an extent or a margin of the workarea, a scheme, an owner, a severity, a key of a policy,
    or an exit status.
    """
    from smecheck.checks.catalogue import RULES
    from smecheck.cli.pager import write_or_show
    from smecheck.cli.terminal import wants_color, width
    from smecheck.report.explained import explained_rule, explained_term
    from smecheck.report.terms import TERMS, term_of

    bold = wants_color("auto", to_stdout=True)
    rule, term = RULES.get(name.upper()), term_of(name)
    if rule is not None:
        write_or_show(explained_rule(rule, width(), bold=bold))
    elif term is not None:
        write_or_show(explained_term(term, width(), bold=bold))
    else:
        raise _unknown(name, [*RULES, *(one.name for one in TERMS)])


def _unknown(name: str, known: list[str]) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(name.upper() if name[:3].upper() == "SME" else name, known, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return UsageError(
        f"there is no rule or term {name!r}{meant}",
        help_text="smecheck rules lists the rules; terms are verdicts, bases, extents, margins, "
        "schemes, owners, severities, keys of a policy and exit statuses",
    )
