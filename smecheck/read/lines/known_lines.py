"""Kinds of lines that a reader of logs knows: how one begins, and what it is if complete."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import Enum, Flag, auto

ANNOTATED = r"[ \t]*(?:[<#\"].*|[ \t]{2}.*)?"
"""What people write after a line that they paste: ``<-- here``, ``# this one``."""


class About(Enum):
    """What a line is about, so that one that is broken is known to be missing there."""

    MEMORY = "the memory map"
    CRASH_KERNEL = "the crash reservation"
    COMMAND_LINE = "the command line"
    ENCRYPTION = "memory encryption"
    HYPERVISOR = "the hypervisor"
    LOAD = "the load"
    OTHER = "the rest"


class Trait(Flag):
    """What else there is to know of a kind of line."""

    NONE = 0
    FREE = auto()
    """Its end is free text: what is missing of it cannot be seen."""
    OF_KERNEL = auto()
    """Only a kernel says it: from a program it is not evidence."""
    WITH_PREFIX = auto()
    """In a text whose lines carry a prefix, it counts only where it has one."""


class KnownLine:
    """A kind of line."""

    def __init__(
        self,
        about: About,
        keys: tuple[str, ...],
        begins: str,
        whole: str,
        traits: Trait = Trait.OF_KERNEL,
    ) -> None:
        """Describe a kind.

        Args:
            about: what its lines are about.
            keys: one of these stands in each such line: the sieve for logs of a gigabyte.
            begins: matches the beginning of such a line, even if it breaks off there, and no other.
            whole: matches all of a complete line of this kind.
            traits: what else there is to know.
        """
        self.about = about
        self.keys = keys
        self.begins = re.compile(begins)
        self.whole = re.compile(whole)
        self.traits = traits


class KnownLines:
    """All kinds that the readers of a text know."""

    def __init__(self, *groups: Iterable[KnownLine]) -> None:
        self.kinds = tuple(kind for group in groups for kind in group)
        keys = sorted({key for kind in self.kinds for key in kind.keys})
        self.sieve = re.compile("|".join(map(re.escape, keys)).encode())
        """What a line must hold to be of any of these kinds."""
        beginnings = "|".join(
            f"(?P<kind{index}>{kind.begins.pattern})" for index, kind in enumerate(self.kinds)
        )
        self.begins = re.compile(beginnings)
        self.begins_raw = re.compile(beginnings.encode())

    def kind_at(self, text: str, at: int) -> KnownLine | None:
        """Return the kind of the message that begins at ``at``."""
        return next(self.kinds_at(text, at), None)

    def kinds_at(self, text: str, at: int) -> Iterator[KnownLine]:
        """Yield all kinds of which a message may be that begins at ``at``."""
        found = self.begins.match(text, at)
        if found is None or found.lastgroup is None:
            return
        first = int(found.lastgroup.removeprefix("kind"))
        yield self.kinds[first]
        yield from (kind for kind in self.kinds[first + 1 :] if kind.begins.match(text, at))
