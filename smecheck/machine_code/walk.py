"""Code followed from where it is entered, as far as it says itself where it goes.

Calls, jumps and both sides of every branch are followed, in the code as it stands in the image:
alternatives and static branches are what they are before the kernel patches them. What a register
or a place in memory says is not known, so jumps and calls through one are noted, not followed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator
from enum import Enum

from smecheck.kernel.constants import PAGE_SIZE
from smecheck.machine_code.instructions import (
    LONGEST,
    Flow,
    Instruction,
    NotAnInstruction,
    Operand,
    decode,
)
from smecheck.record import record

_ADDRESSES = 1 << 64
_IMAGE = range(-(2 << 30), -(1 << 30))
"""The kernel's image in the upper 2 GiB of addresses, as a displacement has it."""

# Tuples: to look into a set, Python calls the __hash__ of Enum, for each instruction.
_ENDS = (Flow.JUMP, Flow.RETURN, Flow.STOP, Flow.INDIRECT_JUMP)
_FOLLOWED = (Flow.CALL, Flow.JUMP, Flow.BRANCH)
_INDIRECT = (Flow.INDIRECT_JUMP, Flow.INDIRECT_CALL)
_BY_ADDRESS = (Operand.ABSOLUTE, Operand.INDEXED, Operand.REGISTER)


class Stop(Enum):
    """Why code is not followed further."""

    INDIRECT = "it goes where a register or memory says"
    NO_CODE = "it is no code of the image"
    LIMIT = "there is more of it than is followed"


@record
class Access:
    """An instruction with an operand in the upper 2 GiB of addresses."""

    address: int
    code: bytes
    operand: Operand
    target: int
    """The address in the instruction; with an index or a base, what these are added to."""
    begin: int
    """The first instruction of those in a row that lead to it."""


@record
class Walk:
    """What was seen."""

    accesses: tuple[Access, ...]
    stops: tuple[tuple[int, Stop], ...]
    """Where code is not followed, and why."""
    came_from: dict[int, tuple[int, int]]
    """By the first of instructions in a row: where the first jump or call to it is, and the first
    of the instructions in a row there."""
    missing: frozenset[int]
    """Pages of code, by their addresses, that are not at hand."""

    def way_to(self, begin: int) -> Iterator[int]:
        """Yield the jumps and calls that lead to the first of instructions in a row, backwards."""
        seen = set()
        while begin in self.came_from and begin not in seen:
            seen.add(begin)
            site, begin = self.came_from[begin]
            yield site


class Code:
    """Code by its address, page by page.

    Args:
        read: returns the bytes of the page at an address, ``b""`` where the image has none, and
            ``None`` where they are not at hand.
    """

    def __init__(self, read: Callable[[int], bytes | None]) -> None:
        self._read = read
        self._pages: dict[int, bytes | None] = {}

    def page(self, address: int) -> bytes | None:
        """Return the page that begins at an address."""
        if address not in self._pages:
            self._pages[address] = self._read(address)
        return self._pages[address]

    @property
    def at_hand(self) -> frozenset[int]:
        """The pages that were asked for, and are there."""
        return frozenset(address for address, page in self._pages.items() if page)


def follow(
    entry: int, code: Code, *, ends: Container[int], skipped: Container[int], limit: int
) -> Walk:
    """Follow code from an entry.

    Args:
        entry: its address.
        code: all code that there is.
        ends: functions that do not return; neither are they followed.
        skipped: functions that return, and are not followed.
        limit: how many instructions to look at.
    """
    follower = _Follower(code, ends, skipped)
    follower.run(entry, limit)
    return Walk(
        tuple(follower.accesses),
        tuple(follower.stops),
        follower.came_from,
        frozenset(follower.missing),
    )


class _Follower:
    def __init__(self, code: Code, ends: Container[int], skipped: Container[int]) -> None:
        self.accesses: list[Access] = []
        self.stops: list[tuple[int, Stop]] = []
        self.came_from: dict[int, tuple[int, int]] = {}
        self.missing: set[int] = set()
        self.seen: set[int] = set()
        self._code = code
        self._ends = ends
        self._skipped = skipped

    def run(self, entry: int, limit: int) -> None:
        queue = deque((entry,))
        while queue:
            address = begin = queue.popleft()
            while address not in self.seen:
                if len(self.seen) >= limit:
                    self.stops.append((address, Stop.LIMIT))
                    return
                instruction = self._at(address, begin)
                if instruction is None:
                    break
                if instruction.flow in _FOLLOWED:
                    target = address + instruction.target
                    if target in self._ends:
                        if instruction.flow is not Flow.BRANCH:
                            break
                    elif target not in self.seen and target not in self._skipped:
                        self.came_from.setdefault(target, (address, begin))
                        queue.append(target)
                if instruction.flow in _ENDS:
                    break
                address += instruction.size

    def _at(self, address: int, begin: int) -> Instruction | None:
        """Decode the instruction at an address, and note what there is to say of it."""
        bytes_at = self._bytes(address)
        if bytes_at is None:
            return None
        code, at = bytes_at
        try:
            instruction = decode(code, at)
        except NotAnInstruction:
            self.stops.append((address, Stop.NO_CODE))
            return None
        self.seen.add(address)
        if instruction.operand in _BY_ADDRESS and instruction.field:
            self._note_access(address, begin, code[at : at + instruction.size], instruction)
        if instruction.flow in _INDIRECT or (instruction.saves_target and self._returns(address)):
            self.stops.append((address, Stop.INDIRECT))
        return instruction

    def _note_access(self, address: int, begin: int, code: bytes, instruction: Instruction) -> None:
        value = instruction.displacement
        if instruction.operand is Operand.REGISTER:
            is_upper = value in _IMAGE
        else:
            is_upper = value < 0 or value >> 63 == 1
        if is_upper:
            target = value % _ADDRESSES
            self.accesses.append(Access(address, code, instruction.operand, target, begin))

    def _returns(self, address: int) -> bool:
        """Return whether ret, or a jump to a return thunk, is what follows an instruction."""
        bytes_at = self._bytes(address)
        if bytes_at is None:
            return False
        code, at = bytes_at
        try:
            flow = decode(code, at + decode(code, at).size).flow
        except NotAnInstruction:
            return False
        return flow in (Flow.RETURN, Flow.JUMP)

    def _bytes(self, address: int) -> tuple[bytes, int] | None:
        """Return bytes with two instructions from an address on, and where in them it is."""
        at = address % PAGE_SIZE
        page = self._code.page(address - at)
        if page is None:
            self.missing.add(address - at)
            return None
        if at + 2 * LONGEST <= PAGE_SIZE:
            return page, at
        after = self._code.page(address - at + PAGE_SIZE)
        if after is None:
            self.missing.add(address - at + PAGE_SIZE)
        return page[at:] + (after or b""), 0
