"""A policy that smecheck writes: the gate takes it as it is, whatever the names in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from commandline import SAMPLES, run

from smecheck.asked import GivenInitrd
from smecheck.evidence import Known
from smecheck.programs.gate import read_policy

OLD, NEW = (
    str(SAMPLES / name / "kernel.yaml") for name in ("founding-failure", "debian-6.1-kexec")
)
IOMEM = SAMPLES / "dead-kdump" / "iomem.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "machines").mkdir()
    shutil.copy(IOMEM, tmp_path / "machines" / "iomem.txt")
    return tmp_path


def test_the_gate_takes_it_as_it_is(folder: Path) -> None:
    found = run("policy", "init", "machines/iomem.txt", "-o", "ci.yaml", cwd=folder)
    assert (found.status, found.out, found.err) == (0, "", "")
    gate = run("gate", NEW, "--policy", "ci.yaml", "--format", "json", cwd=folder)
    assert gate.status == 0
    machines = [target for target in gate.document["targets"] if target["kind"] == "machine"]
    assert [(machine["name"], machine["verdict"]) for machine in machines] == [
        ("machine-kexec-load", "clear"),
        ("machine-kexec-file-load", "clear"),
        ("machine-kdump-load", "clear"),
        ("machine-kdump-file-load", "clear"),
    ]
    stopped = run("gate", OLD, "--policy", "ci.yaml", "--format", "json", cwd=folder)
    assert stopped.status == 1
    assert any(
        (row["target"], row["check"], row["outcome"]) == ("machine-kdump-load", "SME001", "failed")
        for row in stopped.document["results"]
    )


def test_names_are_relative_to_the_policy(folder: Path) -> None:
    run("policy", "init", "machines/iomem.txt", "-o", "machines/ci.yaml", cwd=folder)
    read = read_policy(str(folder / "machines" / "ci.yaml"))
    named = Path(read.machines[0].files["iomem"].path)
    assert named.samefile(folder / "machines" / "iomem.txt")
    assert "    iomem: iomem.txt\n" in (folder / "machines" / "ci.yaml").read_text()
    assert run("gate", NEW, "--policy", "machines/ci.yaml", cwd=folder).status == 0


def test_every_key_in_a_comment_may_be_uncommented(folder: Path) -> None:
    text = run("policy", "init", "machines/iomem.txt", cwd=folder).out
    shown = re.sub(r"^( *)# (\w+):(?! host)", r"\1\2:", text, flags=re.MULTILINE)
    shown = re.sub(r"^# (  +\S)", r"\1", shown, flags=re.MULTILINE)
    shown = shown.replace("baseline: baseline.json", f"baseline: {NEW}")
    (folder / "all.yaml").write_text(shown)
    read = read_policy(str(folder / "all.yaml"))
    assert read.allow_undecided is True
    assert read.rules["SME013"]
    assert read.thresholds[0].min_slack == 1 << 20
    assert read.waivers[0].check == "SME030"
    assert read.machines[0].request.initrd == Known(GivenInitrd(64 << 20), "--initrd")
    assert read.machines[0].request.cmdline == Known("mem_encrypt=on", "--cmdline")


def test_without_a_reservation_kdump_is_a_comment(folder: Path) -> None:
    iomem = folder / "machines" / "iomem.txt"
    iomem.write_text(re.sub(r".*Crash kernel\n", "", iomem.read_text()))
    text = run("policy", "init", "machines/iomem.txt", cwd=folder).out
    (folder / "ci.yaml").write_text(text)
    assert [machine.name for machine in read_policy(str(folder / "ci.yaml")).machines] == [
        *("machine-kexec-load", "machine-kexec-file-load"),
    ]
    assert "# - name: machine-kdump" in text


@pytest.mark.parametrize("name", ['a: [b]"', "# x", "yes", "m\u00fcnchen"])
def test_hostile_names_are_names(name: str, folder: Path) -> None:
    (folder / name).mkdir()
    shutil.copy(IOMEM, folder / name / name)
    found = run("policy", "init", f"{name}/{name}", "--name", name, "-o", "ci.yaml", cwd=folder)
    assert (found.status, found.err) == (0, "")
    assert read_policy(str(folder / "ci.yaml")).machines[0].name == f"{name}-kexec-load"
    assert run("gate", NEW, "--policy", "ci.yaml", cwd=folder).status == 0


def test_what_is_refused(folder: Path) -> None:
    (folder / "ci.yaml").write_text("edited by hand\n")
    (folder / "a\x1bb").write_bytes(IOMEM.read_bytes())
    (folder / "zeros").write_text("00000000-00000000 : System RAM\n")
    for arguments, status, said in (
        (("machines/iomem.txt", "-o", "ci.yaml"), 2, "ci.yaml: exists"),
        (("-",), 2, "a policy names the iomem file of its machine"),
        (("a\x1bb",), 2, "cannot be named in a policy"),
        (("nosuch",), 3, "nosuch: no such file"),
        (("zeros",), 3, "zeros: "),
    ):
        found = run("policy", "init", *arguments, cwd=folder)
        assert found.status == status, arguments
        assert said in found.problem[0], arguments
    assert (folder / "ci.yaml").read_text() == "edited by hand\n"
