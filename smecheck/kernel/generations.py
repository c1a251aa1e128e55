"""What differs between the kernels, as a table: how each generation sizes its workarea."""

from __future__ import annotations

from enum import Enum

from smecheck.kernel.image import Scheme
from smecheck.record import record


class Generation(Enum):
    """The kernels whose workarea arithmetic is the same."""

    V4_14_0 = "4.14.0"
    V4_15 = "4.15-4.16"
    V4_17 = "4.17-5.2"
    V5_3 = "5.3+"
    RFC = "rfc"


@record
class GenerationRules:
    """The variant of sme_encrypt_kernel() and sme_pgtable_calc() of one generation."""

    generation: Generation
    scheme: Scheme
    """Where the workarea lies."""
    encrypts_initrd: bool
    """The initrd goes through the workarea too."""
    pte_page_count: int
    """Pages for PTEs that the calculation adds for the unaligned head and tail of a range."""
    builds_five_levels: bool
    """With LA57 the tables really have five levels; otherwise only their size allows for it."""
    asks_for_hypervisor: bool
    """sme_enable() asks CPUID whether a hypervisor runs, and turns SME on under none."""
    source: str

    @property
    def in_section(self) -> bool:
        """Whether the workarea is a section of the image rather than memory after ``_end``."""
        return self.scheme.rules.is_section


_SIZED_AT_COMPILE_TIME = "five levels if CONFIG_X86_5LEVEL"

GENERATION_RULES: dict[Generation, GenerationRules] = {
    rules.generation: rules
    for rules in (
        GenerationRules(
            Generation.V4_14_0,
            scheme=Scheme.AFTER_END,
            encrypts_initrd=False,
            pte_page_count=0,
            builds_five_levels=True,
            asks_for_hypervisor=False,
            source=f"v4.14 arch/x86/mm/mem_encrypt.c; {_SIZED_AT_COMPILE_TIME}",
        ),
        GenerationRules(
            Generation.V4_15,
            scheme=Scheme.AFTER_END,
            encrypts_initrd=True,
            pte_page_count=2,
            builds_five_levels=True,
            asks_for_hypervisor=True,
            source="v4.15 arch/x86/mm/mem_encrypt.c (107cd2532181, cc5f01e28d6c; late 4.14.y); "
            + _SIZED_AT_COMPILE_TIME,
        ),
        GenerationRules(
            Generation.V4_17,
            scheme=Scheme.AFTER_END,
            encrypts_initrd=True,
            pte_page_count=2,
            builds_five_levels=False,
            asks_for_hypervisor=True,
            source="v4.17 arch/x86/mm/mem_encrypt_identity.c (1cd9c22fee3a); 4-level tables only",
        ),
        GenerationRules(
            Generation.RFC,
            scheme=Scheme.SME_SECTION,
            encrypts_initrd=True,
            pte_page_count=2,
            builds_five_levels=False,
            asks_for_hypervisor=True,
            source="RFC of 2019-06-04 over v5.2-rc: .sme, arch/x86/mm/mem_encrypt_identity.c",
        ),
        GenerationRules(
            Generation.V5_3,
            scheme=Scheme.INIT_SCRATCH,
            encrypts_initrd=True,
            pte_page_count=2,
            builds_five_levels=True,
            asks_for_hypervisor=True,
            source="v5.3 e1bfa87399e3, arch/x86/mm/mem_encrypt_identity.c "
            "(since v6.16 arch/x86/boot/startup/sme.c)",
        ),
    )
}
"""Every generation. The arithmetic itself is in ``workarea/arithmetic.py``."""


def generations_of(scheme: Scheme) -> tuple[Generation, ...]:
    """Return the generations that put their workarea there, the oldest first."""
    return tuple(row.generation for row in GENERATION_RULES.values() if row.scheme is scheme)


AFTER_END_GENERATIONS = generations_of(Scheme.AFTER_END)
"""The candidates where only the scheme is known."""
