"""The workarea's section in the image around it: inside a LOAD, and where its symbol says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Effect, Severity
from smecheck.checks.rule import Observation, rule
from smecheck.quantity import address_text, size_text

if TYPE_CHECKING:
    from smecheck.case import Resolved


@rule(
    "SME027",
    "no LOAD covers the workarea's section",
    Severity.ERROR,
    passed="a LOAD covers the workarea section",
    brief="no LOAD covers the section",
    static=True,
    needs=(needs.own_section, needs.program_headers),
    after=("SME011", "SME014"),
    remedy="look at the program headers in the linker script: .init.scratch belongs to the last "
    "one",
)
def section_not_loaded(resolved: Resolved) -> Iterator[Observation]:
    """The section is not, or not wholly, in the memory of a program header.

    Whoever loads the vmlinux as it is, such as ``kexec -l vmlinux``, reserves the memory of its
    LOADs and no more. What lies past their p_memsz belongs to nobody, section or not.

    Passes: a LOAD whose p_memsz reaches to the section's end.
    Fails: one that is 2 MiB shorter.
    Sources: arch/x86/kernel/vmlinux.lds.S, PHDRS, v5.0 to v7.3; kexec/kexec-elf-exec.c of
    kexec-tools 2.0.25; program headers of Debian's 5.10 to 7.3.
    """
    section, image = resolved.facts.section, resolved.image
    if section is None or section.size == 0:
        return
    holding = [load for load in image.loads if 0 <= section.address - load.vaddr < load.memsz]
    ends = [load.vaddr + load.memsz for load in holding]
    if not ends:
        # A file has all of its headers, and so has the description that describe wrote of it.
        partial = not image.sections_complete
        yield Observation(
            message=f"{section.name} at {address_text(section.address)} is in no LOAD",
            condition="the description names every LOAD" if partial else None,
        )
    elif max(ends) < section.end:
        yield Observation(
            message=f"the LOAD of {section.name} ends at {address_text(max(ends))}, "
            f"{size_text(section.end - max(ends))} before the section does",
        )


@rule(
    "SME028",
    "sme_workarea is not the beginning of its section",
    Severity.ERROR,
    passed="sme_workarea begins its section",
    brief="sme_workarea not at its start",
    effect=Effect.CONTRADICTION,
    static=True,
    needs=(needs.own_section, needs.workarea_symbol),
    after=("SME011", "SME014"),
    remedy="give symbols of the same build; if they are, look at what else is in the section",
)
def symbol_outside_section(resolved: Resolved) -> Iterator[Observation]:
    """The symbol that the kernel's code uses is not where the section begins.

    sme_encrypt_kernel() takes the address of sme_workarea, not that of the section. It is all that
    the section holds, so both are the same in every kernel that was measured; where they are not,
    what is said of the workarea does not hold.

    Passes: sme_workarea and .init.scratch, both at 0xffffffff83a00000.
    Fails: sme_workarea at 0xffffffff83c00000.
    Sources: arch/x86/mm/mem_encrypt_identity.c (since v6.16 arch/x86/boot/startup/sme.c),
    sme_workarea, v5.3 to v7.3; symbols of Debian's 5.10 to 7.3.
    """
    section, address = resolved.facts.section, resolved.image.symbols.get("sme_workarea")
    if section is None or address is None or address == section.address:
        return
    inside = section.address < address < section.end
    yield Observation(
        message=f"sme_workarea is at {address_text(address)}, "
        f"{'inside' if inside else 'outside'} {section.name}, which begins at "
        f"{address_text(section.address)}",
    )


RULES = (section_not_loaded, symbol_outside_section)
