"""Ways to break a file: of any bytes, of numbers in them, of text and its lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

LONGEST = 256 << 10
"""Bytes of a mutated input: what is larger is cut, so that a campaign stays quick. What sheer size
does is tested by itself."""

NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0xFFF, 0x1000, 0x7FFF, 0xFFFF, 0x1FFFFF, 0x7FFFFFFF)
NUMBERS += (0x80000000, 0xFFFFFFFF, 0x1000000, 0x3FFFFFFF, 1 << 52, (1 << 63) - 1, 1 << 63)
NUMBERS += ((1 << 64) - 1, 0xFFFFFFFF81000000, 0xFFFFFFFF80000000, (1 << 64) - 0x1000)
"""Ends of the types that formats count with, and of the addresses that kernels have."""

WORDS = (
    b"\0", b"\r", b"\n\n", b"\t", b"\x1b[31m", b"\x1b]0;owned\x07", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\xe2\x80\xae", b"\xed\xb0\x80", b"\xc3\x28", b"\xe2\x80\xa8", b"\xd9\xa1\xd9\xa2", b"[/bold]",
    b"%s%n", b"${x}", b"*a", b"&a [*a]", b"!!python/object:os.system", b"{", b"[", b"]", b"}",
    b": ", b"- ", b"#", b"'", b'"', b"|", b">", b"<<: ", b"0x", b"-1", b"1e9", b"010", b"4M",
    b"16EiB", b"nan", b"~", b"---\n", b"...\n", b"%YAML 1.1\n", b"?", b"@", b"\x85",
    b"\x7f", b"\xc2\x85",
)  # fmt: skip
"""What some reader somewhere gives a meaning to."""

_NUMBER = re.compile(rb"(?:0[xX])?[0-9a-fA-F]*[0-9][0-9a-fA-F]*")

Mutation = Callable[[Random, bytearray], None]


def mutated(random: Random, data: bytes, *, text: bool) -> bytes:
    """Return ``data``, broken in one place, in a few, or in none at all."""
    broken = bytearray(data[:LONGEST])
    kinds = TEXT if text else BINARY
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 8))):
        if not broken:
            break
        random.choice(kinds)(random, broken)
        del broken[LONGEST:]
    return bytes(broken)


def _place(random: Random, data: bytearray) -> int:
    """Choose a place; headers, at either end of most formats, are tried more often."""
    span = random.choice((64, 0x270, 4096, len(data), len(data)))
    at = random.randrange(min(span, len(data)))
    return at if random.random() < 0.7 else len(data) - 1 - at


def _flip(random: Random, data: bytearray) -> None:
    data[_place(random, data)] ^= 1 << random.randrange(8)


def _byte(random: Random, data: bytearray) -> None:
    data[_place(random, data)] = random.randrange(256)


def _number(random: Random, data: bytearray) -> None:
    """Overwrite a field of 2, 4 or 8 bytes with a number that formats trip over."""
    size = random.choice((2, 4, 8))
    near = random.choice((*NUMBERS, len(data), len(data) - random.randrange(64)))
    value = (near + random.choice((-1, 0, 0, 1))) & ((1 << size * 8) - 1)
    at = _place(random, data) // size * size
    order = random.choice(("little", "little", "big"))
    data[at : at + size] = value.to_bytes(size, order)[: len(data) - at]


def _cut(random: Random, data: bytearray) -> None:
    del data[_place(random, data) :]


def _drop(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    del data[at : at + random.choice((1, 2, 7, 64, 4096))]


def _repeat(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    piece = data[at : at + random.choice((1, 8, 100, 5000))]
    data[at:at] = piece * random.choice((1, 2, 20))


def _fill(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    size = min(random.choice((4, 64, 4096)), len(data) - at)
    data[at : at + size] = bytes([random.choice((0, 0xFF, 0x41))]) * size


def _swap(random: Random, data: bytearray) -> None:
    size = random.choice((1, 8, 64))
    one, other = _place(random, data), _place(random, data)
    data[one : one + size], data[other : other + size] = (
        data[other : other + size],
        data[one : one + size],
    )


def _insert_word(random: Random, data: bytearray) -> None:
    at = _place(random, data)
    data[at:at] = random.choice(WORDS) * random.choice((1, 1, 1, 100))


def _lines(data: bytearray) -> list[bytes]:
    return bytes(data).splitlines(keepends=True)


def _line(random: Random, data: bytearray) -> None:
    """Drop, repeat, move, indent or join lines."""
    lines = _lines(data)
    at, other = random.randrange(len(lines)), random.randrange(len(lines))
    change = random.randrange(6)
    if change == 0:
        del lines[at]
    elif change == 1:
        lines[other:other] = [lines[at]] * random.choice((1, 2, 100))
    elif change == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif change == 3:
        lines[at] = b" " * random.choice((1, 2, 4, 1000)) + lines[at]
    elif change == 4:
        lines[at] = lines[at].rstrip(b"\r\n")
    else:
        lines[at] = lines[at][: random.randrange(len(lines[at]) + 1)]
    data[:] = b"".join(lines)


def _digits(random: Random, data: bytearray) -> None:
    """Replace a number that is written out, as decimal or hex."""
    match = _NUMBER.search(data, _place(random, data))
    if match is None:
        return
    value = random.choice(NUMBERS) + random.choice((-1, 0, 1))
    written = random.choice((f"{value}", f"{value:x}", f"{value:#x}", f"{value:016x}", "9" * 30))
    span = slice(*match.span())
    del match  # it holds on to the data
    data[span] = written.encode()


def _whole(random: Random, data: bytearray) -> None:
    """Write the whole text in another way."""
    change = random.randrange(6)
    if change == 0:
        data[:] = bytes(data).replace(b"\n", b"\r\n")
    elif change == 1:
        data[:] = bytes(data).replace(b"\n", b"\r")
    elif change == 2:
        encoding = random.choice(("utf-16", "utf-16-le", "utf-32", "utf-7"))
        data[:] = bytes(data).decode("utf-8", "replace").encode(encoding, "replace")
    elif change == 3:
        data[:] = b"\xef\xbb\xbf" + data
    elif change == 4:
        data[:] = bytes(data).replace(b"\n", b"\n> ")
    else:
        data[:] = bytes(data).replace(b" ", random.choice((b"\t", b"  ", b"\xc2\xa0")))


BINARY: tuple[Mutation, ...] = (
    _flip, _byte, _number, _number, _number, _number, _cut, _drop, _repeat, _fill, _swap,
    _insert_word,
)  # fmt: skip
TEXT: tuple[Mutation, ...] = (
    _flip, _byte, _cut, _drop, _repeat, _insert_word, _insert_word, _line, _line, _line, _digits,
    _digits, _whole,
)  # fmt: skip
