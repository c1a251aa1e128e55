"""The ways into a CI, run as far as a machine alone can: by bash, by make, as the YAML they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import format_readers as readers
import pytest
import yaml
from commandline import ROOT, SAMPLES, environment

WAYS = ROOT / "docs" / "ci"
OLD = SAMPLES / "founding-failure" / "kernel.yaml"
NEW = SAMPLES / "debian-6.1-kexec" / "kernel.yaml"
PYTHON3 = """#!/bin/sh
# Stands for the interpreter that makes a venv: pip only notes what it is to install.
test "$1 $2" = "-m venv" || exit 99
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@" >> "%s"\\n' "{log}" > "$3/bin/pip"
printf '#!/bin/sh\\nexec "%s" -m smecheck "$@"\\n' "{python}" > "$3/bin/smecheck"
chmod +x "$3/bin/pip" "$3/bin/smecheck"
"""


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@dataclass
class Sandbox:
    """A folder in which the steps of a job run."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, script: str, shell: tuple[str, ...] = ("bash", "-eo", "pipefail", "-c")) -> Any:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            [*shell, script],
            cwd=self.folder,
            env=environment({"PYTHONPATH": str(ROOT), **self.variables, "PATH": path}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    (tmp_path / "bin").mkdir()
    python3 = tmp_path / "bin" / "python3"
    python3.write_text(PYTHON3.format(log=tmp_path / "pip.log", python=sys.executable))
    python3.chmod(0o755)
    (tmp_path / "kernel.yaml").write_bytes(NEW.read_bytes())
    return Sandbox(tmp_path)


def run_action(sandbox: Sandbox, **inputs: str) -> tuple[Any, dict[str, str]]:
    """Run the steps as GitHub's runner does: each by its shell, with what expressions stand for."""
    action = loaded(WAYS / "github" / "action.yml")
    known = {name: entry.get("default") for name, entry in action["inputs"].items()} | inputs
    files = {name: str(sandbox.folder / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    (sandbox.folder / "temp").mkdir(exist_ok=True)
    done = None
    for name in files:
        (sandbox.folder / name).touch()
    for step in action["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an expression in a script is code to the shell"
        given = {
            key: known[value.removeprefix("${{ inputs.").removesuffix(" }}")]
            for key, value in step.get("env", {}).items()
        }
        sandbox.variables = {
            **files,
            **given,
            "RUNNER_TEMP": str(sandbox.folder / "temp"),
            "GITHUB_ACTION_PATH": str(WAYS / "github"),
        }
        done = sandbox.run(step["run"])
        if done.returncode:
            break
    lines = sandbox.read("GITHUB_OUTPUT").splitlines()
    return done, dict(line.split("=", 1) for line in lines)


def test_action_passes_a_kernel_that_is_clear(sandbox: Sandbox) -> None:
    done, outputs = run_action(sandbox, kernel="kernel.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert readers.github(done.stdout)[0] == []
    assert "smecheck gate: PASS" in readers.html(sandbox.read("GITHUB_STEP_SUMMARY"))
    assert outputs["exit-code"] == "0"
    assert readers.sarif(Path(outputs["sarif"]).read_text())["results"] == []
    assert readers.junit(Path(outputs["junit"]).read_text())
    (installed,) = sandbox.read("pip.log").splitlines()
    assert Path(installed.split()[-1]).resolve() == ROOT


def test_action_fails_a_kernel_whose_workarea_is_nobodys(sandbox: Sandbox) -> None:
    done, outputs = run_action(sandbox, kernel=str(OLD), options="--fail-on\nnote\n")
    assert done.returncode == 1
    commands, _ = readers.github(done.stdout)
    assert commands[0].properties["title"] == "SME007 on kernel"
    assert "FAIL" in sandbox.read("GITHUB_STEP_SUMMARY")
    assert outputs["exit-code"] == "1"


def test_action_takes_a_policy(sandbox: Sandbox) -> None:
    policy = sandbox.folder / "a policy.yaml"
    policy.write_text(
        "schema: smecheck/policy-v1\nthresholds:\n  - {flavour: '*', min_slack: 1G}\n"
    )
    done, _ = run_action(sandbox, kernel="kernel.yaml", policy="a policy.yaml")
    assert done.returncode == 1
    (command,) = readers.github(done.stdout)[0]
    assert command.properties["title"] == "slack on kernel"


def test_action_has_no_reports_of_what_cannot_be_read(sandbox: Sandbox) -> None:
    run_action(sandbox, kernel="kernel.yaml")
    (sandbox.folder / "GITHUB_OUTPUT").unlink()
    done, outputs = run_action(sandbox, kernel="$(touch injected); nosuch")
    assert done.returncode == 3
    assert outputs == {"exit-code": "3"}
    assert readers.github(done.stdout)[0][0].name == "error"
    assert not (sandbox.folder / "injected").exists()


def run_gitlab(sandbox: Sandbox, **variables: str) -> Any:
    job = loaded(WAYS / "gitlab" / "smecheck.yml")[".smecheck"]
    sandbox.variables = {**job["variables"], **variables}
    return sandbox.run("\n".join(job["script"]))


def test_gitlab_passes_and_fails(sandbox: Sandbox) -> None:
    assert run_gitlab(sandbox, SMECHECK_KERNEL="kernel.yaml").returncode == 0
    assert run_gitlab(sandbox, SMECHECK_KERNEL=str(OLD)).returncode == 1
    assert sandbox.read("pip.log").splitlines() == ["install --quiet smecheck"] * 2


def test_gitlab_keeps_the_artifacts_that_the_script_writes(sandbox: Sandbox) -> None:
    job = loaded(WAYS / "gitlab" / "smecheck.yml")[".smecheck"]
    (sandbox.folder / "policy.yaml").write_text("schema: smecheck/policy-v1\n")
    run_gitlab(sandbox, SMECHECK_KERNEL=str(OLD), SMECHECK_OPTIONS="--policy policy.yaml")
    assert job["artifacts"]["when"] == "always"
    assert readers.junit(sandbox.read(job["artifacts"]["reports"]["junit"]))
    (summary,) = job["artifacts"]["paths"]
    assert "policy policy.yaml" in sandbox.read(summary)


def check_schema(schema: str, path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_files_follow_the_schemas_of_their_ci() -> None:
    check_schema("vendor.github-actions", WAYS / "github" / "action.yml")
    check_schema("vendor.gitlab-ci", WAYS / "gitlab" / "smecheck.yml")


KERNEL_MAKEFILE = """
# What the kernel's own Makefiles give to a fragment: 6.12, Makefile, scripts/Kbuild.include and
# arch/x86/Makefile.
Q = @
kecho = echo
KBUILD_IMAGE := arch/x86/boot/bzImage
KCONFIG_CONFIG ?= .config
bzImage: ; @echo built >> log
PHONY += bzImage
include {fragment}
.PHONY: $(PHONY)
"""


def make(sandbox: Sandbox, *arguments: str) -> Any:
    text = KERNEL_MAKEFILE.format(fragment=WAYS / "smecheck.mk")
    (sandbox.folder / "Makefile").write_text(text)
    program = sandbox.folder / "bin" / "smecheck"
    program.write_text(f'#!/bin/sh\necho "$*" >> log\nexec "{sys.executable}" -m smecheck "$@"\n')
    program.chmod(0o755)
    return sandbox.run("smecheck", ("make", *arguments))


def test_make_builds_then_checks(sandbox: Sandbox) -> None:
    (sandbox.folder / "vmlinux").write_bytes(NEW.read_bytes())
    done = make(sandbox, "SMECHECKFLAGS=--report ktap=report")
    # There is no bzImage: it was asked for, and that ends make.
    assert sandbox.read("log").splitlines() == [
        "built",
        "gate vmlinux --bzimage arch/x86/boot/bzImage --config .config --report ktap=report",
    ]
    assert done.returncode == 2
    assert "Error 3" in done.stderr
    assert "SMECHK  arch/x86/boot/bzImage" in done.stdout


HOOKS = ROOT / ".pre-commit-hooks.yaml"


@pytest.mark.parametrize(("kernel", "status"), [(NEW, 0), (OLD, 1)])
def test_hook_runs_what_it_names(kernel: Path, status: int, sandbox: Sandbox) -> None:
    (hook,) = loaded(HOOKS)
    assert hook["language"] == "python"
    assert hook["pass_filenames"] is False
    program, *arguments = hook["entry"].split()
    assert program == "smecheck"
    call = (sys.executable, "-m", "smecheck", *arguments)
    assert sandbox.run(str(kernel), call).returncode == status


PAGE = (ROOT / "docs" / "ci.md").read_text()
README = (ROOT / "README.md").read_text().partition("## In a CI")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE + README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_page_shows_what_can_be_parsed_and_names_what_is_there(block: str) -> None:
    assert yaml.safe_load(block)
    assert len(block.splitlines()) <= 15
    for action in re.findall(r"uses: \./smecheck/([\w/]+)", block):
        assert (ROOT / action / "action.yml").is_file()
    for hook in re.findall(r"- id: (\S+)", block):
        assert hook in [known["id"] for known in loaded(HOOKS)]
    for job in re.findall(r"extends: (\S+)", block):
        assert job in loaded(WAYS / "gitlab" / "smecheck.yml")


def test_pages_show_them_all() -> None:
    assert len(BLOCKS) == 4
    assert "cp docs/ci/smecheck.mk LINUX/scripts/" in PAGE


def test_readme_has_a_whole_workflow(sandbox: Sandbox) -> None:
    workflow = sandbox.folder / "workflow.yml"
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    workflow.write_text(block)
    check_schema("vendor.github-workflows", workflow)
    (job,) = yaml.safe_load(block)["jobs"].values()
    (gate,) = [step for step in job["steps"] if "smecheck" in step.get("uses", "")]
    bzimage = sandbox.folder / gate["with"]["kernel"]
    bzimage.parent.mkdir(parents=True)
    bzimage.write_bytes(NEW.read_bytes())
    done, _ = run_action(sandbox, **gate["with"])
    assert done.returncode == 0
