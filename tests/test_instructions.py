"""Instructions of x86-64, decoded as far as following code needs it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smecheck.machine_code.instructions import (
    LONGEST,
    Flow,
    NotAnInstruction,
    Operand,
    decode,
)

NEXT, CALL, JUMP, BRANCH, RETURN, STOP = (
    Flow.NEXT,
    Flow.CALL,
    Flow.JUMP,
    Flow.BRANCH,
    Flow.RETURN,
    Flow.STOP,
)
LINK = -0x7E7570FB
"""0xffffffff818a8f05, with its sign."""

# What the assembler makes of it, with what comes of it: flow, operand, displacement, target.
PLAIN = {
    "90": NEXT,  # nop
    "f30f1efa": NEXT,  # endbr64
    "0f1f840000000000": NEXT,  # nopl 0x0(%rax,%rax,1)
    "66662e0f1f840000000000": NEXT,  # the longest nop of gcc
    "55": NEXT,  # push %rbp
    "4157": NEXT,  # push %r15
    "4889e5": NEXT,  # mov %rsp,%rbp
    "4883ec10": NEXT,  # sub $0x10,%rsp
    "4881ec00010000": NEXT,  # sub $0x100,%rsp
    "48c7c0058f8a81": NEXT,  # mov $0xffffffff818a8f05,%rax
    "48b8000000000000fcdf": NEXT,  # movabs $0xdffc000000000000,%rax
    "b801000000": NEXT,  # mov $0x1,%eax
    "66b80100": NEXT,  # mov $0x1,%ax
    "c20800": RETURN,  # ret $0x8
    "c3": RETURN,
    "f3c3": RETURN,  # repz ret
    "cc": STOP,  # int3
    "0f0b": STOP,  # ud2
    "0fb9c0": STOP,  # ud1
    "f4": STOP,  # hlt
    "f6c301": NEXT,  # test $0x1,%bl
    "f6d3": NEXT,  # not %bl
    "f7c300010000": NEXT,  # test $0x100,%ebx
    "66f7c30001": NEXT,  # test $0x100,%bx
    "f7db": NEXT,  # neg %ebx
    "0fa2": NEXT,  # cpuid
    "0f32": NEXT,  # rdmsr
    "0f20d8": NEXT,  # mov %cr3,%rax
    "0f22d8": NEXT,  # mov %rax,%cr3
    "f3a4": NEXT,  # rep movsb
    "f348ab": NEXT,  # rep stos %rax
    "480fafc1": NEXT,  # imul %rcx,%rax
    "486bc064": NEXT,  # imul $0x64,%rax,%rax
    "4869c0e8030000": NEXT,  # imul $0x3e8,%rax,%rax
    "c8100001": NEXT,  # enter $0x10,$0x1
    "660f3a0fc108": NEXT,  # palignr $0x8,%xmm1,%xmm0
    "c5f877": NEXT,  # vzeroupper
    "c5f96fc1": NEXT,  # vmovdqa %xmm1,%xmm0
    "c4e37d19c101": NEXT,  # vextractf128 $0x1,%ymm0,%xmm1
    "62f17c4828c1": NEXT,  # vmovaps %zmm1,%zmm0
}
JUMPS = {
    "e800000000": (CALL, 5),
    "e8fbffffff": (CALL, 0),
    "e9058f8a01": (JUMP, 5 + 0x018A8F05),
    "ebfe": (JUMP, 0),
    "7402": (BRANCH, 4),
    "75f0": (BRANCH, -14),
    "0f84d6ffffff": (BRANCH, 6 - 42),
    "e310": (BRANCH, 18),  # jrcxz
    "2e7510": (BRANCH, 19),  # with a hint
    "ffe0": (Flow.INDIRECT_JUMP, 0),
    "41ffe3": (Flow.INDIRECT_JUMP, 0),
    "ffd0": (Flow.INDIRECT_CALL, 0),
    "ff1502000000": (Flow.INDIRECT_CALL, 0),  # call *0x2(%rip)
}
OPERANDS = {
    "f60425058f8a8108": (Operand.ABSOLUTE, LINK, 3),  # testb $0x8,0xffffffff818a8f05
    "48833c25058f8a8100": (Operand.ABSOLUTE, LINK, 4),  # cmpq $0x0,0xffffffff818a8f05
    "8b0425058f8a81": (Operand.ABSOLUTE, LINK, 3),  # mov 0xffffffff818a8f05,%eax
    "c70425058f8a8101000000": (Operand.ABSOLUTE, LINK, 3),  # movl $0x1,0xffffffff818a8f05
    "ff1425058f8a81": (Operand.ABSOLUTE, LINK, 3),  # call *0xffffffff818a8f05
    "0fb60425058f8a81": (Operand.ABSOLUTE, LINK, 4),  # movzbl 0xffffffff818a8f05,%eax
    "660f380025058f8a81": (Operand.RELATIVE, LINK, 5),  # pshufb -0x7e7570fb(%rip),%xmm4
    "f6058f8a810108": (Operand.RELATIVE, 0x01818A8F, 2),  # testb $0x8,0x1818a8f(%rip)
    "8b0485058f8a81": (Operand.INDEXED, LINK, 3),  # mov 0xffffffff818a8f05(,%rax,4),%eax
    "4a8b04e5058f8a81": (Operand.INDEXED, LINK, 4),  # mov 0xffffffff818a8f05(,%r12,8),%rax
    "c4a17a6f0425058f8a81": (Operand.INDEXED, LINK, 6),  # vmovdqu 0xffffffff818a8f05(,%r12,1),%xmm0
    "ff24c5058f8a81": (Operand.INDEXED, LINK, 3),  # jmp *0xffffffff818a8f05(,%rax,8)
    "8a80058f8a81": (Operand.REGISTER, LINK, 2),  # mov -0x7e7570fb(%rax),%al
    "8b4510": (Operand.REGISTER, 0x10, 2),  # mov 0x10(%rbp),%eax
    "8b85f0feffff": (Operand.REGISTER, -0x110, 2),  # mov -0x110(%rbp),%eax
    "8b442408": (Operand.REGISTER, 8, 3),  # mov 0x8(%rsp),%eax
    "8b00": (Operand.REGISTER, 0, 0),  # mov (%rax),%eax
    "8b0424": (Operand.REGISTER, 0, 0),  # mov (%rsp),%eax
    "658b0425058f8a81": (Operand.PER_CPU, LINK, 4),  # mov %gs:0xffffffff818a8f05,%eax
    "65488b042528000000": (Operand.PER_CPU, 0x28, 5),  # mov %gs:0x28,%rax
    "488d0425058f8a81": (Operand.NONE, LINK, 4),  # lea 0xffffffff818a8f05,%rax
    "4c8dbc1000000081": (Operand.NONE, -0x7F000000, 4),  # lea -0x7f000000(%rax,%rdx,1),%r15
    "0f1f0425058f8a81": (Operand.NONE, LINK, 4),  # nopl 0xffffffff818a8f05
    "0f180c25058f8a81": (Operand.NONE, LINK, 4),  # prefetcht0 0xffffffff818a8f05
    "0f013c25058f8a81": (Operand.NONE, LINK, 4),  # invlpg 0xffffffff818a8f05
    "0f011425058f8a81": (Operand.ABSOLUTE, LINK, 4),  # lgdt 0xffffffff818a8f05
    "a0058f8a81ffffffff": (Operand.ABSOLUTE, LINK + (1 << 64), 1),  # movabs …,%al
    "48a3058f8a81ffffffff": (Operand.ABSOLUTE, LINK + (1 << 64), 2),  # movabs %rax,…
    "67a1058f8a81": (Operand.ABSOLUTE, LINK + (1 << 32), 2),  # addr32 mov 0x818a8f05,%eax
    "c5f96f0425058f8a81": (Operand.ABSOLUTE, LINK, 5),  # vmovdqa 0xffffffff818a8f05,%xmm0
}
NOTHING = (
    "06",
    "27",
    "d4",
    "9a",
    "ea",
    "62",
    "82c001",
    "0f04",
    "0fff",
    "c4e0",
    "",
    "48",
    "66",
    "f6",
)


@pytest.mark.parametrize("code", PLAIN)
def test_what_touches_no_memory_and_goes_nowhere_else(code: str) -> None:
    found = decode(bytes.fromhex(code))
    assert (found.size, found.flow) == (len(code) // 2, PLAIN[code])
    assert found.operand in (Operand.NONE, Operand.REGISTER)
    assert not found.displacement


@pytest.mark.parametrize("code", JUMPS)
def test_where_code_goes(code: str) -> None:
    found = decode(bytes.fromhex(code))
    assert (found.size, found.flow, found.target) == (len(code) // 2, *JUMPS[code])


@pytest.mark.parametrize("code", OPERANDS)
def test_how_an_operand_is_addressed(code: str) -> None:
    found = decode(b"\x90\x90" + bytes.fromhex(code) + b"\xcc" * 9, 2)
    assert found.size == len(code) // 2
    assert (found.operand, found.displacement, found.field) == OPERANDS[code]


def test_a_retpoline_is_known_by_what_it_saves() -> None:
    assert decode(bytes.fromhex("48890424")).saves_target  # mov %rax,(%rsp)
    assert decode(bytes.fromhex("4c891c24")).saves_target  # mov %r11,(%rsp)
    for other in ("890424", "4889442408", "48890425058f8a81", "49890424", "488b0424"):
        assert not decode(bytes.fromhex(other)).saves_target


@pytest.mark.parametrize("code", NOTHING)
def test_what_is_no_instruction_is_refused(code: str) -> None:
    with pytest.raises(NotAnInstruction):
        decode(bytes.fromhex(code))


@pytest.mark.parametrize("code", [*PLAIN, *JUMPS, *OPERANDS])
def test_an_instruction_that_is_cut_off_is_refused(code: str) -> None:
    whole = bytes.fromhex(code)
    for size in range(len(whole)):
        try:
            found = decode(whole[:size])
        except NotAnInstruction:
            continue
        assert found.size <= size  # its beginning happens to be a shorter one


def test_prefixes_without_end_are_refused() -> None:
    for code in (b"\x66" * 20, b"\x66" * 15 + b"\x90", b"\x2e" * 14 + b"\x8b\x00"):
        with pytest.raises(NotAnInstruction):
            decode(code)


@given(st.binary(max_size=24), st.integers(0, 8))
@settings(max_examples=1000)
def test_any_bytes_are_decoded_or_refused(code: bytes, at: int) -> None:
    try:
        found = decode(code, at)
    except NotAnInstruction:
        return
    assert 0 < found.size <= min(LONGEST, len(code) - at)
    assert 0 <= found.field <= found.size
