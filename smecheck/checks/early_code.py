"""The code that sets SME up, before the kernel is mapped where it is linked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Effect, Severity
from smecheck.checks.rule import Observation, rule
from smecheck.evidence import value_of
from smecheck.kernel.early_code import Addressing, LinkAddressAccess
from smecheck.quantity import address_text

if TYPE_CHECKING:
    from smecheck.case import Resolved

_NAME = 32
"""Letters of a name that are shown where there is no room for the whole."""

_DECIDED_BY = "smecheck verify runs the code, and shows whether it does"


@rule(
    "SME046",
    "the early code needs an address that nothing maps yet",
    Severity.ERROR,
    passed="the early code uses no link address",
    brief="faults before it is set up",
    effect=Effect.COLLISION,
    phrase="is never set up: the code that does it needs an address that nothing maps yet",
    static=True,
    needs=(needs.early_code,),
    remedy="at once: boot it with mem_encrypt=off (nopti does not help); for good: build it with "
    "gcc or clang 21, or without page table isolation, or take a kernel whose code in "
    "arch/x86/boot/startup is position-independent",
)
def link_address_in_early_code(resolved: Resolved) -> Iterator[Observation]:
    """Code that sets SME up accesses memory by the address where the kernel is linked.

    sme_enable() and sme_encrypt_kernel() run while CR3 maps memory one to one. The addresses where
    the kernel is linked, from 0xffffffff80000000 on, are mapped later, and page faults have no
    handler yet: an access there is a triple fault, the machine starts anew, and no console shows
    why. KASLR shifts such an address along with the kernel, but nothing maps it either.

    The compiler decides. Up to clang 20, the feature tests in
    .altinstr_aux read boot_cpu_data by its absolute address (v6.12; 6.1 and 7.3 have the test in
    another form). set_pgd() in sme_prepare_pgd() makes such a test where page table isolation is
    built in. A 6.12.117 built by clang 14 was booted with SME, and died there.

    Followed are the calls, jumps and branches of that code as it stands in the image, through
    whatever it calls out of line. Hundreds of such accesses elsewhere in the same kernel do no
    harm, since they run later or are patched by then: only what this code reaches counts. Not
    followed is what leads to panic(), is for encrypted guests, or is KASAN's own. An address that
    is computed and not accessed does no harm either. A jump through a register or memory is not
    followed; that is a note, and so is an access that depends on what a register holds.

    Passes: testb $0x8, boot_cpu_data+0x4d(%rip).
    Fails: testb $0x8, 0xffffffff818a8f05, at 0xffffffff81916224.
    Sources: arch/x86/kernel/head_64.S, startup_64, v5.10 to v7.3;
    arch/x86/include/asm/cpufeature.h, _static_cpu_has(), v6.12; LLVM issue 139001; boots of that
    kernel (docs/evidence.md).
    """
    code = value_of(resolved.image.early_code)
    if code is None:
        return
    for access in code.accesses:
        yield _observation(access, resolved.boot.sme_condition)
    for reason in code.not_followed:
        yield Observation(
            message=f"the early code could not be followed at {reason}",
            condition=resolved.boot.sme_condition,
            severity=Severity.NOTE,
            remedy=_DECIDED_BY,
            brief="early code is not followed to its end",
        )


def _observation(access: LinkAddressAccess, condition: str | None) -> Observation:
    *way, place = access.path
    what = f"the instruction {access.code} at {address_text(access.address)} ({place})"
    reached = f"reached from {', '.join(way)}" if way else "where it begins"
    brief = f"fault at {_shortened(place)}{f', from {_shortened(way[-1])}' if way else ''}"
    operand = f"{access.symbol} by its link address {address_text(access.operand)}"
    if access.addressing is Addressing.REGISTER:
        return Observation(
            message=f"{what}, {reached}, accesses {operand}, counted from a register: if that "
            "holds no distance to where the kernel runs, nothing is mapped there",
            condition=condition,
            severity=Severity.NOTE,
            remedy=_DECIDED_BY,
            brief=f"perhaps a {brief}",
        )
    if access.for_guests:
        return Observation(
            message=f"{what}, {reached}, accesses {operand}: most of that function runs in "
            "encrypted guests only",
            condition=condition,
            severity=Severity.NOTE,
            remedy=_DECIDED_BY,
            brief=f"in encrypted guests, a {brief}",
        )
    index = " and an index" if access.addressing is Addressing.INDEXED else ""
    return Observation(
        message=f"{what}, {reached}, accesses {operand}{index}: nothing is mapped there yet, so "
        "the kernel dies of a triple fault before a byte is encrypted",
        condition=condition,
        brief=brief,
    )


def _shortened(place: str) -> str:
    """Return the name of a place for a line that has more on it: compilers make long ones."""
    name, plus, offset = place.partition("+")
    return f"{name[:_NAME]}...{plus}{offset}" if len(name) > _NAME + 3 else place


RULES = (link_address_in_early_code,)
