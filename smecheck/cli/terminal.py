"""What standard output is, and so how a report is printed to it by default."""

from __future__ import annotations

import os
import sys

from smecheck.report.options import Format


def default_format(output: str | None) -> Format:
    """Text on a terminal, plain lines anywhere else."""
    return Format.TEXT if output is None and is_terminal() else Format.PLAIN


def wants_color(choice: str, *, to_stdout: bool) -> bool:
    """Decide whether to write colours.

    First comes the option, then NO_COLOR (no-color.org), then FORCE_COLOR (force-color.org) and
    CLICOLOR_FORCE, then CLICOLOR=0 (bixense.com/clicolors), then what the output is.
    """
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    if os.environ.get("CLICOLOR") == "0":
        return False
    return to_stdout and is_terminal() and not is_dumb()


def is_terminal() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def is_dumb() -> bool:
    """Return whether the terminal knows nothing but lines of text."""
    return os.environ.get("TERM", "") in ("", "dumb")


def follows_links() -> bool:
    """Return whether the terminal is known to make links of what OSC 8 marks as such.

    There is no way to ask it. FORCE_HYPERLINK decides, as it does for others; else it is known by
    what terminals set that can: VTE's since 0.50, Windows Terminal, Konsole, and those by name.
    """
    forced = os.environ.get("FORCE_HYPERLINK")
    if forced is not None:
        return forced not in ("", "0")
    if not is_terminal() or is_dumb():
        return False
    vte = os.environ.get("VTE_VERSION", "")
    return (
        (vte.isdecimal() and int(vte) >= 5000)
        or bool(os.environ.get("WT_SESSION") or os.environ.get("KONSOLE_VERSION"))
        or os.environ.get("TERM_PROGRAM") in ("iTerm.app", "WezTerm", "vscode", "ghostty")
        or os.environ.get("TERM") in ("xterm-kitty", "alacritty", "foot")
    )


def rows() -> int:
    """Return how many lines the terminal shows."""
    import shutil

    return shutil.get_terminal_size().lines


def width() -> int:
    """Return the columns to lay text out for."""
    if is_terminal():
        import shutil

        return shutil.get_terminal_size().columns
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and 20 <= int(columns) <= 1000 else 160


def speaks_unicode() -> bool:
    """Return whether standard output can hold more than ASCII; files are UTF-8."""
    encoding = getattr(sys.stdout, "encoding", None) or ""
    return encoding.lower().replace("-", "") == "utf8"
