"""The memory that slots are looked for in: the EFI map or the e820 table, cut down by the SRAT.

Source: process_kho_entries(), process_efi_entries(), process_e820_entries(), process_mem_region(),
arch/x86/boot/compressed/kaslr.c; count_immovable_mem_regions(), arch/x86/boot/compressed/acpi.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.boot.early_boot import SETUP_KEXEC_KHO, EarlyBoot, Srat
from smecheck.boot.kaslr.slots import KaslrRules
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.cmdline import last_value
from smecheck.machine.firmware import (
    EFI_MEMORY_MORE_RELIABLE,
    EFI_MEMORY_SP,
    E820Type,
    EfiMap,
    EfiRange,
    EfiType,
    FirmwareMap,
)
from smecheck.record import record
from smecheck.remembered import remembered
from smecheck.span import Span

_HIGHEST = 1 << 64


@record
class Regions:
    """Where slots are looked for, in the order of the table."""

    spans: tuple[Span, ...]
    origin: str
    """The table."""


def searched_regions(boot: EarlyBoot, rules: KaslrRules) -> Fact[Regions]:
    """Return the regions, or why they are not known."""
    found = _free_memory(boot, rules)
    if isinstance(found, Unknown) or not rules.filters_srat:
        return found
    immovable = _immovable(boot, rules)
    if not immovable:
        return found
    cut = tuple(_pieces(found.value.spans, immovable))
    return Known(Regions(cut, f"{found.value.origin}, inside the ranges of the SRAT"), found.origin)


def _free_memory(boot: EarlyBoot, rules: KaslrRules) -> Fact[Regions]:
    handed_over = _scratch_areas(boot) if rules.reads_handover else None
    if handed_over is not None:
        return handed_over
    if rules.reads_efi:
        if isinstance(boot.efi, Unknown):
            return Unknown(boot.efi.reason)
        if boot.efi.value is not None:
            spans = tuple(_conventional(boot.efi.value, rules))
            return Known(Regions(_reasonable(spans), "the EFI memory map"), boot.efi.origin)
    if isinstance(boot.e820, Unknown):
        return Unknown(boot.e820.reason)
    return Known(Regions(_ram_of(boot.e820.value), "the e820 table"), boot.e820.origin)


@remembered
def _ram_of(e820: FirmwareMap) -> tuple[Span, ...]:
    return _reasonable(tuple(entry.span for entry in e820.ranges if entry.type == E820Type.RAM))


def _scratch_areas(boot: EarlyBoot) -> Fact[Regions] | None:
    """Return the scratch areas of a kexec handover, in their order; ``None`` without one.

    process_kho_entries(): the first such node counts; one without areas is none.
    """
    nodes = boot.setup_data.value if isinstance(boot.setup_data, Known) else ()
    node = next((node for node in nodes if node.type == SETUP_KEXEC_KHO), None)
    if node is None or node.scratch == ():
        return None
    if node.scratch is None:
        return Unknown(
            "after a kexec handover only its scratch areas are searched, and they are not known "
            "(scratch of the setup_data node of type 10: --boot)"
        )
    name = "the scratch areas of the kexec handover"
    return Known(Regions(_reasonable(node.scratch), name), name)


def _reasonable(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Leave out what ends past 2**64: the sum wraps around, and the entry is skipped."""
    return tuple(span for span in spans if span.end < _HIGHEST)


def _conventional(efi: EfiMap, rules: KaslrRules) -> Iterator[Span]:
    mirrored = any(entry.attribute & EFI_MEMORY_MORE_RELIABLE for entry in efi.ranges)
    for entry in efi.ranges:
        if not _is_free(entry, rules):
            continue
        if rules.skips_soft_reserved and entry.attribute & EFI_MEMORY_SP:
            continue
        if not mirrored or entry.attribute & EFI_MEMORY_MORE_RELIABLE:
            yield entry.span


def _is_free(entry: EfiRange, rules: KaslrRules) -> bool:
    if entry.type == EfiType.CONVENTIONAL_MEMORY:
        return True
    return rules.takes_unaccepted and entry.type == EfiType.UNACCEPTED_MEMORY


def _immovable(boot: EarlyBoot, rules: KaslrRules) -> tuple[Span, ...]:
    """Return the memory ranges of the SRAT that count; none where the filter is off."""
    srat: Srat | None = boot.srat.value if isinstance(boot.srat, Known) else None
    if srat is None or srat.broken:
        return ()
    if isinstance(boot.cmdline, Known) and last_value(boot.cmdline.value, "acpi") == "off":
        return ()
    spans = [entry.span for entry in srat.ranges if entry.span and not entry.hot_pluggable]
    return () if len(spans) >= rules.srat_capacity else tuple(spans)


def _pieces(regions: tuple[Span, ...], immovable: tuple[Span, ...]) -> Iterator[Span]:
    for region in regions:
        for span in immovable:
            if region.overlaps(span):
                yield region & span
