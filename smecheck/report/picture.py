"""The text report as a picture, for tickets and documents: SVG and HTML.

Made by rich of what it prints, so that every character of a text is a character of the picture, and
nothing is markup. Neither refers to anything outside itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME

from smecheck.record import replace
from smecheck.report.text_report import recorded

if TYPE_CHECKING:
    from rich.console import Console

    from smecheck.model.report import Report
    from smecheck.report.render import RenderOptions

_COLUMNS = 100
"""Not those of a terminal: the same report is the same picture everywhere."""
_SVG = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{
  font-family: "DejaVu Sans Mono", "Liberation Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
<rect width="100%" height="100%" fill="#292929" />
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
_HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<title>smecheck</title>
<style>
{stylesheet}
body {{ color: {foreground}; background-color: {background}; }}
</style>
</head>
<body>
<pre>{code}</pre>
</body>
</html>
"""


def svg_picture(report: Report, options: RenderOptions) -> str:
    """Return the text report as SVG."""
    console = _printed(report, options)
    return console.export_svg(title="", theme=SVG_EXPORT_THEME, code_format=_SVG)


def html_page(report: Report, options: RenderOptions) -> str:
    """Return the text report as a page of HTML."""
    console = _printed(report, options)
    return console.export_html(theme=DEFAULT_TERMINAL_THEME, code_format=_HTML)


def _printed(report: Report, options: RenderOptions) -> Console:
    return recorded(report, replace(options, color=True, unicode=True, width=_COLUMNS))
