"""The slots of physical KASLR, against what the decompressors themselves found."""

from __future__ import annotations

from typing import Any

import pytest
from kaslr_cases import CASES, KERNELS, early_boot, image, number

from smecheck.boot.kaslr.decompressor_copy import payload_place
from smecheck.boot.kaslr.early_options import early_options, kernel_text
from smecheck.boot.kaslr.search import KaslrKernel, SlotSearch, search_slots
from smecheck.boot.kaslr.slots import KaslrRules
from smecheck.boot.kaslr.variants import kaslr_variants
from smecheck.evidence import Known
from smecheck.kernel.identity import identify
from smecheck.record import replace

BY_ID = [pytest.param(case, id=f"{case['kernel']}-{case['id']}") for case in CASES]


def rules(name: str) -> KaslrRules:
    kernel = image(name)
    (only,) = kaslr_variants(kernel, identify(kernel)).rules
    return only


def searched(case: dict[str, Any]) -> SlotSearch:
    kernel = image(case["kernel"])
    header = kernel.header
    assert isinstance(header.init_size, Known)
    assert isinstance(header.output_len, Known)
    assert isinstance(header.kernel_alignment, Known)
    size = kernel.symbols["_end"] - kernel.symbols["_text"]
    needed = max(header.output_len.value, size)
    sizes = KaslrKernel(needed, header.kernel_alignment.value, header.init_size.value)
    found = search_slots(sizes, early_boot(case), rules(case["kernel"]))
    assert isinstance(found, Known)
    return found.value


def test_all_cases_are_there() -> None:
    assert len(CASES) == 130
    assert sum(not case["areas"] for case in CASES) == 5


@pytest.mark.parametrize("case", BY_ID)
def test_areas_in_order_with_counts(case: dict[str, Any]) -> None:
    areas = [[f"{area.start:#x}", area.count] for area in searched(case).slots.areas]
    assert areas == case["areas"]


@pytest.mark.parametrize("case", BY_ID)
def test_options_of_the_command_line(case: dict[str, Any]) -> None:
    variant = rules(case["kernel"])
    text = kernel_text(case["cmdline"], variant)
    options = early_options(text, variant, case["la57"])
    assert options.limit == number(case["limit"])
    assert options.gives_up == case["gives_up"]
    excluded = [[f"{span.start:#x}", f"{span.size:#x}"] for span in options.excluded]
    assert excluded == case["excluded"]


REAL = [case for case in BY_ID if case.values[0]["kind"] != "synthetic"]


@pytest.mark.parametrize("case", REAL)
def test_place_of_the_payload_follows_from_the_header(case: Any) -> None:
    kernel = image(case["kernel"])
    size = kernel.symbols["_end"] - kernel.symbols["_text"]
    place = payload_place(kernel, size)
    assert isinstance(place, Known)
    assert place.value.lowest == place.value.highest
    assert number(case["output"]) + place.value.lowest == number(case["input"])


@pytest.mark.parametrize("case", REAL[::10])
@pytest.mark.parametrize("is_known", [True, False])
def test_place_of_the_payload_in_a_kernel_that_takes_more_room_than_its_unpacking(
    case: Any, is_known: bool
) -> None:
    """init_size is its own size then; the decompressor is copied to the end of that."""
    kernel, more = image(case["kernel"]), 16 << 20
    size = number(KERNELS[case["kernel"]]["init_size"]) + more
    header = replace(kernel.header, init_size=Known(size, "a test"))
    place = payload_place(replace(kernel, header=header), size if is_known else None)
    assert isinstance(place, Known)
    there = number(case["input"]) - number(case["output"]) + more
    assert place.value.lowest <= there <= place.value.highest
