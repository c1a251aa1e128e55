"""What the command line names, as machines: inventories, collections, folders and globs of them."""

from __future__ import annotations

import glob
import json
import os
import stat
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from smecheck.errors import InputError, UnreadableInput, system_reason
from smecheck.read.archive.member_by_content import is_archive, kinds_by_content
from smecheck.read.archive.member_patterns import BY_NAME, MemberKind
from smecheck.read.archive.member_table import TOPS
from smecheck.read.archive.members import FLAT
from smecheck.read.fleet.inventory import read_inventory
from smecheck.read.fleet.machine import Broken, Collected, Machine
from smecheck.read.source import HEAD_SIZE, STDIN, open_binary
from smecheck.record import replace

PARQUET_MAGIC = b"PAR1"
_LOOKED_AT = 500
"""Files of a folder."""
_INVENTORIES = (".jsonl", ".ndjson")


Watch: TypeAlias = "Callable[[int], None]"
"""Is called every few bytes that were read."""


def machines_of(paths: Iterable[str], watch: Watch = lambda _: None) -> Iterator[Machine]:
    """Yield the machines that the paths name, in order, each with a name of its own.

    What cannot be opened, or is not there, is a machine that cannot be asked.

    Raises:
        UsageError: Parquet is given, and nothing is installed that reads it.
    """
    return named_once(machine for path in paths for machine in machines_at(path, watch))


def named_once(machines: Iterable[Machine]) -> Iterator[Machine]:
    """Yield machines with names of their own, by which rows are distinguished.

    One whose name was there before gets a number: ``web-1#2``.
    """
    seen: dict[str, int] = {}
    for machine in machines:
        count = seen[machine.name] = seen.get(machine.name, 0) + 1
        yield machine if count == 1 else _renamed(machine, f"{machine.name}#{count}")


def _renamed(machine: Machine, name: str) -> Machine:
    return replace(machine, name=name)


def machines_at(path: str, watch: Watch = lambda _: None) -> Iterator[Machine]:
    """Yield the machines that one path names; see :func:`machines_of`."""
    if path == STDIN or _is_pipe(path):
        yield from read_inventory(path, watch)
    elif os.path.isdir(path):  # noqa: PTH112 - a str is what users give
        yield from _of_folder(path, watch)
    elif not os.path.exists(path) and glob.has_magic(path):  # noqa: PTH110
        found = sorted(glob.glob(path))  # noqa: PTH207 - a str is what users give
        if not found:
            nothing = UnreadableInput("finds nothing", where=path, help_text="check the pattern")
            yield Broken(path, nothing)
        for one in found:
            yield from machines_at(one, watch)
    else:
        yield from _of_file(path, watch)


def _is_pipe(path: str) -> bool:
    """Return whether a path can be read only once: it is then taken for an inventory."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116 - a str is what users give
    except (OSError, ValueError):
        return False


def can_be_read_again(paths: Iterable[str]) -> bool:
    """Return whether none of the paths is a pipe."""
    return not any(path == STDIN or _is_pipe(path) for path in paths)


def _of_file(path: str, watch: Watch) -> Iterator[Machine]:
    try:
        with open_binary(path) as stream:
            head = stream.read(HEAD_SIZE)
    except (InputError, OSError) as error:
        yield Broken(path, _unreadable(error, path))
        return
    if head.startswith(PARQUET_MAGIC):
        from smecheck.read.fleet.parquet import read_parquet

        yield from read_parquet(path, watch)
    elif path.endswith(_INVENTORIES) or _is_inventory(head):
        yield from read_inventory(path, watch)
    else:
        yield Collected(path, path)
        watch(os.stat(path).st_size)  # noqa: PTH116 - a str is what users give


def _unreadable(error: InputError | OSError, path: str) -> InputError:
    if isinstance(error, InputError):
        return error
    return UnreadableInput(system_reason(error), where=path, help_text="check the permissions")


def _is_inventory(head: bytes) -> bool:
    """Return whether a text begins with an object that has an id: no record of a journal has."""
    first = head.removeprefix(BOM_UTF8).lstrip().partition(b"\n")[0]
    if not first.startswith(b"{"):
        return False
    try:
        fields = json.loads(first)
    except (ValueError, RecursionError):
        # The first machine may be longer than what was read.
        return b'"id"' in first[:256] or b'"iomem"' in first
    return isinstance(fields, dict) and "id" in fields


def _of_folder(path: str, watch: Watch) -> Iterator[Machine]:
    """Yield the machine that a folder is of, or those in it."""
    try:
        names = sorted(os.listdir(path))  # noqa: PTH208 - a str is what users give
    except OSError as error:
        yield Broken(path, _unreadable(error, path))
        return
    if _is_machine(path, names):
        yield Collected(path, path)
        return
    inside = [os.path.join(path, name) for name in names if not name.startswith(".")]  # noqa: PTH118
    if not inside:
        empty = UnreadableInput("is empty", where=path, help_text="collect the machine again")
        yield Broken(path, empty)
    for one in inside:
        yield from machines_at(one, watch)


def _is_machine(path: str, names: list[str]) -> bool:
    """Return whether a folder holds what was collected of one machine, rather than several.

    Files of which more than one is a memory map are of as many machines.
    """
    if TOPS & set(names) or FLAT & set(names):
        return True
    maps = others = 0
    for name in names[:_LOOKED_AT]:
        kinds = _kinds(os.path.join(path, name), name)  # noqa: PTH118
        maps += MemberKind.IOMEM in kinds
        others += bool(kinds)
    return others > 0 and maps <= 1


def _kinds(path: str, name: str) -> tuple[MemberKind, ...]:
    """Say what a file is read as; nothing where it is not evidence, or no file."""
    if not os.path.isfile(path):  # noqa: PTH113
        return ()
    if name in BY_NAME:
        return (BY_NAME[name],)
    try:
        with open_binary(path) as stream:
            head = stream.read(HEAD_SIZE)
    except UnreadableInput:
        return ()
    if head.startswith(PARQUET_MAGIC) or is_archive(head, name) or _is_inventory(head):
        return ()
    return kinds_by_content(head, name)
