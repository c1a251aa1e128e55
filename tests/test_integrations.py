"""The rule for insights-core and the scenario for hotsos, run where those are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INTEGRATIONS = ROOT / "samples/integrations"
COLLISION = ROOT / "samples/sosreport"


def told(tool: str, *arguments: str | Path) -> str:
    """What `tool` prints, its lines joined."""
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"{tool} is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        [program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(INTEGRATIONS)},
    )
    return " ".join(run.stdout.split())


def insights(archive: Path) -> str:
    return told("insights-run", "-p", "smecheck_triage", archive)


def hotsos(archive: Path) -> str:
    return told(
        "hotsos", "--kernel", "--quiet", "--short", "--defs-path", INTEGRATIONS / "hotsos", archive
    )


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    """A sosreport that says next to nothing."""
    (tmp_path / "sos_commands/kdump").mkdir(parents=True)
    (tmp_path / "sos_commands/kdump/kdumpctl_status").write_text("")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cmdline").write_text("root=/dev/sda1 crashkernel=256M\n")
    return tmp_path


def test_the_rule_of_insights_fails_where_there_is_a_collision() -> None:
    found = insights(COLLISION)
    assert "[FAIL] smecheck_triage.report" in found
    assert "the workarea collides with boot_params" in found
    assert "do: put mem_encrypt=off into" in found


def test_the_rule_of_insights_neither_passes_nor_fails_what_is_not_known(unknown: Path) -> None:
    assert "[INFO] smecheck_triage.report" in insights(unknown)


def test_the_scenario_of_hotsos_raises_a_collision() -> None:
    found = hotsos(COLLISION)
    assert "KernelErrors" in found
    assert "the workarea collides with boot_params" in found


def test_the_scenario_of_hotsos_is_silent_about_what_is_not_known(unknown: Path) -> None:
    assert "smecheck" not in hotsos(unknown)
