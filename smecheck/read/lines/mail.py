"""Mail as archives keep it: a message, an mbox of them, or the quoted-printable text of one.

Only what the head of a text shows to be mail comes here; the standard library decodes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message

_HEADER = re.compile(
    rb"(?:From \S[^\n]{0,200}\n)?"
    rb"(?:[A-Za-z][A-Za-z0-9-]{0,60}:[^\n]{0,998}\n(?:[ \t][^\n]{0,998}\n){0,200}){2}"
)
_OF_MAIL = re.compile(
    rb"^(?:From|Date|Message-ID|Received|MIME-Version|Content-Type|Content-Transfer-Encoding):",
    re.MULTILINE | re.IGNORECASE,
)
_MBOX_LINE = re.compile(rb"^From \S+ .*\d\d:\d\d", re.MULTILINE)
_ESCAPE = re.compile(rb"=(?:[0-9A-F]{2}|\r?\n|\r?$)")
_SOFT_BREAK_OR_SIGN = re.compile(rb"=(?:3D|\r?\n)")
_IS_QUOTED_PRINTABLE = re.compile(
    rb"^Content-Transfer-Encoding:\s*quoted-printable", re.MULTILINE | re.IGNORECASE
)
_PARTS_LIMIT = 1000
_BREAK = re.compile(r"<(?:br|p|div|tr|li|pre|h[1-6]|blockquote)\b[^<>]*>", re.IGNORECASE)
"""What begins a line of a page."""
_ELEMENT = re.compile(r"</?[a-z!][^<>]*>", re.IGNORECASE)
_FILLED_OR_NOT = re.compile(r"<pre\b|white-space: *pre", re.IGNORECASE)
"""Shows that line breaks of the page's text are breaks; otherwise they are blanks."""


def encoding_of_mail(head: bytes) -> str | None:
    """Say what a text is that begins with ``head``, if it is a mail that is to be decoded.

    Quoted-printable text without the header of its mail shows itself by its equals signs: each is
    followed by two digits or ends a line, and one of them stands for itself or breaks a line.
    """
    start = head.lstrip()
    if _is_mail(start):
        return "a quoted-printable mail" if _IS_QUOTED_PRINTABLE.search(start) else "a mail"
    signs = head.count(b"=")
    if signs and _SOFT_BREAK_OR_SIGN.search(head) and len(_ESCAPE.findall(head)) == signs:
        return "quoted-printable text"
    return None


def _is_mail(start: bytes) -> bool:
    return bool(_HEADER.match(start)) and len(_OF_MAIL.findall(start[:20_000])) > 1


def decode_mail(data: bytes) -> bytes:
    """Return the text of a mail, or of all mails of an mbox: their text parts in their order."""
    if not _is_mail(data[: 64 << 10].lstrip()):
        import quopri

        return quopri.decodestring(data)
    from email import message_from_bytes

    starts = [found.start() for found in _MBOX_LINE.finditer(data)]
    if not starts or data[: starts[0]].strip():
        starts.insert(0, 0)
    ends = [*starts[1:], len(data)]
    mails = [data[start:end] for start, end in zip(starts, ends, strict=True)]
    texts = [text for mail in mails for text in _texts(message_from_bytes(_without_from(mail)))]
    return b"\n\n".join(texts)


def _without_from(mail: bytes) -> bytes:
    """Return a mail of an mbox without the line that separates it from the one before."""
    mail = mail.lstrip()
    return mail.partition(b"\n")[2] if mail.startswith(b"From ") else mail


def _texts(mail: Message) -> Iterator[bytes]:
    """Yield the text parts of a mail, UTF-8; HTML only where there is nothing else."""
    parts = [part for part in islice(mail.walk(), _PARTS_LIMIT) if not part.is_multipart()]
    others = [part for part in parts if part.get_content_type() != "text/html"]
    for part in others or parts:
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes) or b"\0" in payload:
            continue
        charset = part.get_content_charset("utf-8")
        try:
            text = payload.decode(charset, "replace")
        except LookupError:
            text = payload.decode("utf-8", "replace")
        yield (text if others else _shown(text)).encode("utf-8")


def _shown(page: str) -> str:
    """Return the lines that a page of HTML shows.

    The library's parser takes long over pages that were made to hurt it; this takes its time once.
    """
    from html import unescape

    if not _FILLED_OR_NOT.search(page):
        page = page.replace("\r", "").replace("\n", " ")
    return unescape(_ELEMENT.sub("", _BREAK.sub("\n", page)))
