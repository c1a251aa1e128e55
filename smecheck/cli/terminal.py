"""What standard output is, and so how a report is printed to it by default."""

from __future__ import annotations

import os
import sys

from smecheck.report.options import Format


def default_format(output: str | None) -> Format:
    """Text on a terminal, plain lines anywhere else."""
    return Format.TEXT if output is None and _is_terminal() else Format.PLAIN


def wants_color(choice: str, *, to_stdout: bool) -> bool:
    """Decide: the option, then NO_COLOR, then FORCE_COLOR, then whether it is a terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return to_stdout and _is_terminal()


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def width() -> int:
    """Return the columns to lay text out for."""
    if _is_terminal():
        import shutil

        return shutil.get_terminal_size().columns
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and 20 <= int(columns) <= 1000 else 160


def speaks_unicode(*, to_stdout: bool) -> bool:
    """Tell whether the output can hold more than ASCII; files are UTF-8."""
    encoding = getattr(sys.stdout, "encoding", None) or ""
    return not to_stdout or encoding.lower().replace("-", "") == "utf8"
