"""Text that was read from somewhere, made safe to show.

File names, command lines, banners and names of memory regions are written by others. A terminal
obeys the control characters in them, and bidirectional overrides make a line read otherwise than it
is stored; neither ever leaves smecheck as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNPRINTABLE = (
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: terminals act on them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # every character with the property Bidi_Control
    "\u2028\u2029"  # line breaks to some readers
    "\ufffe\uffff"  # no characters at all; XML cannot hold them
    "\ud800-\udfff"  # lone surrogates: undecodable bytes of a file name, cannot be encoded
    "]"
)
_NOT_ASCII = "[^ -~]"


def printable(text: str, *, ascii_only: bool = False) -> str:
    r"""Return ``text`` with what must not reach a terminal as visible escapes: ``\x1b``.

    Args:
        text: from anywhere.
        ascii_only: write all that is not ASCII so, for outputs that cannot encode it.
    """
    if text.isascii() and text.isprintable():
        return text  # as nearly all of it is
    text = re.sub(_UNPRINTABLE, _visible, text)
    return re.sub(_NOT_ASCII, _visible, text.replace("…", "...")) if ascii_only else text


def plain_text(lines: Iterable[str]) -> str:
    """Return lines as a text, each made safe."""
    return "".join(f"{printable(line)}\n" for line in lines)


def json_text(document: Mapping[str, object]) -> str:
    r"""Return ``document`` as JSON in which unprintable characters are ``\u001b`` escapes.

    Unlike with :func:`printable` nothing is lost: a JSON reader gets the text as it was.
    """
    import json

    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)
    # The only control characters outside of strings are the line breaks of the indentation; those
    # inside are escaped already.
    return "\n".join(re.sub(_UNPRINTABLE, _as_json, line) for line in text.split("\n")) + "\n"


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _as_json(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
