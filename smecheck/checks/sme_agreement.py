"""What one kernel log says of SME, and of the machine that its kernel ran on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.boot.logged_sme import sme_beside_guest
from smecheck.checks import needs
from smecheck.checks.finding import Effect, Severity
from smecheck.checks.rule import Observation, rule

if TYPE_CHECKING:
    from smecheck.case import Resolved


@rule(
    "SME045",
    "the kernel log says that SME is active in a guest, or on a CPU of Intel",
    Severity.ERROR,
    passed="SME or SEV, not both",
    brief="SME beside SEV, a guest or Intel",
    effect=Effect.CONTRADICTION,
    about_load=True,
    needs=(needs.log,),
    remedy="give the kernel log of one boot of the machine itself, without lines of its guests",
)
def sme_in_a_guest(resolved: Resolved) -> Iterator[Observation]:
    """One log says that SME is active, and that its kernel is a guest, or that its CPU is Intel's.

    No kernel says both: a list of encryption features that begins with SME ends there, SEV and its
    kind are what a guest has from its hypervisor, and since v4.15 sme_enable() turns SME on under
    no hypervisor that CPUID shows; no CPU of Intel has SME. So the lines are of two machines (a
    guest's console in its host's log), or one was changed on its way. Whether SME is on is then not
    known, and whatever else the log says may be about the other machine.

    Passes: "AMD Memory Encryption Features active: SEV SEV-ES" alone, or SME alone.
    Fails: "Memory Encryption Features active: AMD SME SEV".
    Sources: arch/x86/mm/mem_encrypt.c, print_mem_encrypt_feature_info(), v5.10 to v7.3;
    arch/x86/kernel/cpu/hypervisor.c, init_hypervisor_platform(), v5.0 to v7.3.
    """
    found = sme_beside_guest(resolved.log)
    if found is not None:
        yield Observation(message=found)


RULES = (sme_in_a_guest,)
