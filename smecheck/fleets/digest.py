"""A name for what was read: the same in every process, for whatever is equal.

Python's own ``hash`` differs from process to process, and a pickle from one equal object to the
next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Set
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING

from smecheck.machine.memory import MemoryMap
from smecheck.span import SpanSet

if TYPE_CHECKING:
    from smecheck.case import Case

_SIZE = 16
_OPEN, _CLOSE, _NEXT = "\x01", "\x02", "\x03"


def digest_of_map(memory: MemoryMap | None) -> bytes:
    """Return the digest of a memory map, of which a large machine has thousands of regions."""
    if memory is None:
        return b""
    regions = "\n".join(
        f"{one.span.start:x}-{one.span.end:x} {one.depth} {one.line} {one.where} {one.name}"
        for one in memory.regions
    )
    missing = memory.missing.value
    about = f"{memory.source}\n{memory.kind.value} {missing} {memory.ignored_lines}\n"
    return hashlib.blake2b((about + regions).encode("utf-8", "replace"), digest_size=_SIZE).digest()


def digest_of_question(question: Case, of_map: bytes) -> bytes:
    """Return the digest of a question without its kernel.

    Args:
        question: in its canonical form.
        of_map: the digest of its memory map.
    """
    asked = (
        *(question.asked, question.segments, question.firmware, question.log, question.machine),
        *(question.cross_check, question.early),
    )
    return digest(asked, of_map)


def digest(value: object, *more: bytes) -> bytes:
    """Return the digest of anything that is made of records, texts, numbers and collections."""
    text = "".join(_pieces(value))
    found = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_SIZE)
    for piece in more:
        found.update(piece)
    return found.digest()


def _pieces(value: object) -> Iterator[str]:
    if value is None or isinstance(value, bool | int | float):
        yield repr(value)
    elif isinstance(value, str):
        yield f"{len(value)}:{value}"
    elif isinstance(value, Enum):
        yield f"{type(value).__name__}.{value.name}"
    elif isinstance(value, bytes):
        yield value.hex()
    elif isinstance(value, SpanSet | tuple | list):
        yield _OPEN
        yield from chain.from_iterable((*_pieces(item), _NEXT) for item in value)
        yield _CLOSE
    elif isinstance(value, Mapping):
        pairs = sorted(("".join(_pieces(key)), item) for key, item in value.items())
        yield _OPEN
        for key, item in pairs:
            yield from (key, _NEXT, *_pieces(item), _NEXT)
        yield _CLOSE
    elif isinstance(value, Set):
        yield _OPEN
        yield _NEXT.join(sorted("".join(_pieces(item)) for item in value))
        yield _CLOSE
    else:
        yield type(value).__qualname__
        names: tuple[str, ...] = type(value).__match_args__  # type: ignore[attr-defined]
        yield from _pieces(tuple(getattr(value, name) for name in names))
