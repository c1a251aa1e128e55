"""Opening what the user names: bounded reads, standard input, and errors that say what it is."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeAlias

from smecheck.errors import UnreadableInput, system_reason
from smecheck.record import record

STDIN = "-"
TEXT_LIMIT = 16 << 20
"""Bytes of an iomem dump or a description: far above any real one (a large machine's is 60 KiB)."""

HEAD_SIZE = 64 << 10
"""Bytes at the beginning of a text that show what it is."""

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks at the start of UTF-16 text."""


@record
class NamedStream:
    """An input that is not a file of its own: a member of an archive, a string."""

    name: str
    """What errors and reports call it."""
    open: Callable[[], BinaryIO]
    """Open it, from its beginning; who opens it closes it."""

    @classmethod
    def of(cls, name: str, data: bytes) -> NamedStream:
        """Return the input that ``data`` is."""
        return cls(name, lambda: io.BytesIO(data))


Source: TypeAlias = str | NamedStream
"""Where a text is read from: a path, ``-`` for standard input, or a stream with a name."""


def display_name(source: Source) -> str:
    """Return the name that errors and reports use for ``source``."""
    if isinstance(source, NamedStream):
        return source.name
    return "<stdin>" if source == STDIN else source


@contextmanager
def opened_stream(source: Source) -> Iterator[BinaryIO]:
    """Open a source, and close it again if it is not standard input.

    Raises:
        UnreadableInput: it cannot be opened; see :func:`open_binary`.
    """
    stream = source.open() if isinstance(source, NamedStream) else open_binary(source)
    try:
        yield stream
    finally:
        if source != STDIN:
            stream.close()


@contextmanager
def reading(source: Source) -> Iterator[BinaryIO]:
    """Open a source for a block that reads it: what the system refuses there is to read it.

    Raises:
        UnreadableInput: it cannot be opened, or not be read to its end.
    """
    try:
        with opened_stream(source) as stream:
            yield stream
    except OSError as error:
        raise UnreadableInput(
            system_reason(error), where=display_name(source), help_text="copy the file again"
        ) from error


def open_binary(path: str) -> BinaryIO:
    """Open a file, or standard input for ``-``.

    Raises:
        UnreadableInput: it cannot be opened, is a directory or a device, or a FIFO without writer.
    """
    name = display_name(path)
    if path == STDIN:
        if sys.stdin is None:
            raise UnreadableInput("is closed", where=name, help_text="pipe the input in")
        return sys.stdin.buffer
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a str is what users give
        if stat.S_ISDIR(mode):
            raise UnreadableInput("is a directory", where=name, help_text="name a file in it")
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise UnreadableInput("is a device", where=name, help_text="name a regular file")
        if stat.S_ISFIFO(mode):
            from smecheck.read.fifo import open_fifo

            return open_fifo(path, name)
        return open(path, "rb")  # noqa: PTH123 - the caller closes it
    except OSError as error:
        raise UnreadableInput(
            system_reason(error), where=name, help_text="check the name and the permissions"
        ) from error
    except ValueError as error:
        raise UnreadableInput(
            "is not a file name", where=name, help_text="check the name"
        ) from error


def held(source: Source, limit: int) -> Source:
    """Return a source that can be opened again: of a FIFO, what is in it now.

    Raises:
        UnreadableInput: it is a FIFO, and cannot be read, is empty, or is larger than ``limit``.
    """
    if isinstance(source, NamedStream) or source == STDIN:
        return source
    try:
        is_fifo = stat.S_ISFIFO(os.stat(source).st_mode)  # noqa: PTH116 - as below
    except (OSError, ValueError):
        return source  # whoever opens it says what is wrong
    if not is_fifo:
        return source
    larger = "give it as a file: of a FIFO all is kept"
    return NamedStream.of(source, read_bounded(source, limit, larger=larger))


_NO_INPUT = "no valid input is that large: is it the right file?"


def read_bounded(source: Source, limit: int, *, larger: str = _NO_INPUT) -> bytes:
    """Read a whole file of at most ``limit`` bytes.

    Args:
        source: the file.
        limit: the most bytes that it may have.
        larger: what to do about one that has more.

    Raises:
        UnreadableInput: it cannot be read, is empty, or is larger.
    """
    name = display_name(source)
    with reading(source) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise UnreadableInput(
            f"is larger than {limit >> 20} MiB",
            where=name,
            help_text=larger,
        )
    if not data.strip():
        raise UnreadableInput("is empty", where=name, help_text="capture it again")
    return data


def decode_text(data: bytes, name: str) -> str:
    """Decode text input; bytes that are not UTF-8 become replacement characters.

    Raises:
        UnreadableInput: it is binary, or UTF-16.
    """
    if data.startswith(UTF16_MARKS):
        raise UnreadableInput(
            "is UTF-16", where=name, help_text="convert it: iconv -f UTF-16 -t UTF-8"
        )
    if b"\0" in data:
        raise UnreadableInput("is not text (it holds NUL bytes)", where=name, help_text="give text")
    return data.decode("utf-8", "replace")


def read_text(source: Source) -> str:
    """Read a text file.

    Raises:
        UnreadableInput: it cannot be read, is empty, too large, or not text.
    """
    return decode_text(read_bounded(source, TEXT_LIMIT), display_name(source))
