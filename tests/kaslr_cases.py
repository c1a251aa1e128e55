"""The recorded slot lists: what the real choose_random_location() found, and what it was given."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

from recorded import DATA

from smecheck.boot.early_boot import (
    SETUP_INDIRECT,
    EarlyBoot,
    SetupDataNode,
    completed,
    from_boot_params,
)
from smecheck.boot.kaslr.slots import SlotArea, Slots
from smecheck.evidence import Known, Unknown
from smecheck.kernel.image import KernelImage, KernelKind, SetupHeader
from smecheck.machine.firmware import EfiMap, EfiRange
from smecheck.read.machine.boot_params import parse_boot_params
from smecheck.read.machine.srat import parse_srat
from smecheck.span import Span

FOLDER = DATA / "kaslr"
KERNELS: dict[str, dict[str, Any]] = json.loads((FOLDER / "kernels.json").read_text())
CASES: list[dict[str, Any]] = [
    json.loads(line) | {"kernel": name}
    for name in KERNELS
    for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()
]


def number(text: str) -> int:
    return int(text, 16)


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def image(name: str) -> KernelImage:
    """Return the kernel of a case as a bzImage and its configuration tell it."""
    kernel = KERNELS[name]
    header = {
        key: Known(number(kernel[key]), "recorded")
        for key in ("init_size", "kernel_alignment", "pref_address")
    }
    start = 0xFFFFFFFF81000000
    return KernelImage(
        source=name,
        kind=KernelKind.DESCRIPTION,
        release=Known(f"{kernel['version']}.0", "recorded"),
        build_id=Unknown("not recorded"),
        symbols={"_text": start, "_end": start + number(kernel["kernel_total_size"])},
        symbols_complete=False,
        sections=(),
        sections_complete=False,
        loads=(),
        header=SetupHeader(
            **header,
            relocatable=Known(True, "recorded"),
            output_len=Known(number(kernel["z_output_len"]), "recorded"),
            other={
                "payload_offset": number(kernel["zo_input_data"]),
                "payload_length": number(kernel["z_input_len"]),
            },
        ),
        config={f"CONFIG_{option}": value for option, value in kernel["config"].items()},
        sme_text=Unknown("not recorded"),
    )


def early_boot(case: dict[str, Any]) -> EarlyBoot:
    """Return the memory of a case as the readers see it."""
    where = case["id"]
    params = parse_boot_params(unpacked(case["boot_params"]), where)
    described = EarlyBoot(
        source=where,
        e820=Unknown("boot_params tell"),
        efi=Unknown("boot_params tell") if case["efi"] is None else Known(efi_map(case), where),
        cmdline=Known(case["cmdline"], where),
        cmdline_address=Known(number(case["cmdline_address"]), where),
        boot_params_address=Known(number(case["boot_params_address"]), where),
        setup_data=Known(tuple(node(entry) for entry in case["setup_data"]), where),
        srat=Known(None if case["srat"] is None else parse_srat(unpacked(case["srat"]), where), ""),
        five_levels=Known(case["la57"], where),
        output=Known(number(case["output"]), where),
        input=Known(number(case["input"]), where),
    )
    return completed(described, by=from_boot_params(params, Unknown("described")))


def efi_map(case: dict[str, Any]) -> EfiMap:
    raw, size = unpacked(case["efi"]["map"]), case["efi"]["descriptor_size"]
    ranges = []
    for offset in range(0, len(raw) // size * size, size):
        kind, _, start, _, pages, attribute = struct.unpack_from("<IIQQQQ", raw, offset)
        ranges.append(EfiRange(Span.sized(start, pages << 12), kind, attribute, case["id"]))
    return EfiMap(case["id"], tuple(ranges))


def node(entry: dict[str, Any]) -> SetupDataNode:
    target = None
    if entry["type"] == SETUP_INDIRECT:
        kind, _, length, address = struct.unpack("<IIQQ", bytes.fromhex(entry["data"]))
        target = None if kind == SETUP_INDIRECT else Span.sized(address, length)
    span = Span.sized(number(entry["address"]), 16 + entry["length"])
    return SetupDataNode(span, entry["type"], target)


def slots_within(slots: Slots, span: Span) -> int:
    """Count the slots whose address lies in ``span``."""

    def below(area: SlotArea, address: int) -> int:
        return min(max(-(-(address - area.start) // slots.alignment), 0), area.count)

    return sum(below(area, span.end) - below(area, span.start) for area in slots.areas)
