"""The package from Python: what it exports, and that it answers as the command line does."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from commandline import ROOT, SAMPLES, run, sample
from sme_program import elf, patched

import smecheck

FOUNDING = SAMPLES / "founding-failure"
EXPORTED = {
    *("Basis", "Case", "Finding", "Report", "Severity", "Span", "Verdict"),
    *("Comparison", "GateReport", "TriageReport", "VerifyReport"),
    *("InputError", "MalformedInput", "SmecheckError", "UnreadableInput", "UsageError"),
    *("EngineError", "WrongKind"),
    *("analyze", "compare", "fleet", "gate", "triage", "verify"),
    *("parse_iomem", "parse_log", "parse_segments"),
    *("read_host", "read_iomem", "read_kernel", "read_log", "read_memmap", "read_segments"),
}


def founding(**more: object) -> smecheck.Report:
    return smecheck.analyze(
        FOUNDING / "kernel.yaml",
        iomem=FOUNDING / "iomem.txt",
        segments=FOUNDING / "kexec.log",
        **more,  # type: ignore[arg-type]
    )


def test_every_exported_name_is_there() -> None:
    assert set(smecheck.__all__) == EXPORTED
    assert all(getattr(smecheck, name) is not None for name in EXPORTED)
    assert set(dir(smecheck)) == EXPORTED | {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = smecheck.nothing  # type: ignore[attr-defined]


def test_to_import_the_package_imports_nothing_of_it() -> None:
    code = "import sys; import smecheck; print(*[m for m in sys.modules if m[:9] == 'smecheck.'])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


@pytest.mark.parametrize("name", ["founding-failure", "founding-fixed", "kaslr-gamble", "no-sme"])
def test_a_report_is_that_of_the_command_line(name: str) -> None:
    folder = Path("samples") / name
    given = {
        option: folder / file
        for option, file in (("iomem", "iomem.txt"), ("segments", "kexec.log"))
        if (ROOT / folder / file).exists()
    }
    report = smecheck.analyze(
        ROOT / folder / "kernel.yaml", **{k: ROOT / p for k, p in given.items()}
    )
    printed = json.loads(run(*sample(name, Path("samples")), "--format", "json", cwd=ROOT).out)
    mine = report.to_dict()
    assert {key for key in printed if mine[key] != printed[key]} <= {
        *("kernel", "boot", "placements", "segments", "findings", "inputs"),
        *("assumptions", "not_checked", "sme", "checks", "proof", "image", "load"),
    }  # those name files, as they were named
    assert [f["rule"] for f in mine["findings"]] == [f["rule"] for f in printed["findings"]]


def test_inputs_may_be_texts_open_files_and_what_was_read() -> None:
    expected = founding()
    memory = smecheck.read_iomem(FOUNDING / "iomem.txt")
    segments = smecheck.parse_segments((FOUNDING / "kexec.log").read_text())
    kernel = smecheck.read_kernel(FOUNDING / "kernel.yaml")
    with (FOUNDING / "iomem.txt").open("rb") as binary, (FOUNDING / "kexec.log").open() as text:
        opened = smecheck.analyze(FOUNDING / "kernel.yaml", iomem=binary, segments=text)
    for report in (opened, smecheck.analyze(kernel, iomem=memory, segments=segments)):
        assert (report.verdict, report.headline) == (expected.verdict, expected.headline)


def test_choices_are_words_or_members() -> None:
    assert founding(sme="off").verdict is smecheck.Verdict.NOT_APPLICABLE
    with pytest.raises(smecheck.UsageError, match="'of' is not a Switch"):
        founding(sme="of")


def test_what_cannot_be_read_is_an_error_with_a_place() -> None:
    with pytest.raises(smecheck.UnreadableInput) as caught:
        smecheck.analyze("/no/such/vmlinuz")
    assert (caught.value.where, caught.value.exit_code) == ("/no/such/vmlinuz", 3)
    with pytest.raises(smecheck.UsageError, match="initrd '/no'"):
        founding(initrd="/no")
    with pytest.raises(smecheck.UsageError, match="is not a regular file"):
        founding(initrd=os.devnull)


def test_reports_can_be_kept_and_shown() -> None:
    report = founding()
    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301 - made here
    assert repr(report).startswith("<Report collision (machine): ")
    assert "<svg" in report._repr_html_()


def test_advice_is_asked_for() -> None:
    assert founding().advice is None
    assert founding(advise=True).advice


Answer = smecheck.GateReport | smecheck.Comparison | smecheck.TriageReport | smecheck.VerifyReport


def programs(tmp_path: Path) -> dict[str, tuple[Callable[[], Answer], tuple[str, ...]]]:
    """Return what each program is called with, and the same as a command."""
    kernel, fixed = (str(SAMPLES / name / "kernel.yaml") for name in (FOUNDING.name, "no-sme"))
    policy, case = str(SAMPLES / "gate" / "smecheck.yaml"), str(SAMPLES / "sosreport")
    vmlinux = tmp_path / "vmlinux"
    # It faults: nothing is run for long, and there is much to say.
    vmlinux.write_bytes(elf(patched({"map_live": b"\x0f\x0b"})))
    day = ("--today", "2026-11-28")
    return {
        "gate": (
            lambda: smecheck.gate(
                kernel,
                policy=policy,
                today=date(2026, 11, 28),
                ignore=["SME007"],
                min_slack=1 << 20,
            ),
            (
                *("gate", kernel, "--policy", policy, *day),
                *("--ignore", "SME007", "--min-slack", "1M"),
            ),
        ),
        "compare": (lambda: smecheck.compare(fixed, kernel), ("compare", fixed, kernel)),
        "triage": (
            lambda: smecheck.triage(case, cmdline="quiet nokaslr"),
            ("triage", case, "--cmdline", "quiet nokaslr"),
        ),
        "verify": (lambda: smecheck.verify(vmlinux), ("verify", str(vmlinux))),
    }


@pytest.mark.parametrize("name", ["gate", "compare", "triage", "verify"])
def test_a_program_answers_as_its_command_does(name: str, tmp_path: Path) -> None:
    call, command = programs(tmp_path)[name]
    answer = call()
    assert answer.to_dict() == run(*command, "--format", "json").document
    assert repr(answer).startswith(f"<{type(answer).__name__}")
    assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301 - made here


def test_the_functions_are_there_whatever_was_imported_before() -> None:
    code = "import smecheck.cli.main, smecheck; print(smecheck.triage, smecheck.verify)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.count("<function") == 2


def test_a_gate_ignores_rules_only() -> None:
    with pytest.raises(smecheck.UsageError, match="there is no rule 'SME999'"):
        smecheck.gate(str(SAMPLES / "no-sme" / "kernel.yaml"), ignore=["SME999"])


@pytest.mark.parametrize("given", ["machines", "kernels"])
def test_one_path_is_no_list_of_paths(given: str) -> None:
    """Its letters would be: ``/`` is this machine."""
    lists: dict[str, Any] = {"machines": [], "kernels": [SAMPLES / "no-sme" / "kernel.yaml"]}
    with pytest.raises(smecheck.UsageError, match=f"{given} is one path"):
        smecheck.fleet(**lists | {given: "inventory.jsonl"})
