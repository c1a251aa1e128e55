"""A policy is right or wrong by itself; what is wrong is told with its place, all at once."""

from __future__ import annotations

import contextlib
import json
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from commandline import SAMPLES
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from smecheck.asked import OPTIONS, BootRequest, GivenInitrd
from smecheck.asked import Path as BootPath
from smecheck.builds.policy import Policy
from smecheck.checks.catalogue import RULES
from smecheck.checks.finding import Severity
from smecheck.errors import MalformedInput, UnreadableInput
from smecheck.evidence import Known
from smecheck.load.segments import Loader, Mode
from smecheck.programs.gate import known_rules
from smecheck.read.build.policy import parse_policy, read_policy
from smecheck.span import Span

SCHEMA = json.loads(files("smecheck").joinpath("schemas", "policy-v1.json").read_text())
MACHINE = "machines:\n  - {name: m, iomem: a.txt, mode: crash"
WAIVER = "waivers:\n  - {check: SME013, reason: r, owner: o, expires: 2027-01-31"


def policy(text: str, folder: str = "") -> Policy:
    return parse_policy(
        f"schema: smecheck/policy-v1\n{text}\n", "p.yaml", known_rules(), folder=folder
    )


def problems(text: str) -> list[str]:
    with pytest.raises(MalformedInput) as caught:
        policy(text)
    error = caught.value
    assert "smecheck schema policy-v1" in error.help_text
    first, *others = error.message.split("\n")
    return [f"{error.where}: {first}", *others]


def test_the_sample() -> None:
    path = SAMPLES / "gate" / "smecheck.yaml"
    read = read_policy(str(path), known_rules())
    assert read.fail_on is Severity.ERROR
    assert read.rules["SME013"].severity is Severity.ERROR
    assert [machine.name for machine in read.machines] == [
        *("desktop-kexec", "epyc-kdump", "epyc-kdump-small"),
    ]
    machine = read.machines[2]
    assert Path(machine.files["iomem"].path).samefile(SAMPLES / "dead-kdump" / "iomem.txt")
    assert machine.crash_region == Span(0x76000000, 0x7E000000)
    assert machine.request.mode == Known(Mode.CRASH, "--mode")
    assert machine.request.loader == Known(Loader.KEXEC_FILE_LOAD, "--loader")
    assert machine.request.initrd == Known(GivenInitrd(1032939), "--initrd")
    Draft202012Validator(SCHEMA).validate(
        json.loads(json.dumps(yaml.safe_load(path.read_text()), default=str))
    )


def test_names_are_taken_from_the_policys_folder() -> None:
    (machine,) = policy(MACHINE + "}", "etc/gate").machines
    assert machine.files["iomem"].path == "etc/gate/a.txt"
    assert machine.files["iomem"].where == "p.yaml:3:22"
    (machine,) = policy(MACHINE.replace("a.txt", "/a.txt") + "}", "etc/gate").machines
    assert machine.files["iomem"].path == "/a.txt"


def test_everything_of_a_machine() -> None:
    (machine,) = policy(
        MACHINE + ", path: kdump, loader: kexec_load"
        ", host: h.yaml, segments: s, dmesg: d, memmap: m, crash_region: {start: 1M, end: 2M},"
        " load_address: 16M, initrd: 0x1000, cmdline: '', kaslr: off, sme: on, paging: 5,"
        " mem_min: 1M, mem_max: 0x1fffff}"
    ).machines
    assert sorted(machine.files) == ["dmesg", "host", "iomem", "memmap", "segments"]
    nothing = BootRequest()
    assert all(getattr(machine.request, name) != getattr(nothing, name) for name in OPTIONS)
    assert machine.request.path is BootPath.KDUMP
    assert machine.request.load_address == 16 << 20
    assert machine.request.cmdline == Known("", "--cmdline")
    assert machine.crash_region == Span(1 << 20, 2 << 20)
    assert machine.window == Span(1 << 20, 2 << 20)


def test_an_empty_policy_is_one() -> None:
    read = policy("")
    assert (read.fail_on, read.allow_undecided, read.machines, read.waivers) == (None, None, (), ())


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("rules: {SME013: eror}", "2:17", "did you mean 'error'?"),
        ("rules: {SME013: ''}", "2:17", "the text is empty"),
        ("rules: {SME013: [error]}", "2:17", "a list where text is needed"),
        ("rules: {SME13: error}", "2:9", "unknown key 'SME13'; did you mean 'SME013'?"),
        ("rules: {SME001: off}", "2:17", "decides verdicts and cannot be switched off"),
        ("rules: {SME007: off}", "2:17", "decides verdicts and cannot be switched off"),
        ("fail_on: errors", "2:10", "did you mean 'error'?"),
        ("machine: []", "2:1", "did you mean 'machines'?"),
        ("machines:\n  - {iomem: a, mode: load}", "3:5", "'name' is missing"),
        ("machines:\n  - {name: kernel, iomem: a, mode: load}", "3:12", "another target"),
        (MACHINE + "}\n  - {name: m, iomem: b, mode: load}", "4:12", "machine at p.yaml:3"),
        ("machines:\n  - {name: m, mode: load}", "3:12", "needs a file: iomem"),
        ("machines:\n  - {name: m, iomem: a}", "3:12", "say what is booted"),
        (MACHINE + ", iomen: b}", "3:42", "did you mean 'iomem'?"),
        (MACHINE + ", memmap: '-'}", "3:50", "standard input is not a file"),
        (MACHINE + ", loader: kexec}", "3:50", "did you mean 'kexec_load'?"),
        (MACHINE + ", crash_region: {start: 1M}}", "3:56", "'size' is missing"),
        (MACHINE + ", crash_region: {start: 1M, size: 3}}", "3:64", "not made of whole pages"),
        (MACHINE + ", crash_region: {start: 2M, end: 1M}}", "3:73", "is not above start"),
        (MACHINE + ", load_address: 5M}", "3:56", "a multiple of 2 MiB"),
        (MACHINE + ", mem_min: 2M, mem_max: 1M}", "3:64", "is not a window"),
        (MACHINE + ", initrd: 12MB}", "3:50", "not a number"),
        ("thresholds:\n  - {flavour: x}", "3:15", "neither min_slack nor max_growth"),
        ("thresholds:\n  - {max_growth: 1M}", "3:18", "needs a 'baseline'"),
        ("thresholds:\n  - {min_slack: 010}", "3:17", "nothing is octal"),
        (WAIVER.replace("SME013", "SME999") + "}", "3:13", "unknown check 'SME999'"),
        (WAIVER + ", target: n}", "3:71", "unknown target 'n'; known are kernel"),
        (WAIVER.replace("2027-01-31", "2027-02-30") + "}", "3:51", "is not a date"),
        (WAIVER.replace("2027-01-31", "20270131") + "}", "3:51", "is not a date"),
        (WAIVER.replace(", owner: o", "") + "}", "3:5", "'owner' is missing"),
        (WAIVER.replace("reason: r", "reason: ''") + "}", "3:29", "the text is empty"),
    ],
)
def test_problem(text: str, where: str, said: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(f"p.yaml:{where}: ")
    assert said in problem


def test_all_problems_are_told_at_once() -> None:
    found = problems("fail_on: bad\nrules: {SME999: error}\nwaivers:\n  - {check: slack}")
    assert len(found) == 5
    assert [problem.split(": ")[0] for problem in found] == [
        *("p.yaml:2:10", "p.yaml:3:9", "p.yaml:5:5", "p.yaml:5:5", "p.yaml:5:5"),
    ]


def test_all_problems_are_told_even_without_a_schema() -> None:
    with pytest.raises(MalformedInput) as caught:
        parse_policy("fail_on: eror\nmachines:\n  - {iomem: a}\n", "p.yaml", known_rules())
    first, *others = caught.value.message.split("\n")
    assert first.startswith("'schema' is missing; add the line")
    assert [line.split(" ")[0] for line in others[:2]] == ["p.yaml:1:10:", "p.yaml:3:5:"]


def test_files_that_are_no_policies(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text(" \n")
    for path, said in (
        (empty, "is empty"),
        (tmp_path, "is a directory"),
        (tmp_path / "n", "no such"),
    ):
        with pytest.raises(UnreadableInput) as caught:
            read_policy(str(path), known_rules())
        assert said in caught.value.message
    cut = tmp_path / "cut.yaml"
    cut.write_text("schema: smecheck/policy-v1\nmachines: [{name: a, iom")
    with pytest.raises(MalformedInput):
        read_policy(str(cut), known_rules())


def test_a_machine_can_be_waived_by_its_name() -> None:
    read = policy(MACHINE + "}\n" + WAIVER + ", target: m}")
    assert read.waivers[0].target == "m"


def test_the_schema_knows_the_same_rules() -> None:
    validator = Draft202012Validator(SCHEMA)
    for rule in RULES:
        validator.validate({"schema": "smecheck/policy-v1", "rules": {rule: "error"}})
    assert not validator.is_valid({"schema": "smecheck/policy-v1", "rules": {"SME1": "error"}})
    machine = {"name": "m", "iomem": "a"}
    assert not validator.is_valid({"schema": "smecheck/policy-v1", "machines": [machine]})
    validator.validate({"schema": "smecheck/policy-v1", "machines": [machine | {"mode": "load"}]})


@given(st.text(max_size=80))
def test_nothing_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(MalformedInput):
        policy(text)
