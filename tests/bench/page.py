"""The page of the measurements, docs/measurements.md: each measurement writes one section of it.

A measurement is a file beside this one that calls :func:`publish`; the sections of the others stay
as they are.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable

from measuring import ROOT

PAGE = ROOT / "docs" / "measurements.md"
_HEAD = """# Measurements

Written by the programs in `tests/bench`, one section each. CPU times are medians of paired runs
that alternate between smecheck and what it is compared with. Read the ratios; the times are those
of one machine.
"""


def publish(
    name: str, title: str, text: str, columns: Iterable[str], rows: Iterable[Iterable[str]]
) -> None:
    """Write a section of the page anew, or add it.

    Args:
        name: of the program, ``vmlinux_against_symbol_tools``.
        title: of the section.
        text: what was measured, and how.
        columns: of the table.
        rows: its cells.
    """
    table = [list(columns), *([list(row) for row in rows])]
    table.insert(1, ["---"] * len(table[0]))
    lines = "\n".join(f"| {' | '.join(row)} |" for row in table)
    made_by = f"`python tests/bench/{name}.py`, Python {platform.python_version()}"
    section = f"## {title}\n\n{text}\n\n{lines}\n\n{made_by}.\n"
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    page = PAGE.read_text() if PAGE.exists() else _HEAD
    known = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    block = f"{begin}{section}{end}"
    page = known.sub(lambda _: block, page) if known.search(page) else f"{page}\n{block}"
    PAGE.write_text(page)
    print(lines)
