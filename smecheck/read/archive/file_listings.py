"""Listings of files with their sizes: ``ls -lanR /boot`` and its variants, from many versions.

Between the owner and the size there may be a security context (-Z), before the mode the number of
blocks (-s); dates are of three forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from smecheck.support_case.triage_report import ListedFile

FILES_LIMIT = 5000
"""Files of a listing that are kept."""

_FOLDER = re.compile(r"(/[^:\x00]{0,1000}):\s*")
_FILE = re.compile(
    r"\s*(?:[0-9.]+[KMG]?\s+)?"
    r"(?P<kind>[-l])[-rwxsStT]{9}[.+@]?\s+[0-9]+\s+\S+\s+\S+\s+"
    r"(?:(?:[^\s:]+:[^\s:]+:\S+|\?)\s+)?"
    r"(?P<size>[0-9]{1,15})\s+"
    r"(?:[A-Z][a-z]{2}\.?\s+[0-9]{1,2}\s+(?:[0-9]{4}|[0-9]{2}:[0-9]{2})"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}\s+[0-9]{2}:[0-9]{2}(?::[0-9.]+)?(?:\s+[+-][0-9]{4})?)"
    r"\s(?P<name>.{1,255})"
)
_LINE_LIMIT = 1000


def listed_files(text: str, member: str) -> Iterator[ListedFile]:
    """Yield the files of a listing, links without what they lead to."""
    folder = ""
    left = FILES_LIMIT
    for number, whole in enumerate(text.split("\n"), 1):
        line = whole[:_LINE_LIMIT].rstrip("\r")
        if line.startswith("/") and (entered := _FOLDER.fullmatch(line)):
            folder = entered[1].rstrip("/")
            continue
        found = _FILE.fullmatch(line)
        if found is None or found["kind"] == "l":
            continue
        name = found["name"].strip()
        path = name if name.startswith("/") else f"{folder}/{name}"
        yield ListedFile(path, int(found["size"]), member, number)
        left -= 1
        if not left:
            return


def has_folder(text: str, folder: str) -> int | None:
    """Return the line that the listing of a folder begins in; ``None`` where it is not there."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.rstrip() in (f"{folder}:", f"{folder}/:"):
            return number
    return None
