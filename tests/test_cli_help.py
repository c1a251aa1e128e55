"""What smecheck tells of itself: version, help with examples that work, rules, schemas."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from importlib.metadata import version
from importlib.resources import files

import pytest
from commandline import ROOT, Run, call, run
from jsonschema import Draft202012Validator
from test_cli_behaviour import on_terminal

from smecheck import __version__
from smecheck.answer import Basis, Verdict
from smecheck.checks.catalogue import RULES
from smecheck.checks.finding import Confidence, Severity
from smecheck.cli.help_groups import GROUPS, OTHERS
from smecheck.errors import ExitCode
from smecheck.kernel.image import Scheme
from smecheck.report.rule_pages import rule_text
from smecheck.report.terms import term_of
from smecheck.workarea.placement import Owner

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
    every = run("analyze", "--help-all").out
    assert options <= option_names(every)
    assert max(map(len, every.split("\n"))) <= 100


def option_names(shown: str) -> set[str]:
    return set(re.findall(r"(?<!\S)-{1,2}[a-z-]+", shown))


def listed_options(shown: str) -> list[str]:
    """Return the options that have a line of their own, as they come."""
    options = re.split(r"^[A-Z][a-z ]+:$", shown, maxsplit=1, flags=re.MULTILINE)[-1]
    return re.findall(r"^  (?:-\w, )?(--?[a-z-]+)", options, re.MULTILINE)


@pytest.mark.parametrize("command", ["analyze", "compare", "fleet", "gate", "triage", "verify"])
def test_help_has_groups_and_the_common_options_first(command: str) -> None:
    short, every = help_of(command).out, run(command, "--help-all").out
    groups = re.findall(r"^([A-Z][a-z ]+):$", every, re.MULTILINE)
    known = [*GROUPS, OTHERS]
    assert groups == [group for group in known if group in groups]
    assert len(groups) >= 3
    common, all_of_them = listed_options(short), listed_options(every)
    assert len(set(all_of_them)) == len(all_of_them)
    assert [option for option in all_of_them if option in common] == common
    (hidden,) = re.findall(rf"(\d+) more options: (?:\S+ )*smecheck {command} --help-all", short)
    assert len(all_of_them) - len(common) == int(hidden)
    assert "more options" not in every


def test_every_option_is_in_a_group_that_says_what_it_is_about() -> None:
    _, _, others = run("analyze", "--help-all").out.partition(f"{OTHERS}:\n")
    assert listed_options(others.partition("\n\n")[0]) == ["--help-all", "--help"]


@pytest.mark.parametrize(
    ("word", "said", "next_step"),
    [
        ("anlyze", "; did you mean analyze?", "smecheck analyze --help"),
        ("explian", "; did you mean explain?", "smecheck explain --help"),
        ("README.md", "", "smecheck analyze README.md"),
        ("nonsense", "", "smecheck --help"),
    ],
)
def test_a_command_that_is_none(word: str, said: str, next_step: str) -> None:
    found = run(word, cwd=ROOT)
    assert (found.status, found.raw) == (2, b"")
    message = f"there is no command {word!r}{said} (nothing was analyzed)"
    assert found.problem == (message, next_step)


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
    assert found.out.startswith("SME001 The workarea is written over a segment\n")
    text, shown = rule_text(rule), " ".join(found.out.split())
    for part in (text.checks, text.matters, text.passes, text.fails, text.sources, rule.remedy):
        assert " ".join(part.replace("`", "").split()) in shown
    assert not set("#*`\x1b") & set(found.out)
    assert run("explain", "sme001") == found
    narrow = run("explain", "SME001", env={"COLUMNS": "50"}).out
    assert " ".join(narrow.split()) == shown
    assert max(map(len, narrow.split("\n"))) <= 50


def test_explain_is_bold_on_a_terminal_and_paged() -> None:
    assert "\x1b[1mWhy it matters\x1b[0m" in on_terminal("explain", "SME001").out
    paged = on_terminal("explain", "SME001", rows=5, env={"PAGER": "head -n 1", "NO_COLOR": "1"})
    assert paged.out == "SME001 The workarea is written over a segment\n"


WORDS = [
    *(member.value for words in (Verdict, Basis, Owner, Severity, Confidence) for member in words),
    *(scheme.value for scheme in Scheme),
    *(str(code.value) for code in ExitCode),
    *("in_place", "written-end", "WORST END", "mapped_end", "slack", "margin", "fail_on"),
]


@pytest.mark.parametrize("word", [word for word in WORDS if word != "unknown"])
def test_every_word_of_a_report_is_explained(word: str) -> None:
    found = call("explain", word)
    assert (found.status, found.err) == (0, "")
    name, kind, _, *meaning = found.out.splitlines()
    assert name == word.lower().replace("_", "-").replace(" ", "-")
    assert kind.startswith("  (")
    assert meaning


def test_every_key_of_a_policy_is_explained() -> None:
    policy = json.loads((files("smecheck") / "schemas" / "policy-v1.json").read_text())
    for key in policy["properties"]:
        assert key == "schema" or term_of(key) is not None, key


@pytest.mark.parametrize("name", ["nonsense", "SME", "SME0001", "5", ""])
def test_explain_what_is_no_rule(name: str) -> None:
    found = run("explain", name)
    assert (found.status, found.raw) == (2, b"")
    error, help_text = found.problem
    assert repr(name) in error
    assert "smecheck rules" in help_text
    assert ("did you mean" in error) is (name in ("SME", "SME0001"))


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
