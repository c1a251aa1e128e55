"""Journals as they are exported: a record has fields, one of them the message, others whose it is.

journalctl -o export, -o verbose, -o json and its kin, and what log shippers make of them. Each
record becomes a line as ``journalctl`` shows it, so that one reader understands all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum

Row = tuple[int, bytes]


class Form(Enum):
    """How a text holds records."""

    EXPORT = "export"
    VERBOSE = "verbose"
    JSON = "json"


_EXPORT = re.compile(
    rb"^(?:__CURSOR|__REALTIME_TIMESTAMP|_TRANSPORT|_BOOT_ID|MESSAGE)=", re.MULTILINE
)
_VERBOSE = re.compile(rb"^[ \t]{1,8}(?:_TRANSPORT|PRIORITY|MESSAGE|_BOOT_ID)=", re.MULTILINE)
_JSON = re.compile(rb"^[ \t]*(?:\[[ \t]*|\x1e|data: )?\{\s*\"", re.MULTILINE)
_MESSAGE_KEY = re.compile(rb'"(?:MESSAGE|message|log|msg)"\s*:')
_FIELD = re.compile(rb"\s*([A-Z_][A-Z_0-9]{0,63})=(.*)")
_HEADING = re.compile(rb"[ \t]*(?:[A-Z][a-z]{2} )?[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.]+ .*\[s=")
_MESSAGES = ("MESSAGE", "message", "log", "msg")
_TAGS = ("SYSLOG_IDENTIFIER", "syslog_identifier", "ident", "program", "_COMM")
_OF_PROGRAMS = (
    *(
        "_PID",
        "SYSLOG_PID",
        "_UID",
        "_COMM",
        "_EXE",
        "_CMDLINE",
        "_SYSTEMD_UNIT",
        "_SYSTEMD_CGROUP",
    ),
    *("_STREAM_ID", "CONTAINER_ID", "CONTAINER_NAME", "_MACHINE_NAME", "OBJECT_PID"),
)
"""Fields that journald gives what a process wrote: systemd.journal-fields(7)."""
_KERNEL = re.compile(rb"\bkernel\b")
_RECORD_LIMIT = 1000
"""Lines of a record."""


def form_of(head: bytes) -> Form | None:
    """Say in which form a text that begins with ``head`` holds records; ``None``: in none."""
    if _JSON.search(head) and _MESSAGE_KEY.search(head):
        return Form.JSON
    if len(_EXPORT.findall(head)) > 1:
        return Form.EXPORT
    if len(_VERBOSE.findall(head)) <= 1:
        return None
    return Form.VERBOSE if _HEADING.search(head) else Form.EXPORT


def lines_of_records(rows: Iterable[Row], form: Form, sieve: re.Pattern[bytes]) -> Iterator[Row]:
    """Yield a line for each record, with the number of the line that its message stands in.

    Args:
        rows: the lines of the text.
        form: how they hold records.
        sieve: what a message must hold to matter; others come as lines that say nothing.
    """
    if form is Form.JSON:
        return _of_json(rows, sieve)
    return _of_fields(rows, is_verbose=form is Form.VERBOSE)


def _of_fields(rows: Iterable[Row], *, is_verbose: bool) -> Iterator[Row]:
    fields: dict[str, object] = {}
    speakers = _Speakers()
    place, name = 0, ""
    for number, line in rows:
        ends = _HEADING.match(line) if is_verbose else not line.strip()
        if ends:
            if fields:
                yield from speakers.lines(place, fields)
            fields, name = {}, ""
            continue
        found = _FIELD.match(line)
        if len(fields) >= _RECORD_LIMIT:
            continue
        if found is None:
            if name == "MESSAGE":  # of several lines, or broken on its way
                rest = line.strip().decode("utf-8", "replace")
                fields[name] = f"{fields[name]}\n{rest}"
            continue
        name = found[1].decode()
        fields[name] = found[2].rstrip(b"\r").decode("utf-8", "replace")
        place = number if name == "MESSAGE" else place
    if fields:
        yield from speakers.lines(place, fields)


def _of_json(rows: Iterable[Row], sieve: re.Pattern[bytes]) -> Iterator[Row]:
    pending: list[bytes] = []
    speakers = _Speakers()
    first = 0
    for number, line in rows:
        text = line.strip().removeprefix(b"\x1e").removeprefix(b"data: ").strip()
        if not pending:
            first = number
            if not text.removeprefix(b"[").lstrip().startswith(b"{"):
                yield number, line
                continue
        pending.append(text)
        if text.rstrip(b",]").endswith(b"}"):
            record = b" ".join(pending).removeprefix(b"[").rstrip(b",]")
            pending = []
            if sieve.search(record) or _KERNEL.search(record):
                yield from speakers.lines(first, _object(record))
            else:
                yield first, b"kernel:"
        elif len(pending) >= _RECORD_LIMIT:
            pending = []


def _object(text: bytes) -> dict[str, object]:
    import json

    try:
        found = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class _Speakers:
    """Makes lines of records, each with the tag of whoever wrote it."""

    def __init__(self) -> None:
        self._is_journal = False
        """Whether a record says how it came to the journal: then every one of the kernel's does."""

    def lines(self, number: int, fields: dict[str, object]) -> Iterator[Row]:
        """Yield the message of a record after the tag of its writer, and its further lines."""
        message = next((_text(fields[name]) for name in _MESSAGES if name in fields), None)
        if message is None:
            return
        for line in (self._before(fields) + message).split("\n"):
            yield number, line.encode()

    def _before(self, fields: dict[str, object]) -> str:
        tag = next((_text(fields[name]) for name in _TAGS if name in fields), "")
        transport = fields.get("_TRANSPORT")
        self._is_journal = self._is_journal or transport is not None
        is_program = transport is not None or any(name in fields for name in _OF_PROGRAMS)
        if transport == "kernel" or (tag == "kernel" and not is_program):
            # A host is named, so that a journal of several machines is seen to be one.
            return f"{host} kernel: " if (host := _word(fields.get("_HOSTNAME"))) else "kernel: "
        if not tag and not is_program and not self._is_journal:
            return ""
        return f"{_word(tag) or 'program'}[1]: "


def _text(value: object) -> str:
    """Return a value as text; what is not UTF-8 comes as a list of bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value).decode("utf-8", "replace")
    return ""


def _word(value: object) -> str:
    return re.sub(r"[^\w.-]", "_", value)[:64] if isinstance(value, str) else ""
