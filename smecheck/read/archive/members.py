"""The files that evidence comes in, whatever holds them: known by content, read once, in order.

A source is an archive (tar, packed or not, from a file or a pipe), a folder, the running system
(``/``), or a single file, packed or not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO, Protocol

from smecheck.errors import UnreadableInput
from smecheck.read.archive.folder_members import FolderFiles
from smecheck.read.archive.forward import Forward, ForwardFile, Watcher, forward_of
from smecheck.read.archive.tar_header import BLOCK, is_header
from smecheck.read.archive.tar_members import Interest, TarMembers
from smecheck.read.kernel.packed import NotUnpacked
from smecheck.read.readable import Readable
from smecheck.read.source import STDIN, display_name, open_binary, reading
from smecheck.record import record

SNIFFED_LIMIT = 500
"""Files of unknown names that are looked into, in one source."""

_MACHINE = frozenset({"proc", "sos_commands", "etc", "sys"})
"""Folders of which one is in the root of a machine's files, as reports keep them."""
FLAT = frozenset({"basic-environment.txt", "crash.txt", "boot.txt"})
"""Files of which two are in a supportconfig."""
_DEPTH = 2
"""How far down in a folder the root of a machine's files is looked for."""


@record
class Member:
    """A file to be read."""

    name: str
    """Its path in the source; of a source that is a single file, its path."""
    content: Readable
    path: str | None
    """Where it is a file of its own that can be opened again; ``None`` where it only goes by."""


class Wanted(Protocol):
    """What is looked for."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """Paths in the root of a machine's files, in which ``*`` stands for anything but ``/``."""

    def interest(self, name: str) -> Interest:
        """Say what to do with the member of an archive of that name."""


class Remarks:
    """What could not be read, and what else is to be said of the sources, in order."""

    def __init__(self) -> None:
        self.all: list[str] = []

    def add(self, text: str) -> None:
        """Take note of a remark; of too many, only the first count."""
        if len(self.all) < _REMARKS_LIMIT and text not in self.all:
            self.all.append(text)


_REMARKS_LIMIT = 50


def members_of(path: str, wanted: Wanted, remarks: Remarks, watch: Watcher) -> Iterator[Member]:
    """Yield what is wanted of a source, each to be read before the next one is asked for.

    Args:
        path: of the source; ``-`` is standard input.
        wanted: what is looked for.
        remarks: is given what is wanted and cannot be read.
        watch: is given how many bytes of the source have been read.

    Raises:
        UnreadableInput: the source cannot be read at all.
    """
    if path != STDIN and os.path.isdir(path):  # noqa: PTH112 - a str is what users give
        yield from _of_folder(path, wanted, remarks)
        return
    name = display_name(path)
    try:
        with reading(path) as stream:
            forward = forward_of(stream, watch)
            if is_header(forward.peek(BLOCK)):
                yield from _of_archive(forward, name, wanted, remarks)
            elif not forward.peek(1):
                raise UnreadableInput("is empty", where=name, help_text="copy the file again")
            else:
                is_plain = isinstance(forward, ForwardFile) and path != STDIN
                taken = _Taken(forward)
                yield Member(name, taken, path if is_plain else None)
                if taken.problem is not None:
                    remarks.add(f"{name} is cut off or damaged: {taken.problem}")
    except NotUnpacked as problem:
        raise UnreadableInput(
            f"cannot be unpacked: {problem.reason}", where=name, help_text=problem.help_text
        ) from problem


class _Taken:
    """The rest of a stream, as something to read."""

    def __init__(self, forward: Forward) -> None:
        self.problem: str | None = None
        """Why it ended before its end, as a clause."""
        self._forward = forward

    def read(self, size: int, /) -> bytes:
        try:
            return b"" if self.problem else self._forward.take(size)
        except NotUnpacked as problem:
            self.problem = problem.reason
            return b""


def _of_archive(forward: Forward, name: str, wanted: Wanted, remarks: Remarks) -> Iterator[Member]:
    archive = TarMembers(
        forward, wanted.interest, lambda member, why: remarks.add(f"{name}: {member} {why}")
    )
    for entry in archive:
        yield Member(entry.name, entry.content, None)
    if archive.end:
        remarks.add(f"{name}: {archive.end}")


def _of_folder(path: str, wanted: Wanted, remarks: Remarks) -> Iterator[Member]:
    name = path.rstrip("/") or "/"
    files = FolderFiles(path, lambda member, why: remarks.add(f"{name}: {member} {why}"))
    roots = [""] if files.is_system else _roots(files)
    if len(roots) > 1:
        several = ", ".join(roots[:3]) + (", …" if len(roots) > 3 else "")
        raise UnreadableInput(
            f"holds the files of {len(roots)} machines: {several}",
            where=name,
            help_text="give one of these folders",
        )
    if roots:
        found = (file for pattern in wanted.patterns for file in files.matching(pattern, roots[0]))
    else:
        found = (file for file in map(files.regular, _plain_names(files)) if file is not None)
    for file in found:
        try:
            stream: BinaryIO = open_binary(file.path)
        except UnreadableInput as error:
            remarks.add(f"{name}: {file.name}: {error.message}")
            continue
        with closing(stream):
            yield Member(file.name, stream, file.path)


def _roots(files: FolderFiles) -> list[str]:
    """Return the folders that hold the files of a machine: the folder itself, or some in it."""
    level = [""]
    for _ in range(_DEPTH + 1):
        roots = [below for below in level if _is_root(files, below)]
        if roots:
            return roots
        level = [
            path
            for below in level
            for name in files.names(below)[:SNIFFED_LIMIT]
            if files.is_folder(path := f"{below}/{name}" if below else name)
        ][:SNIFFED_LIMIT]
    return []


def _is_root(files: FolderFiles, below: str) -> bool:
    names = set(files.names(below))
    if len(names & FLAT) > 1:
        return True
    return any(files.is_folder(f"{below}/{name}" if below else name) for name in names & _MACHINE)


def _plain_names(files: FolderFiles) -> list[str]:
    """Return the names of the files in a folder, and in the folders in it."""
    names = files.names()
    inner = [
        f"{folder}/{name}"
        for folder in names[:SNIFFED_LIMIT]
        if files.is_folder(folder)
        for name in files.names(folder)
    ]
    return [*names, *inner][:SNIFFED_LIMIT]
