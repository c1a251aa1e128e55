"""Sphinx configuration: ``pip install -e '.[docs]' && sphinx-build -W docs build/docs``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive

from smecheck import __version__
from smecheck.report.docs_address import SITE

project = "smecheck"
author = "The smecheck developers"
copyright = author  # noqa: A001 - that is its name
release = __version__
extensions = ["myst_parser"]
html_theme = "furo"
html_baseurl = SITE
myst_heading_anchors = 3
suppress_warnings = [
    "myst.xref_missing",  # links to files of the repository (samples, schemas) lead out of the site
    "misc.highlighting_failure",  # excerpts with […] are neither JSON nor XML
]


class CommandHelp(Directive):
    """The help of a command, as it prints it."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Ask the command."""
        shown = self._shown("--help-all")
        if shown.returncode:  # a command of few options
            shown = self._shown("--help")
            shown.check_returncode()
        text = shown.stdout.replace("python -m smecheck", "smecheck")
        return [nodes.literal_block(text, text, language="text")]

    def _shown(self, option: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - only commands that the pages name
            [sys.executable, "-m", "smecheck", *self.arguments, option],
            cwd=Path(__file__).parents[1],
            env={"PATH": "", "COLUMNS": "100", "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=False,
        )


def setup(app: Any) -> None:
    """Add what the pages use."""
    app.add_directive("command-help", CommandHelp)
