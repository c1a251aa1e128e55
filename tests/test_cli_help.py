"""What smecheck tells of itself: version, help with examples that work, rules, schemas."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from importlib.metadata import version
from importlib.resources import files

import pytest
from commandline import Run, run
from jsonschema import Draft202012Validator

from smecheck import __version__
from smecheck.checks.catalogue import RULES
from smecheck.errors import ExitCode
from smecheck.report.rule_pages import rule_text

COMMANDS = (
    *("analyze", "compare", "completion", "describe", "explain", "fleet", "gate", "policy"),
    *("rules", "schema", "triage", "verify"),
)
SCHEMAS = sorted(path.name for path in (files("smecheck") / "schemas").iterdir())


@cache
def help_of(command: str) -> Run:
    return run(*command.split(), "--help")


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option: str) -> None:
    found = run(option)
    assert (found.status, found.err) == (0, "")
    (line,) = found.out.splitlines()
    assert line.startswith(f"smecheck {__version__} (python ")
    for package in ("pyelftools", "cramjam", "click", "rich"):
        assert f", {package} {version(package)}" in line


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command: str) -> None:
    found = help_of(command)
    assert (found.status, found.err) == (0, "")
    assert found.out.startswith("Usage: ")
    assert max(map(len, found.out.split("\n"))) <= 100
    assert run(*command.split(), "-h") == found


def test_help_lists_the_commands() -> None:
    listed = re.findall(r"^  (\w+)  +\S", help_of("").out, re.MULTILINE)
    assert tuple(listed) == COMMANDS


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_examples_that_the_program_understands(command: str) -> None:
    _, _, epilog = help_of(command).out.partition("Examples:\n")
    lines = [line.strip() for line in epilog.partition("\n\n")[0].splitlines()]
    calls = [shlex.split(line[line.index("smecheck") :]) for line in lines]
    assert calls
    for program, *arguments in calls:
        assert program == "smecheck"
        assert command in ("", arguments[0])
        # Unknown options and values come before --help, missing files after it.
        assert run(*arguments, "--help").status == 0


def test_help_names_the_exit_codes() -> None:
    for command in ("", "analyze"):
        _, _, table = help_of(command).out.partition("Exit codes")
        named = {int(number) for number in re.findall(r"(?:^| )(\d+)  +\w", table, re.MULTILINE)}
        assert named == {code.value for code in ExitCode if code < 128}


def test_help_of_analyze_has_the_options_of_the_contract() -> None:
    options = {
        *("--iomem", "--segments", "--load-address", "--initrd", "--cmdline", "--path", "--loader"),
        *("--mode", "--kaslr", "--sme", "--paging", "--format", "--explain", "-o", "--report"),
        *("--fail-on", "--allow-undecided", "--exit-zero", "--ignore", "--color", "--debug", "-q"),
    }
    assert options <= set(re.findall(r"(?<!\S)-{1,2}[a-z-]+", help_of("analyze").out))


def test_rules_are_all_listed() -> None:
    found = run("rules")
    assert (found.status, found.err) == (0, "")
    lines = [line.split(maxsplit=2) for line in found.out.splitlines()]
    told = [(rule.id, rule.severity.value, rule.title) for rule in RULES.values()]
    assert [tuple(line) for line in lines] == told


def test_explain() -> None:
    found = run("explain", "SME001")
    assert (found.status, found.err) == (0, "")
    rule = RULES["SME001"]
    assert found.out.startswith("## SME001\n")
    text = rule_text(rule)
    for part in (text.checks, text.matters, text.passes, text.fails, text.sources):
        assert part in found.out
    assert rule.remedy in found.out
    assert run("explain", "sme001") == found


@pytest.mark.parametrize("name", ["nonsense", "SME", "SME0001", "1", ""])
def test_explain_what_is_no_rule(name: str) -> None:
    found = run("explain", name)
    assert (found.status, found.raw) == (2, b"")
    error, help_text = found.problem
    assert repr(name) in error
    assert "smecheck rules" in help_text


@pytest.mark.parametrize("file", SCHEMAS)
def test_every_schema_is_printed(file: str) -> None:
    name = file.removesuffix(".json")
    found = run("schema", name)
    assert (found.status, found.err) == (0, "")
    schema = json.loads(found.raw)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"smecheck/{name}"
    assert found.out.endswith("}\n")
    assert name in help_of("schema").out


def test_without_arguments_the_help_is_shown() -> None:
    found = run()
    assert (found.status, found.raw) == (2, b"")
    assert found.err == help_of("").out


def test_a_missing_argument_is_one_line_with_the_choices() -> None:
    found = run("schema")
    assert (found.status, found.raw) == (2, b"")
    assert "\\x" not in found.err
    (line,) = [line for line in found.err.splitlines() if "Missing argument" in line]
    assert all(file.removesuffix(".json") in line for file in SCHEMAS)
