"""The messages that a text holds, of the kinds that its readers know, put together line by line.

Mail programs, terminals and web forms break lines. In a text whose lines carry a prefix (a time
stamp, a tag), a line without one goes on with the line before it. Whether lines belong together is
tried out: joined with a blank or without, as many as make the message complete. Where nothing does,
the message is broken, and so is whatever depends on it; it is never read as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import NamedTuple

from smecheck.errors import MalformedInput
from smecheck.read.lines.journal_records import form_of, lines_of_records
from smecheck.read.lines.known_lines import KnownLine, KnownLines, Trait
from smecheck.read.lines.line_wrapper import unwrapped, without_marks
from smecheck.read.lines.log_lines import OpenedText, plain, text_lines
from smecheck.read.lines.speaker import KERNEL_TAG, OUTER, RING, Prefix, Speaker, prefix_of

MESSAGE_LIMIT = 4 << 10
"""Bytes of a line that can matter: a prefix, and a command line of 2 KiB at most."""

RELEVANT_LIMIT = 50_000
"""Messages of known kinds that are taken from a text: a boot has 300 of them, a load 200."""
_RELEVANT_SIZE = 8 << 20
"""Characters of these messages."""

_MARKS = r"[ \t]{0,40}(?:[>|][ \t>|]{0,40})?"
"""The marks of a quoting mail, and indentation."""
_MARKED = re.compile(_MARKS.encode())
_OUTER = re.compile((_MARKS + OUTER).encode())
_RING = re.compile((_MARKS + RING).encode())
_SEPARATOR = re.compile(rb"[ \t>|]{0,40}(?:$|-- |---|===|[#$])")
_LEAST_OF_TOOLS = 3
_FOLLOWERS = 24
"""Lines that a message may go on in: a command line of 2 KiB, broken at 80 columns."""
_JOINED = 3
"""Lines that a message other than a command line may go on in."""
_TRIES_LIMIT = 30_000
"""Ways of putting lines together that are tried in one text: of 10,000 lines that were wrapped, or
of 2,000 that are not whole with all that follows."""


class Message(NamedTuple):
    """A message of a known kind, or one that a reader asked for because of the one before it."""

    line: int
    """The number of its first line."""
    text: str
    """Without what stands before it."""
    kind: KnownLine | None
    match: re.Match[str] | None
    """What its kind makes of it; ``None`` where it is broken."""
    prefix: Prefix
    framed: bool
    """Whether its line carries a prefix."""
    rest: tuple[str, ...] = ()
    """The lines without a prefix that come after it and are not part of it; of free text, they may
    be."""


class _Group:
    """A line, and the lines after it that may go on with it."""

    def __init__(self, number: int, head: bytes, *, framed: bool) -> None:
        self.number = number
        self.head = head
        self.framed = framed
        self.followers: list[bytes] = []

    def is_copy_of(self, other: _Group | None) -> bool:
        """Return whether it says the same as ``other``."""
        return other is not None and (self.head, self.followers) == (other.head, other.followers)


def log_messages(
    text: OpenedText, known: KnownLines, wants_next: Callable[[], bool] = lambda: False
) -> Iterator[Message]:
    """Yield the messages of a text, whatever form a journal or a program gave it.

    Raises:
        UnreadableInput: it is UTF-16, or cannot be read.
        MalformedInput: too many of its lines matter, or are broken.
    """
    rows: Iterable[tuple[int, bytes]] = text_lines(text)
    head = plain(text.head)
    bare, bare_head = without_marks(rows, head)
    form = form_of(bare_head)
    if form is not None:
        rows = lines_of_records(bare, form, known.sieve)
        return messages(rows, known, wants_next, name=text.name)
    sample = unwrapped(enumerate(head.split(b"\n"), 1), head, known)
    return messages(
        unwrapped(rows, head, known),
        known,
        wants_next,
        name=text.name,
        bare=is_bare([line for _, line in sample], known),
    )


def is_bare(sample: Iterable[bytes], known: KnownLines) -> bool:
    """Return whether the lines that matter have no prefix in the text that ``sample`` is of.

    Then a line without one is not the rest of a line that has one: it is another program's, say.
    """
    framed = bare = of_tools = 0
    for line in sample:
        at = _end_of_marks(line)
        if _RING.match(line) or KERNEL_TAG.match(line, at):
            framed += 1
        elif known.begins_raw.match(line, at):
            kind = known.kind_at(_text(line), 0)
            is_kernels = kind is not None and Trait.OF_KERNEL in kind.traits
            bare += is_kernels
            of_tools += not is_kernels
    return bare > framed or of_tools >= _LEAST_OF_TOOLS


def messages(
    rows: Iterable[tuple[int, bytes]],
    known: KnownLines,
    wants_next: Callable[[], bool] = lambda: False,
    *,
    name: str,
    bare: bool = False,
) -> Iterator[Message]:
    """Yield the messages of the kinds in ``known``.

    Args:
        rows: the lines of a text, numbered.
        known: the kinds of lines.
        wants_next: whether the next message matters, whatever it says.
        name: of the text.
        bare: whether the kernel's lines have no prefix; see :func:`is_bare`.

    Raises:
        MalformedInput: too many lines matter, or are broken.
    """
    has_prefixes = has_tags = False
    joiner = _Joiner(known, name)
    lines = size = 0
    for group in _groups(rows, known, bare=bare):
        has_prefixes = has_prefixes or group.framed
        wanted = wants_next()
        if wanted or _is_relevant(group, known):
            message = joiner.message(group)
            if message is None and wanted:
                message = _any_message(group, known)
            is_tagged = _is_tagged(group.head)
            has_tags = has_tags or is_tagged
            if message is None or not _counts(
                message, has_prefixes=has_prefixes, is_foreign=has_tags and not is_tagged
            ):
                continue
            lines, size = lines + 1, size + len(message.text)
            if lines > RELEVANT_LIMIT or size > _RELEVANT_SIZE:
                raise MalformedInput(
                    f"is line {lines} of those that matter: they are too many",
                    where=f"{name}:{message.line}",
                    help_text="give only the part with the boot or the load in question",
                )
            yield message


def _is_tagged(line: bytes) -> bool:
    """Return whether a line names the kernel as whose it is."""
    return (
        _OUTER.match(line) is not None and KERNEL_TAG.match(line, _end_of_marks(line)) is not None
    )


def _counts(message: Message, *, has_prefixes: bool, is_foreign: bool) -> bool:
    """Return whether whoever wrote a message is one whose word it is.

    Args:
        message: the message.
        has_prefixes: whether a line before it has a prefix.
        is_foreign: whether a line before it names the kernel, and its own does not: it may be of
            another machine, such as the console of a guest in the log of its host.
    """
    speaker, traits = message.prefix.speaker, message.kind.traits if message.kind else Trait.NONE
    if speaker is Speaker.HYPERVISOR or (speaker is Speaker.PROGRAM and Trait.OF_KERNEL in traits):
        return False
    if Trait.WITH_PREFIX not in traits:
        return True
    return message.framed and not is_foreign if has_prefixes else True


def _is_relevant(group: _Group, known: KnownLines) -> bool:
    if not group.followers:
        return known.sieve.search(group.head) is not None
    parts = [group.head, *group.followers]
    joined = (glue.join(part.strip() for part in parts) for glue in (b" ", b""))
    return any(known.sieve.search(text) for text in joined)


class _Tried(NamedTuple):
    """What lines are if they are put together in one way."""

    text: str
    prefix: Prefix
    kind: KnownLine | None
    """The first kind that it begins like."""

    @property
    def message(self) -> str:
        return self.text[self.prefix.end :]


class _Joiner:
    """Puts the lines of groups together, each break having been a blank or nothing."""

    def __init__(self, known: KnownLines, name: str) -> None:
        self._known = known
        self._name = name
        self._left = _TRIES_LIMIT

    def message(self, group: _Group) -> Message | None:
        """Return the message of a group, whole if some of its lines together make it so.

        Raises:
            MalformedInput: too many lines were broken before.
        """
        if not group.followers:
            return _message_of_one(group, self._known)
        parts = [_text(group.head), *map(_text, group.followers)]
        most = min(len(parts), _JOINED + 1)
        ways: list[list[_Tried]] = []
        begun: Message | None = None
        while len(ways) < most:
            count = len(ways) + 1
            ways.append([self._tried(text, group.number) for text in _joined(parts[:count])])
            for one in ways[-1]:
                if one.kind is None:
                    continue
                match = one.kind.whole.fullmatch(one.message)
                found = self._message(group, one, one.kind, match)
                if match and Trait.FREE in one.kind.traits:
                    return found._replace(rest=tuple(parts[count:]))
                begun = begun or found._replace(match=None)
                if match and count == 1:
                    most = min(most, 2)  # what is whole goes on in one more line at most
        # Together they must still begin like a known one: the first alone may be any.
        if begun is None or all(one.kind is None for one in ways[-1]):
            return None
        for count in range(most, 0, -1):
            whole = [it for one in ways[count - 1] if (it := self._whole(group, one)) is not None]
            if len({it.match.groups() for it in whole if it.match}) == 1:
                return whole[0]._replace(rest=tuple(parts[count:]))
            if whole:
                break
        return begun

    def _tried(self, text: str, line: int) -> _Tried:
        self._left -= 1
        if self._left < 0:
            raise MalformedInput(
                "is broken, and so many lines before it that they cannot be put together",
                where=f"{self._name}:{line}",
                help_text="give the part that matters, as a file that no program has wrapped",
            )
        prefix = prefix_of(text, self._known.begins)
        return _Tried(text, prefix, self._known.kind_at(text, prefix.end))

    def _whole(self, group: _Group, tried: _Tried) -> Message | None:
        """Return what lines are together, if all of them are one complete message."""
        if tried.kind is None:
            return None
        message = tried.message
        for kind in self._known.kinds_at(message, 0):
            if match := kind.whole.fullmatch(message):
                return self._message(group, tried, kind, match)
        return None

    def _message(
        self, group: _Group, tried: _Tried, kind: KnownLine, match: re.Match[str] | None
    ) -> Message:
        return Message(group.number, tried.message, kind, match, tried.prefix, group.framed)


def _message_of_one(group: _Group, known: KnownLines) -> Message | None:
    """Return the message of a single line, of the first kind that it is whole of."""
    text = _text(group.head)
    prefix = prefix_of(text, known.begins)
    message = text[prefix.end :]
    first: KnownLine | None = None
    for kind in known.kinds_at(message, 0):
        if match := kind.whole.fullmatch(message):
            return Message(group.number, message, kind, match, prefix, group.framed)
        first = first or kind
    if first is None:
        return None
    return Message(group.number, message, first, None, prefix, group.framed)


def _any_message(group: _Group, known: KnownLines) -> Message:
    text = _text(group.head)
    prefix = prefix_of(text, known.begins)
    rest = tuple(map(_text, group.followers))
    return Message(group.number, text[prefix.end :], None, None, prefix, group.framed, rest)


def _joined(parts: list[str]) -> Iterator[str]:
    """Yield what lines are together, each break having been a blank or nothing."""
    for glues in product((" ", ""), repeat=len(parts) - 1):
        yield parts[0] + "".join(glue + part for glue, part in zip(glues, parts[1:], strict=True))


class _Grouping:
    """Puts lines together: each that begins a message, and those that may go on with it."""

    def __init__(self, known: KnownLines, *, bare: bool) -> None:
        self._known = known
        self._group: _Group | None = None
        self._is_outer = False
        """Whether the kernel's lines carry more than the stamp of the ring buffer: then one with
        that stamp alone is the rest of a line, or somebody else's console."""
        self._bare = bare
        self._head = b""
        """The line that the last group began with: a copy of it says nothing new."""

    def feed(self, number: int, line: bytes) -> _Group | None:
        """Take in a line; return the group that ends before it, if one does."""
        if _OUTER.match(line):
            self._is_outer = self._is_outer or _is_tagged(line)
            return self._begin(number, line, line, framed=True)
        if _RING.match(line) and not self._is_outer and not self._awaits_rest():
            return self._begin(number, line, line, framed=True)
        bare = line[_end_of_marks(line) :].rstrip()
        group = self._group
        if self._known.begins_raw.match(bare) and self._stands_alone():
            return self._begin(number, line, bare, framed=False)
        if _SEPARATOR.match(line):
            self._group, self._is_outer, self._head = None, False, b""
            return group
        is_new = self._bare and not self._awaits_rest()
        if group is None or (is_new and self._is_of_program(group)):
            return self._begin(number, line, bare, framed=False)
        if len(group.followers) < _FOLLOWERS:
            group.followers.append(bare)
        return None

    def _is_of_program(self, group: _Group) -> bool:
        prefix = prefix_of(_text(group.head), self._known.begins)
        return prefix.speaker is Speaker.PROGRAM

    def _awaits_rest(self) -> bool:
        """Return whether the line before breaks off at a tag: what comes is what that tag says."""
        group = self._group
        if group is None or group.followers or not group.head.rstrip().endswith(b":"):
            return False
        return _OUTER.match(group.head) is not None

    def finish(self) -> _Group | None:
        """Return the last group."""
        return self._group

    def _begin(self, number: int, line: bytes, head: bytes, *, framed: bool) -> _Group | None:
        done = self._group
        if line == self._head and done is not None and not done.followers:
            return None
        self._group, self._head = _Group(number, head, framed=framed), line
        return done

    def _stands_alone(self) -> bool:
        """Return whether a line that begins like a known one cannot be the rest of the group."""
        group, known = self._group, self._known
        if group is None or not group.framed:
            return True
        text = _text(group.head)
        prefix = prefix_of(text, known.begins)
        if prefix.speaker is Speaker.PROGRAM:
            return self._bare and not self._awaits_rest()
        message = text[prefix.end :]
        if not message or group.followers:
            return bool(group.followers)
        begun = [kind for kind in known.kinds if kind.begins.match(message)]
        return not begun or any(kind.whole.fullmatch(message) for kind in begun)


def _groups(
    rows: Iterable[tuple[int, bytes]], known: KnownLines, *, bare: bool
) -> Iterator[_Group]:
    """Yield the groups of lines; one that says the same as the one before says nothing new."""
    grouping = _Grouping(known, bare=bare)
    before: _Group | None = None
    for number, line in rows:
        group = grouping.feed(number, line)
        if group is not None and not group.is_copy_of(before):
            yield group
            before = group
    last = grouping.finish()
    if last is not None and not last.is_copy_of(before):
        yield last


def _end_of_marks(line: bytes) -> int:
    found = _MARKED.match(line)
    return 0 if found is None else found.end()


def _text(line: bytes) -> str:
    """Decode a line, without marks; bytes that are not UTF-8 become replacement characters."""
    return line[_end_of_marks(line) : MESSAGE_LIMIT].decode("utf-8", "replace").strip("\r\0 \t")
