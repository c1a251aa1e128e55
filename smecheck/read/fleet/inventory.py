"""An inventory: machines as JSON Lines, one object a line, read as they come.

A line that cannot be understood is a machine that cannot be asked, and never the end of the others.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath
from typing import BinaryIO

from smecheck.errors import MalformedInput, UnreadableInput, system_reason
from smecheck.read.fleet.described import Described
from smecheck.read.fleet.machine import Broken, Machine, ids_of
from smecheck.read.source import STDIN, display_name, opened_stream

_LONGEST_LINE = 64 << 20
"""Bytes: a kernel log of 16 MiB, which is all that is read of one, with its line breaks escaped."""
_HELP = "write one JSON object a line; smecheck schema fleet-machine-v1 describes it"


def read_inventory(path: str, watch: Callable[[int], None]) -> Iterator[Machine]:
    """Yield the machines of an inventory in order; ``-`` is standard input.

    Args:
        path: of the file.
        watch: is given the bytes of each line.

    Raises:
        UnreadableInput: it cannot be opened.
    """
    name = display_name(path)
    folder = "" if path == STDIN else str(PurePath(path).parent)
    try:
        with opened_stream(path) as stream:
            for number, line in _lines(stream):
                where = f"{name}:{number}"
                watch(len(line or b""))
                if line is None:
                    too_long = f"is longer than {_LONGEST_LINE >> 20} MiB"
                    yield Broken(where, MalformedInput(too_long, where=where, help_text=_HELP))
                elif line.strip():
                    yield _machine(line, where, folder)
    except OSError as error:
        unreadable = UnreadableInput(system_reason(error), where=name, help_text="read it again")
        yield Broken(name, unreadable)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines by number; ``None`` for one that is too long."""
    number = 0
    while line := stream.readline(_LONGEST_LINE):
        number += 1
        if len(line) < _LONGEST_LINE or line.endswith(b"\n"):
            yield number, line.removeprefix(BOM_UTF8) if number == 1 else line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(_LONGEST_LINE)
        yield number, None


def _machine(line: bytes, where: str, folder: str) -> Machine:
    try:
        text = line.decode("utf-8", "surrogateescape")
        fields = json.loads(text, object_pairs_hook=_each_once)
    except _KeyTwice as error:
        return Broken(where, MalformedInput(str(error), where=where, help_text=_HELP))
    except (ValueError, RecursionError) as error:
        place = f" (column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        reason = getattr(error, "msg", None) or str(error)
        if isinstance(error, RecursionError):
            reason = "it is nested too deeply"
        message = f"is not JSON: {reason.lower()}{place}"
        return Broken(where, MalformedInput(message, where=where, help_text=_HELP))
    return described(fields, where, folder)


class _KeyTwice(Exception):
    """An object has a key twice."""


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object, of which JSON would take the last of several values of a key in silence."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _KeyTwice(f"{key!r} is given twice")
        found[key] = value
    return found


def described(fields: object, where: str, folder: str) -> Machine:
    """Return the machine that an object describes."""
    if not isinstance(fields, Mapping):
        return Broken(where, MalformedInput("is not an object", where=where, help_text=_HELP))
    name = ids_of(fields)
    if name is None:
        message = "has no id: each machine needs one, a text or a number"
        return Broken(where, MalformedInput(message, where=where, help_text=_HELP))
    return Described(name, where, fields, folder)
