"""The section that holds the workarea: there, in place, large enough, and in the file."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.checks.rule import Observation, Situation, rule
from smecheck.evidence import Known
from smecheck.model.finding import Effect, Severity
from smecheck.model.kernel import Scheme
from smecheck.placement.constants import PMD_SIZE, SECTION_SIZE
from smecheck.placement.identity import is_v5_3_or_later
from smecheck.quantity import address_text, size_text


@rule(
    "SME009",
    "the page tables leave the workarea's section",
    Severity.ERROR,
    remedy="load a smaller initrd",
)
def page_tables_leave_section(situation: Situation) -> Iterator[Observation]:
    """The initrd is so large that the page tables for it do not fit into the 4 MiB section.

    No kernel checks workarea_len against the section. The computed length exceeds it from an
    initrd of 235 GiB and a page on with 4-level paging (228 GiB and a page with 5), the pages
    really written exceed it somewhat later.
    """
    section, offsets, text = situation.facts.section, situation.placement.offsets, _text(situation)
    if section is None or offsets is None or text is None:
        return
    section_end = section.end - text
    extents = situation.extents
    base = situation.boot.kernel_base
    written_end = offsets.written_end
    if extents is not None and isinstance(base, Known):
        written_end = extents.written_end - base.value
    if offsets.worst_end <= section_end or section.size < SECTION_SIZE:
        return
    certain = written_end > section_end
    yield Observation(
        message=f"the workarea ends {size_text(offsets.worst_end - section_end)} behind "
        f"{section.name} for an initrd of {size_text(situation.boot.initrd.size)}",
        condition=None if certain else "all the pages that the kernel allows for are used",
    )


@rule(
    "SME011",
    "the workarea's section is not aligned to 2 MiB",
    Severity.ERROR,
    effect=Effect.COLLISION,
    phrase="begins in the middle of a 2 MiB frame",
    remedy="look at the linker script: . = ALIGN(HPAGE_SIZE) must stand before the section",
)
def section_misaligned(situation: Situation) -> Iterator[Observation]:
    """The section does not begin on a 2 MiB boundary.

    The workarea is mapped with 2 MiB entries only; a start in the middle of a frame maps, and so
    decrypts, the end of the kernel with it. ``sh_addralign`` says nothing here (it is 32 in every
    real kernel); the address does.
    """
    section = situation.facts.section
    if section is not None and section.address % PMD_SIZE:
        yield Observation(
            message=f"{section.name} begins at {address_text(section.address)}, "
            f"{size_text(section.address % PMD_SIZE)} behind a 2 MiB boundary",
        )


@rule(
    "SME012",
    "the workarea's section is too small",
    Severity.ERROR,
    remedy="look at sme_workarea[] in the source: it has SECTION_SIZE bytes",
)
def section_too_small(situation: Situation) -> Iterator[Observation]:
    """The section is smaller than the 4 MiB that the kernel maps.

    What is behind it is then mapped decrypted, and written, although it is not the workarea.
    """
    section = situation.facts.section
    if section is not None and section.size < SECTION_SIZE:
        yield Observation(
            message=f"{section.name} has {size_text(section.size)}, the kernel uses "
            f"{size_text(SECTION_SIZE)}",
        )


@rule(
    "SME013",
    "the workarea's section is not in the file",
    Severity.WARNING,
    remedy="check that init_size of the bzImage covers the section; make the section "
    "PROGBITS again",
)
def section_not_in_file(situation: Situation) -> Iterator[Observation]:
    """The section is NOBITS, so the payload does not grow with it.

    ``_end`` lies before the section, so the kernel's own part of init_size never covers it. What
    does is the payload, and only because the section happens to be PROGBITS. As NOBITS it can fall
    out of init_size without a word: the failure of 2019 again.
    """
    section = situation.facts.section
    if section is not None and section.type == "NOBITS":
        yield Observation(
            message=f"{section.name} is NOBITS: init_size covers it only by chance, if at all",
        )


@rule(
    "SME014",
    "the workarea's section lies inside the kernel",
    Severity.ERROR,
    effect=Effect.COLLISION,
    phrase="lies inside the kernel",
    remedy="look at the linker script: .init.scratch follows _end directly",
)
def section_displaced(situation: Situation) -> Iterator[Observation]:
    """The section begins before ``_end`` rounded up to 2 MiB.

    Since v5.3 it stands directly behind ``_end``. Inside the kernel it would be encrypted in place
    while it is the copy buffer.
    """
    section, offsets, text = situation.facts.section, situation.placement.offsets, _text(situation)
    if section is None or offsets is None or text is None:
        return
    distance = section.address - text
    if distance < offsets.in_place.end:
        yield Observation(
            message=f"{section.name} begins at _text {_signed(distance)}, inside what is encrypted "
            f"in place (to _text {_signed(offsets.in_place.end)})",
        )


@rule(
    "SME023",
    "the workarea's section is missing",
    Severity.ERROR,
    remedy="look at the linker script and the linker: .init.scratch was dropped or renamed",
)
def section_missing(situation: Situation) -> Iterator[Observation]:
    """A kernel of v5.3 or later with SME code has no section for its workarea.

    It keeps its workarea in memory of nobody, like the kernels up to v5.2. The version is the
    banner's; the missing section is the image's.
    """
    release, scheme = situation.image.release, situation.facts.scheme
    after_end = isinstance(scheme, Known) and scheme.value is Scheme.AFTER_END
    if after_end and isinstance(release, Known) and is_v5_3_or_later(release.value):
        yield Observation(
            message=f"the banner says {release.value}, but there is no section .init.scratch",
        )


def _signed(offset: int) -> str:
    return f"- {address_text(-offset)}" if offset < 0 else f"+ {address_text(offset)}"


def _text(situation: Situation) -> int | None:
    text = situation.facts.text
    return text.value if isinstance(text, Known) else None


RULES = (
    page_tables_leave_section,
    section_misaligned,
    section_too_small,
    section_not_in_file,
    section_displaced,
    section_missing,
)
