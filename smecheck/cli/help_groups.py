"""The options of a command in groups: in its help the common ones, in ``--help-all`` every one."""

from __future__ import annotations

import click

EVERY_OPTION = "smecheck.cli.help_groups"
"""In the ``meta`` of a context: its help is to have every option."""

GROUPS = {
    "Kernel": (
        ("--kernel", "--bzimage", "--symbols", "--config"),
        (),
    ),
    "Machine": (
        ("--iomem", "--dmesg", "--policy", "--name"),
        ("--memmap", "--boot-params", "--srat", "--boot", "--cpus"),
    ),
    "Load": (
        ("--segments", "--mode", "--loader", "--initrd"),
        (
            *("--host", "--kexec-tools", "--running-kernel", "--crash-cma"),
            *("--mem-min", "--mem-max", "--cross-check"),
        ),
    ),
    "Boot": (
        ("--cmdline", "--path", "--kaslr", "--sme"),
        ("--paging", "--load-address"),
    ),
    "Run": (
        ("--jobs", "--resume", "--shard"),
        ("--unordered", "--dask"),
    ),
    "Answer": (
        ("--details", "--explain", "--advise", "--format", "--output", "--report", "--redact"),
        (
            *("--verify", "--save-svg", "--save-html", "--kcidb-build"),
            *("--color", "--no-pager", "--quiet", "--debug"),
        ),
    ),
    "Exit status": (
        ("--fail-on", "--ignore", "--min-slack", "--max-growth", "--bisect"),
        ("--allow-undecided", "--exit-zero", "--today"),
    ),
}
"""Of each group the options that most people need, and the others."""

OTHERS = "Other"
"""The heading of the options that are in no group."""


def write_options(
    command: click.Command, context: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write the options of a command group by group, and how to see those that are left out."""
    every = EVERY_OPTION in context.meta or not any(
        "--help-all" in parameter.opts for parameter in command.params
    )
    rows = {
        parameter.opts[-1]: row
        for parameter in command.get_params(context)
        if isinstance(parameter, click.Option)
        and (row := parameter.get_help_record(context)) is not None
    }
    others = dict(rows)
    left_out = 0
    for name, (common, rare) in GROUPS.items():
        for option in (*common, *rare):
            others.pop(option, None)
        shown = [rows[option] for option in (*common, *(rare if every else ())) if option in rows]
        left_out += 0 if every else sum(option in rows for option in rare)
        if shown:
            with formatter.section(name):
                formatter.write_dl(shown)
    with formatter.section(OTHERS):
        formatter.write_dl(list(others.values()))
    if left_out:
        formatter.write_paragraph()
        formatter.write_text(f"{left_out} more options: {context.command_path} --help-all")
