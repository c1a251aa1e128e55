"""The option that has a kernel's own machine code run."""

from __future__ import annotations

import click

verify_option = click.option(
    "--verify",
    is_flag=True,
    help="Also run the kernel's own machine code and compare it with the prediction (needs: pip "
    "install 'smecheck[verify]').",
)
