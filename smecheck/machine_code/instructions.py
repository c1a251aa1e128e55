"""One instruction of x86-64 code in 64-bit mode, as far as following the code needs it.

Its length, where it leads, and how its memory operand is addressed; what it computes is not looked
at. Source: AMD64 Architecture Programmer's Manual, volume 3, appendix A (opcode maps) and chapter 1
(encoding); the same in Intel's Software Developer's Manual, volume 2.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

LONGEST = 15
"""Bytes of the longest instruction."""


class Flow(Enum):
    """Where the code goes on."""

    NEXT = "next"
    BRANCH = "branch"
    """At the target or after the instruction."""
    JUMP = "jump"
    CALL = "call"
    INDIRECT_JUMP = "indirect jump"
    INDIRECT_CALL = "indirect call"
    RETURN = "return"
    STOP = "stop"
    """Nowhere: a trap."""


class Operand(Enum):
    """How a memory operand is addressed."""

    NONE = "none"
    """No memory, or none that is accessed: lea, nop, prefetch."""
    REGISTER = "register"
    """By registers, and perhaps a displacement."""
    RELATIVE = "relative"
    """By a distance from the instruction."""
    ABSOLUTE = "absolute"
    """By an address in the instruction, and nothing else."""
    INDEXED = "indexed"
    """By an address in the instruction, and an index."""
    PER_CPU = "per CPU"
    """By the base of FS or GS, whatever else."""


class Instruction(NamedTuple):
    """An instruction; a NamedTuple, since a walk makes a thousand of them."""

    size: int
    flow: Flow
    target: int
    """Where a direct jump, branch or call leads, as a distance from the instruction's start."""
    operand: Operand
    displacement: int
    """Of the memory operand, with its sign; for an absolute one, its address."""
    field: int
    """Where in the instruction the displacement's bytes are; 0 if it has none."""
    saves_target: bool
    """Whether it is ``mov %register,(%rsp)``: how a retpoline has ret jump to the register."""


class NotAnInstruction(ValueError):
    """The bytes are not an instruction of 64-bit mode, or too few."""


# What follows an opcode, by a letter:
#   .  nothing           b  1 byte          w  2 bytes       W  3 bytes
#   z  2 or 4 bytes      v  2, 4 or 8       o  an address    !  it is not an instruction
#   r  a branch's distance in 1 byte, R in 4; j and J a jump's, c a call's, in 4
#   q  nothing, and it returns; Q  2 bytes, likewise; s  nothing, and it stops
#   m  ModRM; B with 1 byte, M with 2 or 4 bytes; t and T for some of its forms
#   C  ModRM that names registers alone     h  ModRM of an operand that is not accessed
#   1  ModRM of group 7, among them invlpg  5  ModRM of group 5, among them jump and call
#   u  ModRM, and it stops                  a  ModRM of mov from a register
_WITH_MODRM = frozenset("mBMtTCh15ua")


def _table(*rows: str) -> str:
    return "".join(rows)


_ONE_BYTE = _table(
    "mmmmbz!!mmmmbz!!" * 4,  # 00
    "................" * 2,  # 40
    "!!!m....zMbB....",  # 60
    "rrrrrrrrrrrrrrrr",  # 70
    "BM!Bmmmmmammmhmm",  # 80
    "..........!.....",  # 90
    "oooo....bz......",  # a0
    "bbbbbbbbvvvvvvvv",  # b0
    "BBQq!!BMW.Qqsb!q",  # c0
    "mmmm!!!.mmmmmmmm",  # d0
    "rrrrbbbbcJ!j....",  # e0
    "....s.tT......m5",  # f0
)
_TWO_BYTES = _table(
    "m1mm!.....!s!h.B",  # 00
    "mmmmmmmmhhhhhhhh",  # 10
    "CCCC!!!!mmmmmmmm",  # 20
    "........!!!!!!!!",  # 30
    "mmmmmmmmmmmmmmmm" * 3,  # 40
    "BBBBmmm.mmmmmmmm",  # 70
    "RRRRRRRRRRRRRRRR",  # 80
    "mmmmmmmmmmmmmmmm",  # 90
    "...mBm!!...mBmmm",  # a0
    "mmmmmmmmmuBmmmmm",  # b0
    "mmBmBBBm........",  # c0
    "mmmmmmmmmmmmmmmm" * 2,  # d0
    "mmmmmmmmmmmmmmmu",  # f0
)
_MAPS = {1: _TWO_BYTES, 2: "m" * 256, 3: "B" * 256}

_SEGMENTS = frozenset((0x26, 0x2E, 0x36, 0x3E))
_FS, _GS, _OPERAND_SIZE, _ADDRESS_SIZE = 0x64, 0x65, 0x66, 0x67
_REX, _REX_W, _REX_X, _REX_B = 0x40, 8, 2, 1
_OTHER_MAPS = frozenset((0x0F, 0xC4, 0xC5, 0x62))
"""The escape to the others, VEX of three and two bytes, EVEX."""
_PREFIXES = _SEGMENTS | {_FS, _GS, _OPERAND_SIZE, _ADDRESS_SIZE, 0xF0, 0xF2, 0xF3}

_SIZES = {".": 0, "b": 1, "w": 2, "W": 3, "q": 0, "Q": 2, "s": 0}
_DISTANCES = {
    "r": (1, Flow.BRANCH),
    "R": (4, Flow.BRANCH),
    "c": (4, Flow.CALL),
    "j": (1, Flow.JUMP),
    "J": (4, Flow.JUMP),
}
_FLOWS = {"q": Flow.RETURN, "Q": Flow.RETURN, "s": Flow.STOP}

_SIB = 4
"""The base that says that a SIB byte follows."""
_RSP_ALONE = 0x24
"""A SIB byte: %rsp, no index."""
_NO_INDEX = 4
_INVLPG = 7
"""The form of 0f 01 that faults on no address."""


def decode(code: bytes, at: int = 0) -> Instruction:
    """Decode the instruction at ``at``.

    Raises:
        NotAnInstruction: there is none, or not all of it.
    """
    try:
        found = _decoded(code, at)
    except IndexError:
        raise NotAnInstruction("the code ends inside an instruction") from None
    if found.size > LONGEST:
        raise NotAnInstruction("longer than an instruction may be")
    return found


def _decoded(code: bytes, start: int) -> Instruction:
    at, byte = start, code[start]
    immediate, address_size, per_cpu, rex = 4, 8, False, 0
    if byte in _PREFIXES:
        at = _after_prefixes(code, start)
        prefixes, byte = code[start:at], code[at]
        immediate = 2 if _OPERAND_SIZE in prefixes else 4
        address_size = 4 if _ADDRESS_SIZE in prefixes else 8
        per_cpu = _FS in prefixes or _GS in prefixes
    if byte & 0xF0 == _REX:
        rex = byte
        at += 1
        byte = code[at]
    if byte in _OTHER_MAPS:
        form, at, rex = _in_other_map(code, at, byte, rex)
    else:
        form, at = _ONE_BYTE[byte], at + 1
    if form in _WITH_MODRM:
        return _with_operand(code, start, at, form, immediate, rex, per_cpu=per_cpu)
    if form in _DISTANCES:
        size, flow = _DISTANCES[form]
        distance = int.from_bytes(code[at : at + size], "little", signed=True)
        end = at + size - start
        code[start + end - 1]
        return Instruction(end, flow, end + distance, Operand.NONE, 0, 0, False)
    if form == "o":
        address = int.from_bytes(code[at : at + address_size], "little")
        operand = Operand.PER_CPU if per_cpu else Operand.ABSOLUTE
        end = at + address_size - start
        code[start + end - 1]
        return Instruction(end, Flow.NEXT, 0, operand, address, at - start, False)
    end = at + _immediate_size(form, immediate, rex & _REX_W) - start
    code[start + end - 1]
    return Instruction(end, _FLOWS.get(form, Flow.NEXT), 0, Operand.NONE, 0, 0, False)


def _after_prefixes(code: bytes, at: int) -> int:
    while code[at] in _PREFIXES:
        at += 1
    return at


def _immediate_size(form: str, immediate: int, wide: int) -> int:
    if form == "!":
        raise NotAnInstruction("no instruction of 64-bit mode")
    if form == "z":
        return immediate
    if form == "v":
        return 8 if wide else immediate
    return _SIZES[form]


def _in_other_map(code: bytes, at: int, byte: int, rex: int) -> tuple[str, int, int]:
    """Return the form of an opcode that does not stand alone, where what follows it is, and REX.

    Of REX, which VEX and EVEX have in them, upside down, only the index counts here.
    """
    if byte == 0x0F:
        second = code[at + 1]
        if second in (0x38, 0x3A):
            return ("m" if second == 0x38 else "B"), at + 3, rex
        return _TWO_BYTES[second], at + 2, rex
    if byte == 0xC5:  # VEX of two bytes
        return _TWO_BYTES[code[at + 2]], at + 3, 0
    # VEX of three bytes, EVEX of four
    rex = 0 if code[at + 1] & 0x40 else _REX_X
    number = code[at + 1] & (0x1F if byte == 0xC4 else 0x07)
    at += 3 if byte == 0xC4 else 4
    return (_MAPS[number][code[at]] if number in _MAPS else "!"), at + 1, rex


def _with_operand(
    code: bytes, start: int, at: int, form: str, immediate: int, rex: int, *, per_cpu: bool
) -> Instruction:
    """Decode from the ModRM byte on."""
    modrm = code[at]
    at += 1
    mode, register, base = modrm >> 6, modrm >> 3 & 7, modrm & 7
    operand, size, saves, flow = Operand.NONE, 0, False, Flow.NEXT
    if mode != 3 and form != "C":
        operand = Operand.REGISTER
        if mode:
            size = 1 if mode == 1 else 4
        if base == _SIB:
            sib = code[at]
            at += 1
            if mode == 0 and sib & 7 == 5:
                size = 4
                index = sib >> 3 & 7 | (rex & _REX_X) << 2
                operand = Operand.ABSOLUTE if index == _NO_INDEX else Operand.INDEXED
            to_stack = mode == 0 and sib == _RSP_ALONE and not rex & _REX_B
            saves = bool(form == "a" and rex & _REX_W and to_stack)
        elif base == 5 and mode == 0:
            operand, size = Operand.RELATIVE, 4
        if form == "h" or (form == "1" and register == _INVLPG):
            operand = Operand.NONE
        elif per_cpu:
            operand = Operand.PER_CPU
    field, at = at - start if size else 0, at + size
    displacement = int.from_bytes(code[at - size : at], "little", signed=True)
    if form == "B" or (form == "t" and register < 2):
        at += 1
    elif form == "M" or (form == "T" and register < 2):
        at += immediate
    elif form == "u":
        flow = Flow.STOP
    elif form == "5":
        flow = _GROUP5_FLOWS[register]
    code[at - 1]
    return Instruction(at - start, flow, 0, operand, displacement, field, saves)


_GROUP5_FLOWS = (
    *(Flow.NEXT, Flow.NEXT, Flow.INDIRECT_CALL, Flow.INDIRECT_CALL),
    *(Flow.INDIRECT_JUMP, Flow.INDIRECT_JUMP, Flow.NEXT, Flow.NEXT),
)
