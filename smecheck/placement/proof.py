"""What every loader keeps to the kernel, whatever the machine: the proof without a machine.

If the whole mapped extent of the workarea lies inside the span that a way of loading reserves for
the kernel, no segment can be put there by it, on any machine.
"""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown
from smecheck.model.identity import KernelFacts
from smecheck.model.kernel import KernelImage, LoadSegment, Section
from smecheck.model.placement import Extents
from smecheck.model.report import Proof, ProofPath
from smecheck.placement.constants import PMD_SIZE
from smecheck.quantity import address_text
from smecheck.record import record

_DECOMPRESSOR_LINK = "arch/x86/boot/header.S, init_size > z_output_len"


@record
class Reservations:
    """Ends of what is kept to the kernel, as offsets from ``_text``; each a lower bound."""

    init_size: Fact[int]
    """What kexec and other boot loaders keep free from the load address on."""
    needed_size: Fact[int]
    """What physical KASLR looks for."""
    image_end: Fact[int]
    """End of the last LOAD: what ``kexec -l vmlinux`` keeps."""
    payload_is_bound: bool
    """z_output_len is not known, only the least it can be."""
    init_size_is_bound: bool
    assumptions: tuple[str, ...]


def reservations(image: KernelImage, facts: KernelFacts) -> Reservations:
    """Work out what the image makes every loader reserve."""
    if isinstance(facts.text, Unknown):
        missing = Unknown(facts.text.reason)
        return Reservations(image.header.init_size, missing, missing, True, False, ())
    assumptions: list[str] = []
    # The origins name the field, not the file: a description of the image says the same elsewhere.
    payload, init_size = image.header.output_len, image.header.init_size
    if isinstance(payload, Known):
        payload = Known(payload.value, "output_len of the payload")
    else:
        payload = _least_payload(image, facts.text.value, facts.section, assumptions)
    if isinstance(init_size, Known):
        init_size = Known(init_size.value, "init_size of the setup header")
    elif isinstance(payload, Known):
        init_size = Known(payload.value, f"{_DECOMPRESSOR_LINK}; {payload.origin}")
    else:
        init_size = payload
    return Reservations(
        init_size=init_size,
        needed_size=_needed_size(payload, facts),
        image_end=_image_end(image.loads, facts.text.value),
        payload_is_bound=isinstance(image.header.output_len, Unknown),
        init_size_is_bound=isinstance(image.header.init_size, Unknown),
        assumptions=tuple(assumptions),
    )


def prove(extents: Extents, kept: Reservations, paths: tuple[str, ...]) -> Proof | None:
    """Hold the workarea's offsets against the reservations.

    Args:
        extents: offsets from ``_text``.
        kept: what is reserved.
        paths: those of ``kexec``, ``kaslr`` and ``elf`` that this boot can take; the proof holds
            if it holds for these.

    Returns:
        ``None`` where no reservation is known.
    """
    known = {"kexec": kept.init_size, "kaslr": kept.needed_size, "elf": kept.image_end}
    bounds = {"kexec": kept.init_size_is_bound, "kaslr": kept.payload_is_bound, "elf": False}
    proven = tuple(
        ProofPath(
            path=path,
            taken=path in paths,
            holds=fact.value >= extents.mapped_end,
            is_bound=bounds[path],
            reserved_end=fact.value,
            margin=fact.value - extents.mapped_end,
            worst_margin=fact.value - extents.worst_end,
            written_margin=fact.value - extents.written_end,
            reason=fact.origin,
        )
        for path, fact in known.items()
        if isinstance(fact, Known)
    )
    if not proven:
        return None
    holding = {path.path for path in proven if path.holds}
    return Proof(holds=set(paths) <= holding, paths=proven)


def _least_payload(
    image: KernelImage, text: int, section: Section | None, assumptions: list[str]
) -> Fact[int]:
    """Return the least that z_output_len can be for a bzImage built from this ELF.

    The payload is the vmlinux file, stripped, and its relocations; it reaches at least to the end
    of the last LOAD's bytes in the file. Only a section in the file makes that say anything of the
    workarea.
    """
    if section is None:
        return Unknown("no setup header, and an ELF of the after-end scheme proves nothing")
    if section.type is None:
        return Unknown("no setup header, and the type of the workarea's section is not known")
    if section.type != "PROGBITS":
        return Unknown(f"no setup header, and {section.name} is {section.type}: not in the file")
    if not image.loads:
        assumptions.append(
            f"the file offset of {section.name} is not below its distance from _text, as in every "
            "layout that was measured (no program headers to tell)"
        )
        return Known(section.end - text, f"{section.name} is PROGBITS, at its distance in the file")
    end = _file_end(image.loads, assumptions)
    return Known(end, f"end of the last LOAD in the file, {address_text(end)}")


def _file_end(loads: tuple[LoadSegment, ...], assumptions: list[str]) -> int:
    if all(load.offset is not None for load in loads):
        return max((load.offset or 0) + load.filesz for load in loads)
    # Without offsets: the least that the ELF format allows, as the kernel links it
    # (arch/x86/Makefile, -z max-page-size=0x200000: offset and address congruent modulo 2 MiB).
    assumptions.append("the LOADs lie in the file in order, congruent to their addresses by 2 MiB")
    end = 1  # the ELF header comes first
    for load in loads:
        end += (load.vaddr - end) % PMD_SIZE + load.filesz
    return end


def _needed_size(payload: Fact[int], facts: KernelFacts) -> Fact[int]:
    """Return the size that physical KASLR keeps to the kernel.

    arch/x86/boot/compressed/misc.c, needed_size: the larger of the payload and ``_end - _text``;
    rounded up to 2 MiB since v5.4 (1869dbe87cb9). A kernel of v5.3 without that fix cannot be told
    from later ones, so the rounding is never counted upon.
    """
    if isinstance(payload, Unknown):
        return payload
    size, source = payload.value, payload.origin
    if isinstance(facts.text, Known) and isinstance(facts.end, Known):
        size = max(size, facts.end.value - facts.text.value)
    return Known(size, f"needed_size is at least max(output_len, _end - _text); {source}")


def _image_end(loads: tuple[LoadSegment, ...], text: int) -> Fact[int]:
    ends = [load.vaddr + load.memsz - text for load in loads if load.vaddr >= text]
    if not ends:
        return Unknown("no program headers")
    return Known(max(ends), "p_memsz of the last LOAD")
