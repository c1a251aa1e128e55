"""The same kernel with its workarea in a section of its own: what v5.3 brought."""

from __future__ import annotations

from smecheck.advice.present import WhatIf
from smecheck.evidence import Known
from smecheck.model.advice import Cost
from smecheck.model.kernel import KernelImage, LoadSegment, Scheme, Section
from smecheck.model.report import Report
from smecheck.placement.constants import PMD_SIZE, SECTION_SIZE
from smecheck.placement.question import Question
from smecheck.quantity import size_text
from smecheck.record import replace
from smecheck.span import align_up

_NAME = ".init.scratch"


def kernel_with_section(question: Question, report: Report) -> WhatIf | None:
    """Return the question for this kernel as v5.3 (e1bfa87399e3) would lay it out."""
    text, end, scheme = report.facts.text, report.facts.end, report.facts.scheme
    if not (isinstance(text, Known) and isinstance(end, Known) and isinstance(scheme, Known)):
        return None
    if scheme.value is not Scheme.AFTER_END:
        return None
    start = text.value + align_up(end.value - text.value, PMD_SIZE)
    section = Section(_NAME, start, SECTION_SIZE, "PROGBITS")
    image = _with_section(question.image, section, text.value)
    init_size = image.header.init_size
    note = "with what v5.3 brought (e1bfa87399e3): .init.scratch behind _end, in the file"
    if isinstance(init_size, Known):
        note += f"; its init_size is taken to be {size_text(init_size.value)}, the least it can be"
    boot = replace(question.boot, load_address=None)
    return WhatIf(
        "use a kernel whose workarea is its own section (v5.3 and later, or a backport)",
        Cost.KERNEL,
        replace(question, image=image, boot=boot),
        note,
    )


def _with_section(image: KernelImage, section: Section, text: int) -> KernelImage:
    header = image.header
    if isinstance(header.init_size, Known):
        # The section is file data, 2 MiB behind its distance from _text at the least, and
        # init_size exceeds the unpacked file: arch/x86/boot/header.S.
        least = section.end - text + PMD_SIZE
        size = max(header.init_size.value, align_up(least, 4096))
        header = replace(header, init_size=Known(size, "what if"))
    if isinstance(header.output_len, Known):
        least = max(header.output_len.value, section.end - text + PMD_SIZE)
        header = replace(header, output_len=Known(least, "what if"))
    return replace(
        image,
        header=header,
        symbols={
            **image.symbols,
            "__init_scratch_begin": section.address,
            "__init_scratch_end": section.end,
            "sme_workarea": section.address,
        },
        sections=(*image.sections, section),
        loads=_reaching(image.loads, section),
    )


def _reaching(loads: tuple[LoadSegment, ...], section: Section) -> tuple[LoadSegment, ...]:
    """Return the LOADs with the last one, in memory and in the file, up to the section's end."""
    if not loads:
        return loads
    last = max(loads, key=lambda load: load.vaddr)
    size = section.end - last.vaddr
    grown = replace(last, filesz=size, memsz=size)
    return tuple(grown if load is last else load for load in loads)
