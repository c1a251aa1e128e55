"""A place in a file as errors name it, ``kernel.yaml:7:10``, taken apart."""

from __future__ import annotations

import re

_PLACE = re.compile(r"(?P<file>.+?):(?P<line>[1-9]\d*)(?::\d+)?", re.DOTALL)


def file_and_line(where: str) -> tuple[str, int]:
    """Return the file and the line; 1 where no line is named, as for a binary."""
    match = _PLACE.fullmatch(where)
    return (match["file"], int(match["line"])) if match else (where, 1)
