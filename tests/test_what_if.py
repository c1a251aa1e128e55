"""The verdict on a what-if load, found by a short way, against the whole answer about that load."""

from __future__ import annotations

import copy

import pytest
from recorded import DATA, kernel, load_json

from smecheck.analysis import report_on, verdict_on
from smecheck.answer import Verdict
from smecheck.asked import Switch, asked_by_options
from smecheck.boot.case_as_asked import as_asked
from smecheck.case import Case
from smecheck.load.alternatives import alternatives
from smecheck.load.load_of_case import predicted_load
from smecheck.load.predicted_load import predict_load
from smecheck.load.request import PredictedLoad
from smecheck.load.segments import Loader, Mode
from smecheck.read.machine.iomem import parse_iomem

MAPS = (
    *("guest-4.5g-two-reservations", "guest-4.5g-uefi-6.12", "guest-8g-uefi-after-kexec"),
    *("guest-1g-crashkernel", "guest-1g-in-crash-kernel"),
)
KERNELS = ("old-l-c-2g", "rfc-l-c-2g")
CMDLINES = ("mem_encrypt=on", "mem_encrypt=on nokaslr", "mem_encrypt=off", "quiet", None)


def asked(name: str, map_name: str, loader: Loader, mode: Mode, cmdline: str | None) -> Case:
    image = kernel(load_json("founding", name, "result.json")["kernel"])
    memory = parse_iomem((DATA / "iomem" / f"{map_name}.txt").read_text(), "iomem")
    boot = asked_by_options(loader=loader, mode=mode, cmdline=cmdline, sme=Switch.AUTO)
    return Case(image, boot, memory=memory)


def loads_of(case: Case) -> list[PredictedLoad]:
    predicted = predicted_load(case)
    assert predicted is not None
    return [predicted, *(predict_load(other.asked) for other in alternatives(predicted))]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("loader", Loader)
@pytest.mark.parametrize("map_name", MAPS)
@pytest.mark.parametrize("name", KERNELS)
def test_the_short_way_to_a_verdict_ends_where_the_long_one_does(
    name: str, map_name: str, loader: Loader, mode: Mode
) -> None:
    for cmdline in CMDLINES:
        case = as_asked(asked(name, map_name, loader, mode, cmdline))
        for load in loads_of(case):
            assert verdict_on(case, load) is report_on(case, load).verdict


def test_that_is_tried_for_verdicts_of_each_kind() -> None:
    cases = [
        as_asked(asked(name, MAPS[0], Loader.KEXEC_LOAD, mode, cmdline))
        for name in KERNELS
        for mode in Mode
        for cmdline in CMDLINES
    ]
    assert {verdict_on(case, loads_of(case)[0]) for case in cases} == {*Verdict}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("loader", Loader)
def test_what_what_if_loads_share_is_what_each_of_them_would_find_alone(
    loader: Loader, mode: Mode
) -> None:
    case = as_asked(asked(KERNELS[0], MAPS[0], loader, mode, "mem_encrypt=on"))
    for load in loads_of(case):
        # What is copied is not the same object: it shares nothing with what came before.
        alone_case, alone_load = copy.deepcopy((case, load))
        assert predict_load(copy.deepcopy(load.asked)) == load
        assert report_on(alone_case, alone_load) == report_on(case, load)
