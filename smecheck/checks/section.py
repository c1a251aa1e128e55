"""The section that holds the workarea: there, in place, large enough, and in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Effect, Severity
from smecheck.checks.rule import Observation, rule
from smecheck.evidence import Known
from smecheck.kernel.constants import PMD_SIZE, SECTION_SIZE
from smecheck.kernel.identity import is_since
from smecheck.quantity import address_text, size_text

if TYPE_CHECKING:
    from smecheck.case import Resolved


@rule(
    "SME009",
    "the page tables leave the workarea's section",
    Severity.ERROR,
    passed="page tables fit into the section",
    brief="page tables leave the section",
    needs=(needs.own_section, needs.distances),
    after=("SME012",),
    remedy="load a smaller initrd",
)
def page_tables_leave_section(resolved: Resolved) -> Iterator[Observation]:
    """The initrd is so large that the page tables for it do not fit into the 4 MiB section.

    No kernel checks workarea_len against the section. The computed length exceeds it for an initrd
    of more than 235 GiB with 4-level paging (228 GiB with 5), the pages really written for a
    somewhat larger one.

    Passes: an initrd of 235 GiB with 4-level paging.
    Fails: one of 235 GiB and a byte.
    Sources: arch/x86/mm/mem_encrypt_identity.c (since v6.16 arch/x86/boot/startup/sme.c),
    sme_encrypt_kernel() and sme_pgtable_calc(), v5.3 to v7.3: no comparison with
    sizeof(sme_workarea); runs of the compiled code (docs/evidence.md).
    """
    section, offsets, text = resolved.facts.section, resolved.placement.offsets, _text(resolved)
    if section is None or offsets is None or text is None:
        return
    section_end = section.end - text
    extents = resolved.extents
    base = resolved.boot.kernel_base
    written_end = offsets.written_end
    if extents is not None and isinstance(base, Known):
        written_end = extents.written_end - base.value
    if offsets.worst_end <= section_end or section.size < SECTION_SIZE:
        return
    certain = written_end > section_end
    yield Observation(
        message=f"the workarea ends {size_text(offsets.worst_end - section_end)} past "
        f"the end of {section.name} for an initrd of {size_text(resolved.boot.initrd.size)}",
        condition=None if certain else "all the pages that the kernel allows for are used",
    )


@rule(
    "SME011",
    "the workarea's section is not aligned to 2 MiB",
    Severity.ERROR,
    passed="workarea section aligned to 2 MiB",
    brief="section not aligned to 2 MiB",
    effect=Effect.COLLISION,
    phrase="begins in the middle of a 2 MiB frame",
    static=True,
    needs=(needs.own_section,),
    remedy="check the linker script: . = ALIGN(HPAGE_SIZE) must come before the section",
)
def section_misaligned(resolved: Resolved) -> Iterator[Observation]:
    """The section does not begin, or does not end, on a 2 MiB boundary.

    The workarea is mapped with 2 MiB entries only; a start in the middle of a frame maps, and so
    decrypts, the end of the kernel with it. ``sh_addralign`` says nothing here (it is 32 in every
    real kernel); the address does. An end elsewhere does no harm by itself, but shows that the
    linker script is wrong: a warning.

    Passes: a section at 0xffffffff83a00000 of 4 MiB.
    Fails: one at 0xffffffff83a01000.
    Sources: arch/x86/kernel/vmlinux.lds.S, . = ALIGN(HPAGE_SIZE) before and after .init.scratch,
    e1bfa87399e3, v5.3 to v7.3; arch/x86/mm/mem_encrypt_identity.c (since v6.16
    arch/x86/boot/startup/sme.c), __sme_map_range_pmd().
    """
    section = resolved.facts.section
    if section is not None and section.address % PMD_SIZE:
        yield Observation(
            message=f"{section.name} begins at {address_text(section.address)}, "
            f"{size_text(section.address % PMD_SIZE)} past a 2 MiB boundary",
        )
    elif section is not None and section.size >= SECTION_SIZE and section.end % PMD_SIZE:
        yield Observation(
            message=f"{section.name} ends at {address_text(section.end)}, "
            f"{size_text(section.end % PMD_SIZE)} past a 2 MiB boundary",
            severity=Severity.WARNING,
        )


@rule(
    "SME012",
    "the workarea's section is too small",
    Severity.ERROR,
    passed="workarea section large enough",
    brief="section too small",
    static=True,
    needs=(needs.own_section,),
    remedy="check sme_workarea[] in the source: it must have SECTION_SIZE bytes",
)
def section_too_small(resolved: Resolved) -> Iterator[Observation]:
    """The section is smaller than the 4 MiB that the kernel maps.

    What follows it is then mapped decrypted, and written, although it is not the workarea.

    Passes: a section of 0x400000 bytes.
    Fails: one of 0x200000 bytes.
    Sources: arch/x86/mm/mem_encrypt_identity.c (since v6.16 arch/x86/boot/startup/sme.c),
    sme_workarea[2 * PMD_SIZE], v5.3 to v7.3.
    """
    section = resolved.facts.section
    if section is not None and section.size < SECTION_SIZE:
        yield Observation(
            message=f"{section.name} has {size_text(section.size)}, the kernel uses "
            f"{size_text(SECTION_SIZE)}",
        )


@rule(
    "SME013",
    "the workarea's section is not in the file",
    Severity.WARNING,
    passed="workarea section is in the file",
    brief="section not in the file",
    static=True,
    needs=(needs.own_section,),
    remedy="check that init_size of the bzImage covers the section; make the section "
    "PROGBITS again",
)
def section_not_in_file(resolved: Resolved) -> Iterator[Observation]:
    """The section is NOBITS, so the payload does not grow with it.

    ``_end`` lies before the section, so the kernel's own part of init_size never covers it. Only
    the payload does, and only because the section is PROGBITS. As NOBITS it can fall out of
    init_size unnoticed: the failure of 2019 again.

    Passes: a section of type PROGBITS, as in every kernel that was measured.
    Fails: a section of type NOBITS.
    Sources: arch/x86/boot/header.S, VO_INIT_SIZE is _end - _text; section headers of Debian's 5.10
    to 7.3.
    """
    section = resolved.facts.section
    if section is not None and section.type == "NOBITS":
        yield Observation(
            message=f"{section.name} is NOBITS: init_size covers it only by chance, if at all",
        )


@rule(
    "SME014",
    "the workarea's section does not follow the kernel",
    Severity.ERROR,
    passed="workarea section follows the kernel",
    brief="section does not follow _end",
    effect=Effect.COLLISION,
    phrase="lies inside the kernel",
    static=True,
    needs=(needs.own_section, needs.distances),
    after=("SME011",),
    remedy="check the linker script: .init.scratch must follow _end directly",
)
def section_displaced(resolved: Resolved) -> Iterator[Observation]:
    """The section does not begin at ``_end`` rounded up to 2 MiB.

    Since v5.3 it stands directly after ``_end``. Inside the kernel it would be encrypted in place
    while it is the copy buffer, and before __end_of_kernel_reserve it is never given back. Further
    up it does no harm by itself, so the verdict does not depend on it; but the linker script is
    wrong, and smecheck does not know what lies between the two.

    Passes: a section at _text + 0x2a00000 after an _end of _text + 0x2830000.
    Fails: one at _text + 0x2800000; one at _text + 0x2c00000.
    Sources: arch/x86/kernel/vmlinux.lds.S, .init.scratch, e1bfa87399e3, and
    __end_of_kernel_reserve, c603a309cc75, v5.3 to v7.3.
    """
    section, offsets, text = resolved.facts.section, resolved.placement.offsets, _text(resolved)
    if section is None or offsets is None or text is None:
        return
    distance = section.address - text
    begins = f"{section.name} begins at _text {_signed(distance)}"
    reserved = resolved.image.symbols.get("__end_of_kernel_reserve")
    if distance < offsets.in_place.end:
        yield Observation(
            message=f"{begins}, inside what is encrypted in place (to _text "
            f"{_signed(offsets.in_place.end)})",
        )
    elif reserved is not None and section.address < reserved:
        yield Observation(
            message=f"{begins}, before __end_of_kernel_reserve (_text {_signed(reserved - text)})",
        )
    elif distance > offsets.in_place.end:
        yield Observation(
            message=f"{begins}, {size_text(distance - offsets.in_place.end)} past _end rounded "
            "up to 2 MiB",
            harmless=True,
        )


@rule(
    "SME023",
    "the workarea's section is missing",
    Severity.ERROR,
    passed="workarea section present",
    brief="section missing",
    static=True,
    remedy="check the linker script and the linker: .init.scratch was dropped or renamed",
)
def section_missing(resolved: Resolved) -> Iterator[Observation]:
    """A kernel of v5.3 or later with SME code has no section for its workarea.

    Its workarea is in memory that nobody reserves, as in kernels up to v5.2. The version is the
    banner's, or shows by __end_of_kernel_reserve, which came with the section; the missing section
    is the image's. A section where the configuration says that there is no SME code, or the other
    way round, is a matter of SME026.

    Passes: a 6.1 kernel with .init.scratch; a 5.2 kernel without.
    Fails: a 5.3 kernel without; one of unknown version whose symbols name
    __end_of_kernel_reserve.
    Sources: arch/x86/kernel/vmlinux.lds.S, e1bfa87399e3 and c603a309cc75 (both v5.3).
    """
    release, scheme = resolved.image.release, resolved.facts.scheme
    if not isinstance(scheme, Known) or not scheme.value.rules.follows_end:
        return
    if isinstance(release, Known) and is_since(release, (5, 3)):
        yield Observation(
            message=f"the banner says {release.value}, but there is no section .init.scratch",
        )
    elif "__end_of_kernel_reserve" in resolved.image.symbols:
        yield Observation(
            message="there is a symbol __end_of_kernel_reserve, but no section .init.scratch",
        )


def _signed(offset: int) -> str:
    return f"- {address_text(-offset)}" if offset < 0 else f"+ {address_text(offset)}"


def _text(resolved: Resolved) -> int | None:
    text = resolved.facts.text
    return text.value if isinstance(text, Known) else None


@rule(
    "SME027",
    "no LOAD covers the workarea's section",
    Severity.ERROR,
    passed="a LOAD covers the workarea section",
    brief="no LOAD covers the section",
    static=True,
    needs=(needs.own_section, needs.program_headers),
    after=("SME011", "SME014"),
    remedy="check the program headers in the linker script: .init.scratch belongs in the last one",
)
def section_not_loaded(resolved: Resolved) -> Iterator[Observation]:
    """The section is not, or not completely, in the memory of a program header.

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
    the section holds, so both are the same in every kernel that was measured; where they differ,
    the answer about the workarea does not hold.

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


RULES = (
    section_missing,
    section_misaligned,
    section_too_small,
    page_tables_leave_section,
    section_not_in_file,
    section_displaced,
    section_not_loaded,
    symbol_outside_section,
)
