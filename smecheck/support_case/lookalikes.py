"""Known failures that look the same, not of placement: named with their releases, never certain.

The letters are those of the reports in docs/triage.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.boot.boot import SmeState
from smecheck.support_case.situation import Situation
from smecheck.support_case.triage_report import Budget, FailureClass, Lookalike, Sign

_EFI_TABLES_SINCE = (5, 19)
_IMA_FIXED = (6, 12)
_FREEPOINTER_LAST = (5, 4)
_WBINVD_FIXED = (6, 5)
_MANY_CPUS = 64


def lookalikes(
    situation: Situation, failed: FailureClass | None, budget: Budget | None
) -> Iterator[Lookalike]:
    """Yield the known failures that the evidence does not exclude."""
    if failed in (FailureClass.RESERVATION, FailureClass.LOAD):
        return
    version = situation.version
    may_encrypt = situation.sme is not SmeState.INACTIVE
    yield from _out_of_memory(situation, budget)
    if version is None:
        return
    if version <= _FREEPOINTER_LAST and may_encrypt and situation.vmcore is not None:
        yield Lookalike(
            'report D: crash says "invalid freepointer" of a dump taken with SME',
            "up to v5.4",
            "a dump was taken, and purgatory of such kernels copies the low 640 KiB without the "
            "encryption bit: all damage lies below 1 MiB",
        )
    if situation.spoke is None and version >= _EFI_TABLES_SINCE and situation.is_efi is not None:
        yield Lookalike(
            "report G: a kexec'ed kernel dies early, reading EFI's tables (fix: \"x86/kexec: Add "
            'EFI config table identity mapping for kexec kernel")',
            "v5.19 and later, without that fix; with and without SME",
            f"the machine was booted by EFI ({situation.is_efi.place}), the kernel is "
            f"{version[0]}.{version[1]}",
        )
    ima = situation.config("CONFIG_IMA_KEXEC")
    garbage = situation.seen(Sign.GARBAGE_POINTER)
    if may_encrypt and version < _IMA_FIXED and (ima == "y" or garbage is not None):
        seen = "" if garbage is None else f"; {garbage.text} ({garbage.place})"
        option = f"CONFIG_IMA_KEXEC is {ima}" if ima is not None else "the configuration is unknown"
        yield Lookalike(
            "report I: with SME and CONFIG_IMA_KEXEC=y the crash kernel oopses in "
            "ima_restore_measurement_list on encrypted bytes (8d9ffb2fe65a)",
            "before v6.12",
            f"{option}{seen}",
        )
    if situation.snp_host is not None:
        yield Lookalike(
            "report K: a crash kernel does not boot on a host of SEV-SNP guests until SNP is shut "
            "down first",
            "hosts of SEV-SNP guests",
            f"{situation.snp_host.place}: {situation.snp_host.value}",
        )
    yield from _lockup(situation, version)


def _out_of_memory(situation: Situation, budget: Budget | None) -> Iterator[Lookalike]:
    seen = situation.seen(Sign.OUT_OF_MEMORY)
    is_short = budget is not None and budget.initrd > 0 and budget.needed > budget.reserved
    if seen is None and not is_short:
        return
    place = f"{seen.place}: {seen.text}" if seen is not None else "see the budget"
    yield Lookalike(
        "report C: a crash kernel with 256 MiB runs out of memory, in amd_iommu of a large machine",
        "any; seen with v4.19 on two EPYC 7601, without SME",
        place,
    )


def _lockup(situation: Situation, version: tuple[int, int]) -> Iterator[Lookalike]:
    cpus = situation.cpus
    if situation.spoke is None and version < _WBINVD_FIXED and (cpus or 0) >= _MANY_CPUS:
        yield Lookalike(
            "report J: the machine locks up before the jump, now and then, on poweroff as well "
            '(fix: "x86/smp: Make stop_other_cpus() more robust")',
            "before v6.5, many CPUs",
            f"{cpus} CPUs, and nothing of the crash kernel was seen",
        )
