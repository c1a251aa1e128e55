"""Facts of kernel, boot and KASLR's places as text: what plain and text print alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.answer import Report
from smecheck.boot.boot import Boot, Initrd
from smecheck.evidence import Fact, Known, T, Unknown, value_of
from smecheck.kernel.image import KernelKind
from smecheck.quantity import address_text, count_text, size_text
from smecheck.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smecheck.boot.kaslr.slots import KaslrSweep, SlotCollision
    from smecheck.kernel.decompressor_sizes import DecompressorView, NeededSize
    from smecheck.kernel.image import KernelImage

_FILES = (KernelKind.VMLINUX, KernelKind.BZIMAGE)
"""Kinds of sources that list their own symbols, or do not."""


@record
class FactLine:
    """One fact. Its texts may hold anything that was in a file."""

    name: str
    value: str | None
    """``None`` where it is not known."""
    origin: str
    """Where it is from, or why it is not known."""


def kernel_facts(report: Report) -> tuple[FactLine, ...]:
    """Return what is known of the kernel, by the names that the JSON report uses too."""
    image, facts, header = report.image, report.facts, report.image.header
    return (
        _stated("release", image.release, str),
        _stated("build-id", image.build_id, str),
        _stated("scheme", facts.scheme, lambda scheme: scheme.value),
        FactLine("generation", facts.generation_text, facts.generation_origin),
        *(_symbols(image) if image.kind in _FILES else ()),
        _stated("sme-code", facts.sme_code, yes_or_no),
        _stated("text", facts.text, address_text),
        _stated("end", facts.end, address_text),
        _stated("image-size", _image_size(facts.text, facts.end), size_text),
        _section(report),
        _stated("init-size", header.init_size, size_text),
        _stated("output-len", header.output_len, size_text),
        _stated("kernel-alignment", header.kernel_alignment, size_text),
        _stated("pref-address", header.pref_address, address_text),
        _stated("relocatable", header.relocatable, yes_or_no),
        *(_decompressor(report.decompressor) if report.decompressor else ()),
    )


def _symbols(image: KernelImage) -> Iterator[FactLine]:
    yield _stated("symbols", image.symbols_from, lambda source: source.value)


def _decompressor(view: DecompressorView) -> Iterator[FactLine]:
    yield _stated("needed-size", view.needed_size, _needed_size)
    yield _stated("init-size-from", view.init_size_from, lambda side: side.value)
    if view.section is not None:
        of_init_size, of_needed_size = view.section.in_init_size, view.section.in_needed_size
        yield _room("init-size-room", of_init_size, view.section.name)
        yield _room("needed-size-room", of_needed_size, view.section.name)


def _needed_size(needed: NeededSize) -> str:
    bound = "" if needed.most == needed.value else "at least "
    return f"{bound}{size_text(needed.value)}"


def _room(name: str, margin: Fact[int], section: str) -> FactLine:
    """Return how far past the section's end something ends."""
    if isinstance(margin, Unknown):
        return FactLine(name, None, margin.reason)
    if margin.value < 0:
        return FactLine(
            name, f"{size_text(-margin.value)} short", f"of the end of {section}; {margin.origin}"
        )
    return FactLine(name, size_text(margin.value), f"past the end of {section}; {margin.origin}")


def boot_facts(boot: Boot) -> tuple[FactLine, ...]:
    """Return what is known of the boot."""
    certainty = "" if boot.base_is_certain else f"; if {boot.base_condition}"
    base = boot.kernel_base
    if isinstance(base, Known):
        base = Known(base.value, base.origin + certainty)
    return (
        _stated("loader", boot.loader, lambda loader: loader.value),
        _stated("mode", boot.mode, lambda mode: mode.value),
        _stated("load-address", boot.load_address, address_text),
        _stated("kernel-base", base, address_text),
        _stated("kaslr", boot.kaslr, lambda on: "on" if on else "off"),
        _stated("paging", boot.paging, lambda levels: f"{levels}-level"),
        FactLine("sme", boot.sme.value, "; ".join(boot.sme_evidence)),
        FactLine("initrd", _initrd(boot.initrd), boot.initrd.origin),
        _stated("cmdline", boot.cmdline, str),
    )


def kaslr_facts(sweep: KaslrSweep) -> Iterator[FactLine]:
    """Yield how many places there are, where, and what is met at how many of them."""
    slots, collisions = sweep.slots, sweep.collisions
    yield FactLine("slots", str(slots.count), slots.reason)
    if slots.lowest is not None and slots.highest is not None:
        yield FactLine(
            "between",
            f"{address_text(slots.lowest)} and {address_text(slots.highest)}",
            f"every {size_text(slots.alignment)}, {size_text(slots.image_size)} each, in "
            f"{count_text(len(slots.areas), 'area')}",
        )
    if collisions is None:
        yield FactLine("colliding", None, "where the workarea lies in the kernel is not known")
    elif slots.count:
        yield FactLine("colliding", str(collisions.count), f"of {count_text(slots.count, 'slot')}")
    for collision in collisions.by_rule if collisions is not None else ():
        yield FactLine(
            f"{collision.rule}",
            f"{count_text(collision.count, 'slot')}: {collision.other}",
            _from_to(collision),
        )
    if sweep.may_stay is not None:
        yield FactLine("or it stays", "yes", sweep.may_stay)


def _from_to(collision: SlotCollision) -> str:
    lowest, highest = address_text(collision.lowest), address_text(collision.highest)
    return lowest if collision.count == 1 else f"{lowest} to {highest}"


def yes_or_no(value: bool) -> str:
    """Return the word for a truth value."""
    return "yes" if value else "no"


def _stated(name: str, fact: Fact[T], show: Callable[[T], str]) -> FactLine:
    if isinstance(fact, Unknown):
        return FactLine(name, None, fact.reason)
    return FactLine(name, show(fact.value), fact.origin)


def _image_size(text: Fact[int], end: Fact[int]) -> Fact[int]:
    first, last = value_of(text), value_of(end)
    if first is None or last is None:
        return Unknown("_text and _end are not both known")
    return Known(last - first, "_end - _text")


def _section(report: Report) -> FactLine:
    image, section = report.image, report.facts.section
    if section is None and (image.sections_complete or image.symbols_complete):
        return FactLine("section", "none", "no section of the image holds a workarea")
    if section is None:
        return FactLine("section", None, "not all sections of the kernel are known")
    place = f"[{address_text(section.address)}, {address_text(section.end)})"
    kind = section.type or "of unknown type"
    return FactLine("section", f"{section.name} {place}", f"{size_text(section.size)}, {kind}")


def _initrd(initrd: Initrd) -> str:
    if initrd.span is not None:
        return repr(initrd.span)
    return f"{size_text(initrd.size)} at an unknown place" if initrd.size else "none"
