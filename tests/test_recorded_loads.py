"""Every load that was recorded, predicted: from the machine's own files, segment for segment."""

from __future__ import annotations

from typing import Any

import pytest
from recorded import kernel
from recorded_loads import (
    accepted_request,
    elf_request,
    fabricated_request,
    guest_request,
    other_tools_request,
    recorded_loads,
    shown,
)

from smecheck.analysis import analyze
from smecheck.asked import Switch, asked_by_options
from smecheck.case import Case
from smecheck.checks.finding import Effect
from smecheck.load.predict import predict
from smecheck.load.request import Machine, Prediction
from smecheck.load.segments import Loader
from smecheck.machine.host import Host
from smecheck.record import replace

OLD = kernel("5.0-old")
FABRICATED = recorded_loads("fabricated")
OTHER_TOOLS = recorded_loads("other-tools")
ACCEPTED = recorded_loads("accepted")
GUESTS = recorded_loads("guests")["cases"]
ELF = recorded_loads("elf")
LOADS = [(guest, load) for guest in GUESTS for load in guest["loads"]]


def test_all_records_are_there() -> None:
    assert (len(FABRICATED["cases"]), len(ACCEPTED["cases"]), len(LOADS)) == (100, 26, 33)
    assert len(OTHER_TOOLS["cases"]) >= 80


@pytest.mark.parametrize("case", FABRICATED["cases"], ids=lambda case: str(case["id"]))
def test_fabricated_machine(case: dict[str, Any]) -> None:
    comes_to(case, predict(fabricated_request(case, FABRICATED["headers"])))


@pytest.mark.parametrize("case", OTHER_TOOLS["cases"], ids=lambda case: str(case["id"]))
def test_other_versions_of_kexec_tools(case: dict[str, Any]) -> None:
    comes_to(case, predict(other_tools_request(case, OTHER_TOOLS["headers"])))


FABRICATED_REQUESTS = [
    *(fabricated_request(case, FABRICATED["headers"]) for case in FABRICATED["cases"]),
    *(other_tools_request(case, OTHER_TOOLS["headers"]) for case in OTHER_TOOLS["cases"]),
]


def test_what_is_predicted_never_contradicts_the_machine() -> None:
    """However odd its memory map: what kexec makes of that is what is predicted."""
    for number, request in enumerate(FABRICATED_REQUESTS):
        boot = asked_by_options(
            mode=request.mode, loader=request.loader, cmdline="mem_encrypt=on", kaslr=Switch.OFF
        )
        machine = Machine(host=request.host)
        report = analyze(Case(OLD, boot, memory=request.memory, machine=machine))
        assert report.segments is None or report.segments.predicted
        contradicting = [one for one in report.findings if one.effect is Effect.CONTRADICTION]
        assert not contradicting, (number, contradicting[0].message)


def comes_to(case: dict[str, Any], prediction: Prediction) -> None:
    assert prediction.unknown is None
    if "segments" in case:
        assert prediction.refusal is None
        assert shown(prediction) == case["segments"]
    else:
        assert prediction.refusal is not None
        assert prediction.refusal.text.startswith(case["refusal"])
        assert prediction.refusal.size == case["size"]


@pytest.mark.parametrize("case", ACCEPTED["cases"])
def test_load_that_a_kernel_accepted(case: dict[str, Any]) -> None:
    prediction = predict(accepted_request(case, ACCEPTED["headers"]))
    assert shown(prediction) == case["segments"]


@pytest.mark.parametrize("case", ELF["cases"])
def test_vmlinux_itself(case: dict[str, Any]) -> None:
    prediction = predict(elf_request(case, ELF["loads"]))
    if "segments" in case:
        assert shown(prediction) == case["segments"]
    else:
        assert prediction.refusal is not None
        assert prediction.refusal.text.split("...")[0] in case["refusal"]


@pytest.mark.parametrize(
    ("guest", "load"), LOADS, ids=[f"{guest['capture']}-{load['name']}" for guest, load in LOADS]
)
def test_load_in_a_guest(guest: dict[str, Any], load: dict[str, Any]) -> None:
    prediction = predict(guest_request(guest, load))
    assert shown(prediction) == load["segments"]


@pytest.mark.parametrize("case", ACCEPTED["cases"])
def test_what_is_usual_is_right_for_these_machines(case: dict[str, Any]) -> None:
    """With no host described: the same places, but for what early boot and EFI bring."""
    request = accepted_request(case, ACCEPTED["headers"])
    kept = Host(kernel_release=request.host.kernel_release, rng_seed=request.host.rng_seed)
    if case["loader"] == Loader.KEXEC_FILE_LOAD.value:
        kept = Host(kernel_release=request.host.kernel_release)
    prediction = predict(replace(request, host=kept, firmware=None))
    left_out = {"setup_data", "efi_memmap"}
    expected = [one[:3] for one in case["segments"] if one[0] not in left_out]
    assert [one[:3] for one in shown(prediction)] == expected
    assert len(prediction.assumptions) >= 3
