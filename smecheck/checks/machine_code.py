"""The kernel's own machine code, where it was run: whether it computes as everything here does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Bearing, Severity
from smecheck.checks.rule import SME_OFF_NOW, Observation, rule
from smecheck.kernel.verification import Aspect, KnownDifference
from smecheck.quantity import count_text

if TYPE_CHECKING:
    from smecheck.case import Resolved

_SHOWN = 3
"""Differences that a finding shows, those that can be said in a few words."""
_BRIEF, _LINE = 60, 80


@rule(
    "SME047",
    "the machine code does not compute what was predicted",
    Severity.ERROR,
    passed="machine code computes as predicted",
    brief="code differs from the prediction",
    bearing=Bearing.PREDICTION,
    static=True,
    needs=(needs.machine_code,),
    remedy="look at the instruction named (smecheck verify KERNEL shows all of them); "
    "until the code agrees, do not rely on what smecheck says about this kernel's workarea",
)
def other_arithmetic(resolved: Resolved) -> Iterator[Observation]:
    """The compiled sme_encrypt_kernel() does not do what its source upstream does.

    Where the workarea lies, how long it is, which pages are written and what is encrypted is
    predicted from the arithmetic of the kernel's sources. A patch, a backport or a compiler can
    change it, and then neither the proof nor the margins hold. With ``--verify`` the code itself is
    run in an emulator, at many places and with many initrds, and each number that comes out
    otherwise is named, with the first instruction that shows it.

    Passes: every run gives the numbers that are predicted for it.
    Fails: the page tables begin at 0x4202000, where 0x3c02000 is predicted.
    Sources: the kernel's own code; arch/x86/mm/mem_encrypt_identity.c, since v6.16
    arch/x86/boot/startup/sme.c.
    """
    verification = resolved.verification
    others = [known for known in _differences(resolved) if known.first.aspect is not Aspect.FAULT]
    if not others or verification is None:
        return
    brief = [known for known in others if len(known.first.seen) <= _BRIEF] or others
    numbers = [f"{known.first.text}{_at(known)}" for known in brief[:_SHOWN]]
    more = len(others) - len(numbers)
    yield Observation(
        message=f"in {verification.share} runs the machine code computes other numbers: "
        + ", ".join([*numbers, *([count_text(more, "more difference")] if more else [])]),
        brief=_brief(brief[0]),
    )


@rule(
    "SME048",
    "the machine code faults before the kernel is encrypted",
    Severity.ERROR,
    passed="machine code runs to its end",
    brief="code faults with SME on",
    bearing=Bearing.PREDICTION,
    static=True,
    needs=(needs.machine_code,),
    after=("SME046", "SME047"),
    remedy=f"{SME_OFF_NOW}a compiler that addresses the operand relative to the instruction (GCC, "
    "clang 21), a kernel without CONFIG_MITIGATION_PAGE_TABLE_ISOLATION where the test of that "
    "feature is what faults, or one whose early code is position-independent (v6.16)",
)
def early_fault(resolved: Resolved) -> Iterator[Observation]:
    """With SME on, the kernel touches unmapped memory and dies before its first message.

    The code that sets SME up runs at the physical address of the kernel, with page tables that map
    memory one to one. An operand at its link address, an indirect call to one, a call into
    instrumentation is a page fault there, and no handler is installed: the machine resets without
    a word. Without SME the same kernel boots. Clang up to version 20 made such code of v6.10 to
    v6.15: the test of a CPU feature in sme_prepare_pgd() reads boot_cpu_data absolutely.

    Passes: every run comes back from sme_encrypt_kernel(), or ends where no kernel could go on.
    Fails: testb $8, 0xffffffff818a8f05 in .altinstr_aux, reached from sme_prepare_pgd().
    Sources: the kernel's own code; arch/x86/include/asm/cpufeature.h, _static_cpu_has(); LLVM issue
    139001.
    """
    verification = resolved.verification
    for known in _differences(resolved):
        if known.first.aspect is Aspect.FAULT and verification is not None:
            share = f"{known.runs} of {count_text(len(verification.runs), 'run')}"
            came = f", reached from {known.first.reached_from}" if known.first.reached_from else ""
            yield Observation(
                message=f"with SME on, {known.first.text}{_at(known)}{came}: in {share}",
                brief=_brief(known),
            )


def _brief(known: KnownDifference) -> str:
    """Return a difference without where it is; the rule's words where that is long."""
    text = known.first.seen if known.first.aspect is Aspect.FAULT else known.first.text
    return text if len(text) <= _LINE else ""


def _differences(resolved: Resolved) -> tuple[KnownDifference, ...]:
    return resolved.verification.differences if resolved.verification is not None else ()


def _at(known: KnownDifference) -> str:
    place = known.first.instruction
    return f" at {place.text}" if place is not None else ""


RULES = (other_arithmetic, early_fault)
