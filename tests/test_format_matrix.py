"""Every format times every way to end: the same exit status, and readable by its own tools."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import format_readers as readers
import pytest
from commandline import Run, run, sample
from elfwriter import vmlinux

from smecheck.report.render import Format

CASES = {
    "clean": (sample("debian-6.1-kexec"), 0),
    "static failure": (sample("founding-failure")[:2], 1),
    "machine collision": (sample("founding-failure"), 1),
    "undecided": (("analyze", "vmlinux"), 4),
    "undecided, allowed": (("analyze", "vmlinux", "--allow-undecided"), 0),
    "ignored": ((*sample("founding-failure"), "--ignore", "SME001"), 0),
    "not applicable": (sample("no-sme"), 0),
    "unreadable": (("analyze", "nosuch"), 3),
    "malformed": (("analyze", "vmlinux", "--iomem", "broken"), 3),
    "usage": (("analyze", "vmlinux", "--load-address", "0x1000"), 2),
}
FORMATS = [form.value for form in Format]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("matrix")
    (made / "vmlinux").write_bytes(vmlinux().build())
    (made / "broken").write_text("00000000-00000000 : System RAM\n")
    return made


@cache
def ending(case: str, form: str, folder: Path) -> Run:
    return run(*CASES[case][0], "--format", form, cwd=folder)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_exit_status_and_error_are_the_same(case: str, form: str, folder: Path) -> None:
    found = ending(case, form, folder)
    assert found.status == CASES[case][1]
    assert found.err == ending(case, "plain", folder).err


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_reports_can_be_read_and_tell_failure(case: str, form: str, folder: Path) -> None:
    status = CASES[case][1]
    out = ending(case, form, folder).out
    match Format(form):
        case Format.JUNIT:
            failures = sum(suite.failures + suite.errors for suite in readers.junit(out))
            assert (failures > 0) is (status > 0)
        case Format.KTAP:
            results = readers.ktap(out)
            assert all(result.ok for result in results) is (status == 0 or not results)
            assert ("Bail out!" in out) is (status in (2, 3))
        case Format.KCIDB:
            bad = {row["status"] for row in readers.kcidb(out)} & {"FAIL", "ERROR", "MISS"}
            assert bool(bad) is (status > 0)
        case Format.SARIF:
            (invocation,) = readers.sarif(out)["invocations"]
            assert invocation["exitCode"] == status
            assert invocation["executionSuccessful"] is (status not in (2, 3))
        case Format.GITHUB:
            names = {command.name for command in readers.github(out)[0]}
            assert ("error" in names) is (status > 0)
        case Format.JSON:
            found = json.loads(out)
            assert found["schema"] == f"smecheck/{'error' if status in (2, 3) else 'report'}-v1"
            assert found.get("exit_code", status) == status
        case Format.MARKDOWN:
            assert ("nothing was analyzed" in readers.html(out)) is (status in (2, 3))
            assert re.findall(r"; exit (\d)", out) == ([] if status in (2, 3) else [str(status)])
        case Format.TEXT | Format.PLAIN:
            assert bool(out) is (status not in (2, 3))


@pytest.mark.parametrize("case", [name for name, (_, status) in CASES.items() if status != 2])
def test_files_hold_what_would_be_printed(case: str, folder: Path, tmp_path: Path) -> None:
    arguments, status = CASES[case]
    options = [f"--report={form}={tmp_path / form}" for form in FORMATS]
    assert run(*arguments, *options, cwd=folder).status == status
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    if status == 3:
        assert written == {}
        return
    assert written == {form: ending(case, form, folder).raw for form in FORMATS}
