"""The canonical form of a question has the answer of the question, on every recorded map."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commandline import environment
from fleet_machines import KERNELS, Layout
from recorded import DATA

from smecheck.analysis import analyze
from smecheck.asked import BootRequest, GivenInitrd, asked_by_options
from smecheck.asked import Path as Boot
from smecheck.case import Case
from smecheck.checks.tolerance import Tolerance
from smecheck.errors import SmecheckError
from smecheck.fleets.answered import answer_of, quotes_a_finding
from smecheck.fleets.canonical import canonical
from smecheck.fleets.digest import digest, digest_of_map
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import Loader, Mode
from smecheck.machine.memory import MapKind, Missing, Region
from smecheck.read.case import Inputs, case
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import field_names, record, replace
from smecheck.span import Span, SpanSet

ASKED = (
    BootRequest(),
    asked_by_options(
        mode=Mode.CRASH, loader=Loader.KEXEC_LOAD, cmdline="nokaslr", initrd=GivenInitrd(20 << 20)
    ),
    asked_by_options(mode=Mode.LOAD, loader=Loader.KEXEC_FILE_LOAD, cmdline="quiet"),
    BootRequest(path=Boot.FIRST_BOOT),
)
MAPS = sorted(
    path
    for folder in ("captures", "founding", "guests", "iomem")
    for path in (*(DATA / folder).glob("*/iomem.txt"), *(DATA / folder).glob("*.txt"))
)
IMAGES = [read_kernel(str(KERNELS / name)) for name in ("5.0-old.yaml", "6.1.0-56-amd64.yaml")]


def questions(path: Path, image: KernelImage) -> list[Case]:
    """Return what can be asked of a machine, with what else is kept of it."""
    segments = path.parent / "segments.txt"
    logs = list((DATA / "machine-logs").glob(f"{path.parent.name}.boot1.dmesg*"))
    more = [Inputs(iomem=str(path))]
    more += [Inputs(iomem=str(path), segments=str(segments))] if segments.exists() else []
    more += [Inputs(iomem=str(path), dmesg=str(log)) for log in logs]
    more += [Inputs(iomem=str(path), memmap=str(log)) for log in logs]
    found = []
    for inputs in more:
        for asked in ASKED:
            try:
                found.append(case(image, inputs, asked))
            except SmecheckError:
                continue  # they contradict each other, or the map is none
    return found


def test_the_form_has_the_answer_of_the_question() -> None:
    compared = quoted = 0
    for path in MAPS:
        for image in IMAGES:
            for question in questions(path, image):
                report = analyze(canonical(question))
                if quotes_a_finding(report):
                    quoted += 1  # such machines are asked one by one
                    continue
                expected = answer_of(analyze(question), Tolerance())
                assert answer_of(report, Tolerance()) == expected, (path, question.asked)
                compared += 1
    assert compared > 300
    assert quoted > 30


def test_the_form_of_a_form_is_itself() -> None:
    for path in MAPS[:6]:
        for question in questions(path, IMAGES[0]):
            shared = canonical(question)
            assert canonical(shared) == shared


def test_the_name_of_a_map_is_that_of_all_that_is_in_it() -> None:
    region = Region("System RAM", Span(0x1000, 0x2000), 0, 1)
    memory = replace(parse_iomem(Layout(1, (64, 64)).iomem(), "iomem"), regions=(region,))
    maps = {
        "source": "another",
        "regions": (),
        "ignored_lines": (7,),
        "kind": MapKind.KERNEL_LOG,
        "missing": memory.missing ^ Missing.LINES,
    }
    # Which is System RAM follows from the regions.
    assert maps.keys() == set(field_names(memory)) - {"system_ram"}
    regions = {"name": "Reserved", "span": Span(0, 1), "depth": 1, "line": 2, "where": "a"}
    assert regions.keys() == set(field_names(region))
    changed = [
        memory,
        *(replace(memory, **{name: value}) for name, value in maps.items()),
        *(
            replace(memory, regions=(replace(region, **{name: value}),))
            for name, value in regions.items()
        ),
    ]
    assert len({digest_of_map(one) for one in changed}) == len(changed)


def test_a_map_that_was_cut_off_has_not_the_name_of_a_whole_one() -> None:
    """What is missing of it is a device, which the form leaves out."""
    ram = "00000000-00000fff : Reserved\n00001000-7ffdffff : System RAM\n"
    maps = [parse_iomem(f"{ram}{more}", "iomem") for more in ("", "fec00000-fec003ff : IOAPIC 0\n")]
    shared = [canonical(Case(IMAGES[0], ASKED[2], memory=one)).memory for one in maps]
    assert len({one.regions for one in shared if one is not None}) == 1
    assert len({digest_of_map(one) for one in shared}) == 2


SCRIPT = """
import sys
from smecheck.fleets.canonical import canonical
from smecheck.fleets.digest import digest_of_map, digest_of_question
from smecheck.read.case import Inputs, case
iomem, log, kernel = sys.argv[1:]
question = canonical(case(kernel, Inputs(iomem=iomem, dmesg=log)))
print(digest_of_question(question, digest_of_map(question.memory)).hex())
"""


def test_the_name_of_a_question_is_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "iomem").write_text(Layout(1, (64, 64)).iomem())
    log = next((DATA / "machine-logs").glob("*.boot1.dmesg.txt"))
    kernel = str(KERNELS / "5.0-old.yaml")
    names = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / "iomem"), str(log), kernel],
            env=environment({"PYTHONHASHSEED": seed}),
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(names) == 1
    assert len(names.pop()) == 33


@record
class One:
    value: object


@record
class Other:
    value: object


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (One(1), Other(1)),
        (One("a"), One(("a",))),
        (One(1), One("1")),
        (One(None), One("None")),
        (One(True), One(1)),
        (One(("ab", "c")), One(("a", "bc"))),
        (One(((1,), 2)), One((1, (2,)))),
        (One(Mode.LOAD), One("load")),
        (One(b"a"), One("61")),
        (One({"a": 1}), One({"a": 2})),
        (One({1: 23}), One({12: 3})),
        (One(frozenset({1, 23})), One(frozenset({12, 3}))),
        (One({1: "a", 2: "b"}), One({1: "b", 2: "a"})),
        (One(frozenset({"a"})), One(frozenset({"b"}))),
        (One(SpanSet([Span(0, 4)])), One(SpanSet([Span(0, 2), Span(3, 4)]))),
    ],
)
def test_what_differs_has_another_digest(one: object, other: object) -> None:
    assert digest(one) != digest(other)
    assert digest(one) == digest(one)


def test_the_order_of_a_mapping_does_not_matter() -> None:
    assert digest(One({"a": 1, "b": 2})) == digest(One({"b": 2, "a": 1}))
