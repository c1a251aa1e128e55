"""``smecheck schema``: the JSON Schemas of what smecheck reads and writes."""

from __future__ import annotations

import click

from smecheck.cli.output import write_stdout
from smecheck.cli.parameters import HELP_NAMES

SCHEMAS = (
    "boot-v1",
    "comparison-v1",
    "error-v1",
    "fleet-machine-v1",
    "fleet-row-v1",
    "gate-v1",
    "gates-v1",
    "host-v1",
    "kernel-v1",
    "policy-v1",
    "report-v1",
    "rules-v1",
    "segments-v1",
    "triage-v1",
    "verify-v1",
)


_EPILOG = "\b\nNames:\n" + "".join(f"  {name}\n" for name in SCHEMAS)


@click.command(
    epilog=f"{_EPILOG}\n\b\nExamples:\n  smecheck schema report-v1", context_settings=HELP_NAMES
)
@click.argument("name", metavar="NAME", type=click.Choice(SCHEMAS))
def schema(name: str) -> None:
    """Print the JSON Schema of what smecheck reads or writes."""
    from importlib.resources import files

    text = files("smecheck").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")
    write_stdout(text, encoding="utf-8")
