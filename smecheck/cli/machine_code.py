"""The option that has a kernel's own machine code run."""

from __future__ import annotations

import click

verify_option = click.option(
    "--verify",
    is_flag=True,
    help="Run the kernel's own machine code as well, and hold it against the prediction (needs "
    "the extra: pip install 'smecheck[verify]').",
)
