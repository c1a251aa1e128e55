"""Text as Markdown that stays text, for mails and for the trackers of GitHub and GitLab.

Whoever names a file or a memory region writes into a ticket with it: no link, no image, no heading,
no mention and no HTML may come of that. The dialect is CommonMark with GitHub's extensions.
"""

from __future__ import annotations

import re

from smecheck.report.safe_text import printable

_MARKUP = re.compile(
    r"(?P<mention>(?:@|[#!](?=\d))+)"  # trackers link and notify, whatever stands before it
    r"|(?P<number>^\d+(?=[.)](?:\s|$)))"  # the first of a numbered list
    r"|[\\`*\]<>|~&]"
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # inside a word it is not emphasis
    r"|^[-+=#]"
    r"|:(?=//)|(?<=www)\.",  # what GitHub makes links of without being asked
    re.IGNORECASE,
)
"""Without a closing bracket there is neither link nor image, so that spans stay legible."""


def words(text: str) -> str:
    """Return text for a line of prose."""
    return _MARKUP.sub(_inert, printable(text).strip())


def code(text: str) -> str:
    """Return text as it is, as a code span; not for tables, which end cells in it too."""
    text = printable(text)
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if not text or text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _inert(match: re.Match[str]) -> str:
    if match["mention"]:
        return f"`{match[0]}`"
    return f"{match[0]}\\" if match["number"] else f"\\{match[0]}"
