"""The nodes of a YAML document, and reading a value from one.

A scalar node is the text that somebody wrote; YAML's own rules for what it means are not asked.
They differ by version, and surprise: ``010`` would be 8, ``12:30`` 750 and ``no`` false.
"""

from __future__ import annotations

import difflib
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from smecheck.quantity import parse_integer
from smecheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
Reader: TypeAlias = "Callable[[Node], T]"
"""Makes a value of a node, or raises ``BadNodeError``."""

_NULLS = ("", "~", "null", "Null", "NULL")
_LONGEST_NUMBER = 64
_LONGEST_TEXT = 64 << 10  # many times the longest kernel command line
_LONGEST_QUOTE = 40


@record
class Node:
    """A piece of a document. ``line`` and ``column`` count from 1."""

    line: int
    column: int


@record
class ScalarNode(Node):
    """A piece of text."""

    text: str
    plain: bool
    """Whether it stands there without quotes."""

    @property
    def is_null(self) -> bool:
        """Whether it is one of YAML's ways to write nothing."""
        return self.plain and self.text in _NULLS


@record
class SequenceNode(Node):
    """A list."""

    items: tuple[Node, ...]


@record
class MappingNode(Node):
    """A mapping as it was written: a key may be of any kind, and be there twice."""

    pairs: tuple[tuple[Node, Node], ...]


class BadNodeError(Exception):
    """A node does not hold what its field needs; ``yaml_fields`` collects these."""

    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node
        self.message = message


def integer(node: Node) -> int:
    """Read an address or a size in the grammar of ``quantity.parse_integer``."""
    written = _scalar(node, "a number").text
    if len(written) > _LONGEST_NUMBER:
        raise BadNodeError(node, f"{quoted(written)}: too long for a number")
    try:
        return parse_integer(written)
    except ValueError as error:
        raise BadNodeError(node, f"{quoted(written)}: {error}") from error


def boolean(node: Node) -> bool:
    """Read ``true`` or ``false``, written just so."""
    scalar = _scalar(node, "true or false")
    if not scalar.plain or scalar.text not in ("true", "false"):
        kind = "" if scalar.plain else " in quotes"
        raise BadNodeError(node, f"{quoted(scalar.text)}{kind}: write true or false")
    return scalar.text == "true"


def one_line(node: Node) -> str:
    """Read text of one line, which may be empty if it is quoted."""
    written = _scalar(node, "text").text
    if len(written) > _LONGEST_TEXT:
        raise BadNodeError(node, f"{quoted(written)}: text of more than {_LONGEST_TEXT} characters")
    if not written.isprintable():
        # Would break the lines of reports, or show something else than what is there.
        invisible = next(character for character in written if not character.isprintable())
        raise BadNodeError(node, f"the text holds the unprintable character U+{ord(invisible):04X}")
    return written


def nonempty_line(node: Node) -> str:
    """Read text of one line."""
    written = one_line(node)
    if not written:
        raise BadNodeError(node, "the text is empty; leave the key out if it is not known")
    return written


def member(kind: type[E]) -> Reader[E]:
    """Return the reader of the values of an enumeration."""
    members = {str(value.value): value for value in kind}

    def read(node: Node) -> E:
        written = _scalar(node, "text").text
        if written not in members:
            raise BadNodeError(node, f"unknown value {quoted(written)}{nearest(written, members)}")
        return members[written]

    return read


def mapping(node: Node) -> MappingNode:
    """Read a mapping."""
    if not isinstance(node, MappingNode):
        raise _other_kind(node, "a mapping")
    return node


def items(node: Node) -> tuple[Node, ...]:
    """Read the items of a list."""
    if not isinstance(node, SequenceNode):
        raise _other_kind(node, "a list")
    return node.items


def _scalar(node: Node, wanted: str) -> ScalarNode:
    if not isinstance(node, ScalarNode) or node.is_null:
        raise _other_kind(node, wanted)
    return node


def _other_kind(node: Node, wanted: str) -> BadNodeError:
    if isinstance(node, ScalarNode) and node.is_null:
        return BadNodeError(node, f"no value; give {wanted}, or leave the key out if not known")
    return BadNodeError(node, f"{kind_of(node)} where {wanted} is needed")


def kind_of(node: Node) -> str:
    """Say what a node is, for an error."""
    if isinstance(node, ScalarNode):
        return quoted(node.text)
    return "a list" if isinstance(node, SequenceNode) else "a mapping"


def quoted(written: str) -> str:
    """Return a piece of the document for an error: short, in one line, nothing invisible in it."""
    if len(written) > _LONGEST_QUOTE:
        written = written[: _LONGEST_QUOTE - 1] + "…"
    return repr(written)


def nearest(written: str, known: Collection[str]) -> str:
    """Return the end of an error about an unknown name: which known one may have been meant."""
    names = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(written[:_LONGEST_QUOTE].lower(), names, n=1)
    if matches:
        return f"; did you mean {names[matches[0]]!r}?"
    return f"; known are {', '.join(sorted(known))}"
