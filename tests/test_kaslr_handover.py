"""KASLR after a kexec handover: the scratch areas of the kernel before, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import call
from recorded import DATA, kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Basis, Report, Verdict
from smecheck.asked import asked_by_options
from smecheck.boot.decompressor import unpack_rules
from smecheck.boot.kaslr.places import Places, possible_places
from smecheck.case import Case
from smecheck.errors import MalformedInput
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.identity import identify
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode
from smecheck.machine.host import Host
from smecheck.read.machine.boot_description import read_boot_description
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.span import Span

HEAD = """\
schema: smecheck/boot-v1
cmdline: quiet
output: 0x1000000
e820: [{start: 0, end: 0xa0000, type: 1}, {start: 1M, end: 0x80000000, type: 1}]
"""
AREAS = "[{start: 0x40000000, size: 128M}, {start: 0x60000000, size: 16M}]"
NEW = kernel("7.3.4+deb13-cloud-amd64")
OLD = kernel("6.12.117+deb12-cloud-amd64")
HANDS_OVER = {"CONFIG_KEXEC_HANDOVER": "y"}
CANNOT = {"CONFIG_KEXEC_HANDOVER": "n"}


def node(text: str) -> str:
    return f"{HEAD}setup_data: [{{address: 0x20000000, type: 10, length: 32{text}}}]\n"


def places(text: str, *, old: bool = False, config: dict[str, str] = HANDS_OVER) -> Fact[Places]:
    image = replace(OLD if old else NEW, config=config)
    facts = identify(image)
    boot = read_boot_description(text, "b.yaml")
    return possible_places(image, facts, unpack_rules(image, facts), boot)


def areas(found: Fact[Places]) -> list[tuple[int, int]]:
    assert isinstance(found, Known)
    return [(area.start, area.count) for area in found.value.search.slots.areas]


def test_only_its_scratch_areas_are_searched() -> None:
    """128 MiB take 60 MiB at 35 places; 16 MiB take it at none."""
    found = places(node(f", scratch: {AREAS}"))
    assert areas(found) == [(0x40000000, 35)]


def test_nothing_is_known_without_them() -> None:
    found = places(node(""))
    assert isinstance(found, Unknown)
    assert "scratch" in found.reason


@pytest.mark.parametrize(
    ("text", "old", "config"),
    [
        (HEAD + "setup_data: []\n", False, HANDS_OVER),
        (node(", scratch: []"), False, HANDS_OVER),
        (node(f", scratch: {AREAS}"), False, CANNOT),
        (node(f", scratch: {AREAS}"), True, HANDS_OVER),
        (node(""), False, CANNOT),
    ],
)
def test_where_the_table_is_searched(text: str, old: bool, config: dict[str, str]) -> None:
    assert max(start for start, _ in areas(places(text, old=old, config=config))) > 0x1000000
    assert sum(count for _, count in areas(places(text, old=old, config=config))) > 35


def test_scratch_areas_are_of_that_node_alone() -> None:
    text = node(f", scratch: {AREAS}").replace("type: 10", "type: 9")
    with pytest.raises(MalformedInput, match="only a node of type 10"):
        read_boot_description(text, "b.yaml")


IOMEM = """\
00000000-00000fff : Reserved
00001000-0009ffff : System RAM
00100000-7ffdffff : System RAM
"""


def of_load(host: Host, loader: Loader, mode: Mode = Mode.LOAD) -> Report:
    """Ask where KASLR puts a kernel that was loaded, by a kernel that may hand over."""
    segments = replace(
        segment_list(
            kernel=Span.sized(0x7C200000, 0x3C39000), boot_params=Span(0x7FFD9000, 0x7FFDB000)
        ),
        loader=Known(loader, "t"),
    )
    question = Case(
        NEW,
        asked_by_options(mode=mode, cmdline="quiet"),
        segments,
        parse_iomem(IOMEM, "iomem"),
        machine=Machine(host=host),
    )
    return analyze(question)


ON = Host(source="h", cmdline=Known("ro kho=on", "h: cmdline"))


@pytest.mark.parametrize(
    ("host", "loader", "is_known"),
    [
        (ON, Loader.KEXEC_FILE_LOAD, False),
        (ON, Loader.KEXEC_LOAD, True),
        (Host(), Loader.KEXEC_FILE_LOAD, True),
        (replace(ON, kho=Known(False, "h: kho")), Loader.KEXEC_FILE_LOAD, True),
        (replace(ON, kernel_release=Known("6.15.0", "h")), Loader.KEXEC_FILE_LOAD, True),
    ],
)
def test_a_kernel_that_hands_over(host: Host, loader: Loader, is_known: bool) -> None:
    report = of_load(host, loader)
    assert (report.kaslr is not None) is is_known
    assert any("kexec handover" in text for text in report.not_checked) is not is_known


def test_the_proof_holds_wherever_a_recorded_load_is_put() -> None:
    report = of_load(ON, Loader.KEXEC_FILE_LOAD)
    assert (report.verdict, report.basis) == (Verdict.CLEAR, Basis.PROOF)
    assert value_of(report.boot.kaslr) is True


def test_what_the_command_line_says(tmp_path: Path) -> None:
    boot = tmp_path / "boot.yaml"
    boot.write_text(node(f", scratch: {AREAS}"))
    image = str(DATA / "kernels" / "7.3.4+deb13-cloud-amd64.yaml")
    done = call("analyze", image, "--boot", str(boot), "--format", "json")
    assert done.document["kaslr"]["slots"] == 35
