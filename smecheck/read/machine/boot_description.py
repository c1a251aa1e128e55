"""Reading what a decompressor finds in memory from its description, ``smecheck/boot-v1``.

boot_params point to things that a copy of them does not hold: the command line, the setup_data
list, the EFI memory map, the SRAT. A description can say what they are, and where boot_params lie.
"""

from __future__ import annotations

from smecheck.boot.early_boot import (
    SETUP_INDIRECT,
    SETUP_KEXEC_KHO,
    EarlyBoot,
    SetupDataNode,
    Srat,
    SratRange,
)
from smecheck.evidence import Fact, Known, Unknown
from smecheck.machine.firmware import EfiMap, EfiRange, FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.read.yaml.fields import NOT_GIVEN, Fields, open_description
from smecheck.read.yaml.nodes import boolean, integer, one_line
from smecheck.span import Span

SCHEMA = "smecheck/boot-v1"

_KEYS = (
    "cmdline",
    "cmdline_address",
    "boot_params_address",
    "initrd",
    "e820",
    "efi_memory_map",
    "setup_data",
    "srat",
    "la57",
    "output",
    "input",
)
_SPAN_KEYS = ("start", "size", "end")
_NODE_KEYS = ("address", "type", "length", "target", "scratch")
_NODE_HEADER = 16
"""sizeof(struct setup_data), arch/x86/include/uapi/asm/setup_data.h."""
_ADDRESSES_END = 1 << 64
_LONGEST_LIST = 2000
"""Far above any real table; each range is held against each that is avoided."""


def read_boot_description(text: str, name: str) -> EarlyBoot:
    """Read the description ``text``, the contents of the file ``name``.

    Raises:
        MalformedInput: it is not YAML, or not such a description.
    """
    fields = open_description(text, name, SCHEMA, _KEYS)
    e820 = _e820(fields, name)
    efi = _efi(fields, name, e820)
    boot = EarlyBoot(
        source=name,
        e820=e820,
        efi=efi,
        is_efi=Known(efi.value is not None, efi.origin) if isinstance(efi, Known) else NOT_GIVEN,
        cmdline=fields.fact("cmdline", one_line),
        cmdline_address=fields.fact("cmdline_address", integer),
        boot_params_address=fields.fact("boot_params_address", integer),
        initrd=_initrd(fields, name),
        setup_data=_setup_data(fields, name),
        srat=_srat(fields, name),
        five_levels=fields.fact("la57", boolean),
        output=fields.fact("output", integer),
        input=fields.fact("input", integer),
    )
    fields.finish()
    return boot


def _items(fields: Fields, key: str, keys: tuple[str, ...]) -> list[Fields]:
    items = fields.each(key, keys)
    if len(items) > _LONGEST_LIST:
        fields.problem(key, f"{len(items)} items; no such table has more than {_LONGEST_LIST}")
        return []
    return items


def _span(item: Fields) -> Span | None:
    """Read a range; one of size 0 is one that the decompressor still cuts at."""
    start = item.need("start", integer)
    size, end = item.get("size", integer), item.get("end", integer)
    if ("size" in item) == ("end" in item):
        item.problem("start", "give either size or end, the address after the last byte")
        return None
    if start is None:
        return None
    if end is None and size is not None:
        end = start + size
    if end is None:
        return None
    if not start <= end <= _ADDRESSES_END:
        item.problem("start", f"no range of addresses: from {start:#x} to {end:#x}")
        return None
    return Span(start, end)


def _e820(fields: Fields, name: str) -> Fact[FirmwareMap]:
    ranges = []
    for item in _items(fields, "e820", (*_SPAN_KEYS, "type")):
        span, kind = _span(item), item.need("type", integer)
        if span is not None and kind is not None:
            ranges.append(FirmwareRange(span, kind, item.where))
    if "e820" not in fields:
        return NOT_GIVEN
    return Known(FirmwareMap(name, FirmwareMapKind.BOOT_PARAMS, tuple(ranges)), f"{name}: e820")


def _efi(fields: Fields, name: str, e820: Fact[FirmwareMap]) -> Fact[EfiMap | None]:
    ranges = []
    for item in _items(fields, "efi_memory_map", (*_SPAN_KEYS, "type", "attribute")):
        span, kind = _span(item), item.need("type", integer)
        attribute = item.get("attribute", integer) or 0
        if span is not None and kind is not None:
            ranges.append(EfiRange(span, kind, attribute, item.where))
    if "efi_memory_map" in fields:
        return Known(EfiMap(name, tuple(ranges)), f"{name}: efi_memory_map")
    if isinstance(e820, Known):
        return Known(None, f"{name} has an e820 table and no efi_memory_map")
    return NOT_GIVEN


def _initrd(fields: Fields, name: str) -> Fact[Span | None]:
    item = fields.nested("initrd", _SPAN_KEYS)
    span = None if item is None else _span(item)
    return NOT_GIVEN if span is None else Known(span, f"{name}: initrd")


def _setup_data(fields: Fields, name: str) -> Fact[tuple[SetupDataNode, ...]]:
    nodes = []
    for item in _items(fields, "setup_data", _NODE_KEYS):
        address = item.need("address", integer)
        kind, length = item.need("type", integer), item.need("length", integer)
        nested = item.nested("target", _SPAN_KEYS)
        target = None if nested is None else _span(nested)
        if nested is not None and kind != SETUP_INDIRECT:
            item.problem("target", f"only a node of type {SETUP_INDIRECT:#x} has a target")
        scratch = _scratch(item, kind)
        if address is None or kind is None or length is None:
            continue
        if address + _NODE_HEADER + length > _ADDRESSES_END:
            item.problem("length", "the end lies beyond the 64 bits of an address")
            continue
        span = Span.sized(address, _NODE_HEADER + length)
        nodes.append(SetupDataNode(span, kind, target, scratch))
    if "setup_data" not in fields:
        return NOT_GIVEN
    return Known(tuple(nodes), f"{name}: setup_data")


def _scratch(item: Fields, kind: int | None) -> tuple[Span, ...] | None:
    """Read the areas that a node of kexec handover points to."""
    if "scratch" not in item:
        return None
    if kind != SETUP_KEXEC_KHO:
        item.problem("scratch", f"only a node of type {SETUP_KEXEC_KHO} has scratch areas")
    spans = [_span(area) for area in _items(item, "scratch", _SPAN_KEYS)]
    return tuple(span for span in spans if span is not None)


def _srat(fields: Fields, name: str) -> Fact[Srat | None]:
    ranges = []
    for item in _items(fields, "srat", (*_SPAN_KEYS, "hot_pluggable")):
        span = _span(item)
        if span is not None:
            ranges.append(SratRange(span, item.get("hot_pluggable", boolean) or False))
    if "srat" not in fields:
        return Unknown("no SRAT was given")
    return Known(Srat(name, tuple(ranges)) if ranges else None, f"{name}: srat")
