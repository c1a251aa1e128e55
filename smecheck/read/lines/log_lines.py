"""The lines of a text of any length: never more than one chunk of it is in memory.

What mail programs, web pages and terminals did to the text is undone here, for all readers: mail is
decoded, no-break spaces are blanks again, dashes are hyphens, colours are taken out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from smecheck.errors import UnreadableInput
from smecheck.read.source import (
    HEAD_SIZE,
    UTF16_MARKS,
    Source,
    decode_text,
    display_name,
    reading,
)
from smecheck.record import record

LINE_LIMIT = 64 << 10
"""Bytes of a line that are looked at; the longest that matters holds a command line of 2 KiB."""


_CHUNK = 1 << 20
_MAIL_LIMIT = 64 << 20
_COLOUR = re.compile(rb"\x1b(?:\[[0-9;?]*+[A-Za-z]|\][^\x07\x1b\n]{0,200}\x07|\([A-Z0-9])")
"""dmesg --color=always and grep --color=always in a pipe, and what consoles write."""
_BLANK = re.compile(
    rb"\xc2\xa0|\xe2\x80[\x80-\x8a\xaf]|\xe2\x81\x9f"  # no-break space, U+2000 to U+200A, …
)
_LATIN_BLANK = re.compile(rb"(?<![\x80-\xff])\xa0+(?![\x80-\xbf])")
"""No-break spaces of a text that is not UTF-8: ISO 8859, Windows-1252."""
_NOTHING = re.compile(rb"\xef\xbb\xbf|\xe2\x80[\x8b-\x8d]|\xe2\x81\xa0|\xc2\xad")
"""Byte order mark, zero-width space and joiners, soft hyphen: web pages and editors put them in."""

_DASH = re.compile(rb"\xe2\x80[\x90-\x93]|\xe2\x88\x92")
"""Hyphens, the en dash and the sign for minus, which word processors and wikis make of one."""


@record
class OpenedText:
    """A text that is open: its name, its beginning, and the stream of what follows."""

    name: str
    head: bytes
    stream: BinaryIO
    remarks: tuple[str, ...] = ()
    """What a reader of the answer must know of how it was decoded."""


@contextmanager
def opened(source: Source) -> Iterator[OpenedText]:
    """Open a text of any length; a mail is decoded.

    Raises:
        UnreadableInput: it cannot be read, or is empty.
    """
    name = display_name(source)
    with reading(source) as stream:
        head = stream.read(HEAD_SIZE)
        if head and not head.strip(b"\0"):
            raise _hole(0, name)
        if not head.strip():
            raise UnreadableInput("is empty", where=name, help_text="capture it again")
        yield _decoded(OpenedText(name, head, stream))


def _decoded(text: OpenedText) -> OpenedText:
    """Decode a mail; return any other text as it is."""
    from smecheck.read.lines.mail import decode_mail, encoding_of_mail

    encoding = encoding_of_mail(text.head)
    if encoding is None:
        return text
    data = text.head + text.stream.read(_MAIL_LIMIT + 1 - len(text.head))
    if len(data) > _MAIL_LIMIT:
        raise UnreadableInput(
            f"is a mail, or an archive of mails, larger than {_MAIL_LIMIT >> 20} MiB",
            where=text.name,
            help_text="give the one mail that matters, or its text",
        )
    stream = io.BytesIO(decode_mail(data))
    head = stream.read(HEAD_SIZE)
    remark = f"{text.name} is {encoding}: line numbers are those of the decoded text"
    return OpenedText(text.name, head, stream, (remark,))


def text_lines(text: OpenedText) -> Iterator[tuple[int, bytes]]:
    """Yield the numbered lines of a text.

    Raises:
        UnreadableInput: it is UTF-16, or cannot be read.
    """
    if text.head.startswith(UTF16_MARKS):
        decode_text(text.head, text.name)
    return numbered_lines(chunks(text.head, text.stream, text.name))


def chunks(head: bytes, stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield what was read of ``stream`` already, then the rest of it.

    Raises:
        UnreadableInput: it is the zeros of a hole in a file.
    """
    yield head
    at = len(head)
    while chunk := stream.read(_CHUNK):
        if len(chunk) == _CHUNK and not chunk.strip(b"\0"):
            raise _hole(at, name)
        at += len(chunk)
        yield chunk


def _hole(at: int, name: str) -> UnreadableInput:
    # Of files that a crash left unwritten, or that were cut while they grew. One that is sparse may
    # claim to be terabytes.
    return UnreadableInput(
        f"holds only zeros from byte {at} on",
        where=name,
        help_text="give the text alone: tr -d '\\0' < log > text",
    )


def numbered_lines(pieces: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that ``pieces`` add up to, numbered from 1, each cut to ``LINE_LIMIT``."""
    number = 0
    pending = b""
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if not end:
            pending = (pending + piece)[: 2 * LINE_LIMIT]
            continue
        lines = plain(pending + piece[:end]).split(b"\n")
        pending = piece[end:][: 2 * LINE_LIMIT]
        lines.pop()
        for line in lines:
            number += 1
            yield number, line[:LINE_LIMIT]
    if pending:
        yield number + 1, plain(pending)[:LINE_LIMIT]


def plain(text: bytes) -> bytes:
    """Return a text without colours, and with plain blanks and hyphens for typographic ones."""
    if b"\x1b" in text:
        text = _COLOUR.sub(b"", text)
    if not text.isascii():
        text = _DASH.sub(b"-", _NOTHING.sub(b"", _BLANK.sub(b" ", text)))
        if b"\xa0" in text:
            text = _LATIN_BLANK.sub(lambda found: b" " * len(found[0]), text)
    return text
