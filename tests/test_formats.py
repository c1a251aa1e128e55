"""The formats for other programs, each read by a program that is not ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import format_readers as readers
import pytest
from recorded import DATA
from report_samples import SAMPLES, clear, collision, not_applicable, retold, undecided

from smecheck.answer import Report
from smecheck.checks.catalogue import RULES
from smecheck.checks.finding import Severity
from smecheck.checks.tolerance import Tolerance
from smecheck.errors import InternalError, MalformedInput, SmecheckError, UnreadableInput
from smecheck.record import replace
from smecheck.report import docs_address
from smecheck.report.options import Format, RenderOptions
from smecheck.report.render import render, render_error

FORMATS = [form for form in Format if not form.is_for_people]
HOSTILE = (
    "[/boot](http://evil.example) ![x](y) <script>alert(1)</script> <!-- &amp;",
    "\x1b[31mred\x07 \x9b31m \x00",
    "x" * 10_000,
    "\u202eevil\u2066 \u2028 \udcff \ufffe\uffff \U0001f4a9",
    "a\nok 1 - b\r\nnot ok 2 # SKIP\n::error::c\n##[error]d\n]]>",
    "@torvalds #123 !7 www.evil.example https://evil.example mail@evil.example",
    "# SKIP not really # TODO %0A %25 {0} ](x) ::error::",
    "| - * ` `` ``` ~~gone~~ __init__ *x* \\",
    "1. one",
    "   indented",
    "",
)
FAILURES = (
    UnreadableInput("no such file or directory", where="vmlinux", help_text="check the name"),
    MalformedInput("a\nb\x1b[2J", where="k,e:r\n%nel.yaml:7:10", help_text="\udcff @x"),
    InternalError.of(RuntimeError("gone")),
)


def written(report: Report, form: Format, *, status: int = 1, **tolerated: object) -> str:
    tolerance = replace(Tolerance(), **tolerated)
    options = RenderOptions(False, False, 80, True, status, tolerance)
    text = render(report, form, options)
    assert text.endswith("\n")
    text.encode()
    return text


def ignoring(*rules: str) -> dict[str, object]:
    return {"ignored": rules}


def read(form: Format, text: str) -> object:
    match form:
        case Format.JSON:
            return json.loads(text)
        case Format.MARKDOWN:
            return readers.html(text)
        case _:
            return getattr(readers, form.value)(text)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_every_verdict_is_read(sample: Callable[[], Report], form: Format) -> None:
    assert read(form, written(sample(), form))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_breaks_no_format(text: str, form: Format) -> None:
    found = written(retold(collision(), text), form)
    assert read(form, found)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", found)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("error", FAILURES, ids=lambda error: error.code)
def test_failures_are_read(error: SmecheckError, form: Format) -> None:
    found = render_error(error, form)
    assert found.endswith("\n")
    read(form, found)
    assert error.message.split("\n")[0] in found


@pytest.mark.parametrize("form", FORMATS)
def test_same_report_same_bytes(form: Format) -> None:
    assert written(collision(), form) == written(collision(), form)


# JUnit


def test_junit_has_a_case_for_every_rule() -> None:
    text = written(collision(), Format.JUNIT)
    (suite,) = readers.junit(text)
    results = readers.junit_results(text)
    assert list(results) == ["verdict", *RULES]
    assert {case for case, result in results.items() if result} == {"verdict", "SME001"}
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (len(RULES) + 1, 2, 0, 0)
    (failure,) = results["SME001"]
    assert "boot_params" in failure.text
    assert "[0x7df50000, 0x7df54000), all of boot_params" in failure.text
    warning = next(case for case in suite if case.name.startswith("SME006"))
    assert "outside the crash reservation" in warning.system_out


@pytest.mark.parametrize(
    ("sample", "tolerated", "kind", "count"),
    [
        (undecided, {}, "errors", 1),
        (undecided, {"allow_undecided": True}, "failures", 0),
        (undecided, {"exit_zero": True}, "failures", 0),
        (clear, {}, "failures", 0),
        (not_applicable, {}, "failures", 0),
        (collision, {"exit_zero": True}, "failures", 0),
        (collision, ignoring("SME001"), "failures", 0),
        (collision, {"fail_on": Severity.WARNING}, "failures", 3),
    ],
)
def test_junit_fails_where_the_exit_status_does(
    sample: Callable[[], Report], tolerated: dict[str, object], kind: str, count: int
) -> None:
    (suite,) = readers.junit(written(sample(), Format.JUNIT, **tolerated))
    assert getattr(suite, kind) == count
    assert suite.failures + suite.errors == count


def test_junit_says_why_a_rule_was_not_asked() -> None:
    results = readers.junit_results(written(undecided(), Format.JUNIT))
    (skipped,) = results["SME001"]
    assert "segments" in skipped.message
    (skipped,) = readers.junit_results(written(not_applicable(), Format.JUNIT))["verdict"]
    assert skipped.message.endswith("the kernel has no SME code")


def test_junit_says_what_was_ignored() -> None:
    text = written(collision(), Format.JUNIT, **ignoring("SME001"))
    (skipped,) = readers.junit_results(text)["SME001"]
    assert skipped.message.startswith("--ignore SME001: error: ")


# KTAP


def test_ktap_tells_what_failed() -> None:
    results = readers.ktap(written(collision(), Format.KTAP))
    assert len(results) == len(RULES) + 1
    failed = [result.description for result in results if not result.ok]
    assert [name.split()[1] for name in failed] == ["verdict:", "SME001:"]
    assert not any(result.skip for result in results)


def test_ktap_knows_open_skipped_and_ignored() -> None:
    first, *others = readers.ktap(written(undecided(), Format.KTAP))
    assert not first.ok
    assert first.directive.text.startswith("ERROR undecided")
    assert all(result.ok for result in others)
    assert any(result.skip for result in others)
    first, second, *_ = readers.ktap(written(collision(), Format.KTAP, **ignoring("SME001")))
    assert first.ok
    assert second.ok
    assert first.skip
    assert second.skip


def test_ktap_titles_begin_no_directive() -> None:
    assert not any("#" in rule.title for rule in RULES.values())


def test_ktap_bails_out_of_what_cannot_be_read() -> None:
    assert "\nBail out! vmlinux: no such file" in render_error(FAILURES[0], Format.KTAP)


# KCIDB


def statuses(text: str) -> dict[str, str]:
    return {row["path"]: row["status"] for row in readers.kcidb(text)}


def test_kcidb_has_a_row_for_every_rule() -> None:
    rows = readers.kcidb(written(collision(), Format.KCIDB))
    assert [row["path"] for row in rows] == [f"smecheck.{case}" for case in ("verdict", *RULES)]
    assert len({row["id"] for row in rows}) == len(rows)
    assert statuses(written(collision(), Format.KCIDB))["smecheck.SME001"] == "FAIL"
    assert statuses(written(collision(), Format.KCIDB))["smecheck.SME006"] == "PASS"


@pytest.mark.parametrize(
    ("sample", "tolerated", "status"),
    [
        (clear, {}, "PASS"),
        (collision, {}, "FAIL"),
        (collision, {"exit_zero": True}, "DONE"),
        (undecided, {}, "ERROR"),
        (undecided, {"allow_undecided": True}, "DONE"),
        (not_applicable, {}, "SKIP"),
    ],
)
def test_kcidb_knows_every_verdict(
    sample: Callable[[], Report], tolerated: dict[str, object], status: str
) -> None:
    assert statuses(written(sample(), Format.KCIDB, **tolerated))["smecheck.verdict"] == status


def test_kcidb_rows_belong_to_the_build_that_is_named() -> None:
    options = RenderOptions(False, False, 80, True, 1, kcidb_build="my_ci:build-7")
    rows = readers.kcidb(render(collision(), Format.KCIDB, options))
    assert {(row["origin"], row["build_id"]) for row in rows} == {("my_ci", "my_ci:build-7")}
    assert all(row["id"].startswith("my_ci:") for row in rows)


def test_kcidb_misses_what_cannot_be_read() -> None:
    (row,) = readers.kcidb(render_error(FAILURES[0], Format.KCIDB))
    assert row["status"] == "MISS"


# SARIF


def test_sarif_places_every_result() -> None:
    run = readers.sarif(written(collision(), Format.SARIF))
    assert [result["ruleId"] for result in run["results"]] == [
        finding.rule for finding in collision().findings
    ]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "build/vmlinux"
        assert place["region"]["startLine"] == 1
    address = run["results"][0]["locations"][0]["physicalLocation"]["address"]
    assert (address["absoluteAddress"], address["length"]) == (0x7DF50000, 0x4000)
    assert run["invocations"] == [{"executionSuccessful": True, "exitCode": 1}]


def test_sarif_rules_have_help() -> None:
    rules = readers.sarif(written(clear(), Format.SARIF))["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [*RULES, "undecided"]
    assert all(rule["help"]["text"] and rule["help"]["markdown"] for rule in rules)
    assert all(rule["fullDescription"]["text"] for rule in rules)
    assert all(re.fullmatch("[A-Z][a-z0-9]+([A-Z][a-z0-9]+)+", rule["name"]) for rule in rules)


def test_sarif_links_to_the_site_as_soon_as_it_has_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = readers.sarif(written(clear(), Format.SARIF))["tool"]["driver"]
    assert "informationUri" not in driver
    assert not any("helpUri" in rule for rule in driver["rules"])
    monkeypatch.setattr(docs_address, "SITE", "https://smecheck.example")
    driver = readers.sarif(written(clear(), Format.SARIF))["tool"]["driver"]
    assert driver["informationUri"] == "https://smecheck.example/index.html"
    assert driver["rules"][0]["helpUri"] == "https://smecheck.example/rules.html#sme001"
    assert all(rule["helpUri"] for rule in driver["rules"])


def test_sarif_holds_no_address_that_microsofts_tools_cannot_read() -> None:
    """Above 31 bits their validator reads nothing of the file, and says nothing."""
    run = readers.sarif(written(collision(0x17D200000), Format.SARIF))
    addresses = [
        result["locations"][0]["physicalLocation"].get("address", {}) for result in run["results"]
    ]
    assert not any("absoluteAddress" in address for address in addresses)
    assert addresses[0]["fullyQualifiedName"] == "[0x17df50000, 0x17df54000)"
    assert run["results"][0]["properties"]["start"] == "0x17df50000"


def test_sarif_fingerprints_are_of_one_finding_and_of_no_address() -> None:
    def fingerprints(report: Report) -> list[str]:
        results = readers.sarif(written(report, Format.SARIF))["results"]
        return [result["partialFingerprints"]["smecheck/v1"] for result in results]

    found = fingerprints(collision())
    assert len(set(found)) == len(found) == len(collision().findings)
    assert fingerprints(collision(0x7D400000)) == found


def test_sarif_leaves_open_what_is_open() -> None:
    results = readers.sarif(written(undecided(), Format.SARIF, status=4))["results"]
    (result,) = [result for result in results if result["ruleId"] == "undecided"]
    assert (result["kind"], result["level"]) == ("open", "none")
    assert result["locations"]


def test_sarif_suppresses_what_is_ignored() -> None:
    run = readers.sarif(written(collision(), Format.SARIF, **ignoring("SME001")))
    for result in run["results"]:
        assert ("suppressions" in result) is (result["ruleId"] == "SME001")


@pytest.mark.parametrize(
    ("name", "uri", "base"),
    [
        ("/boot/vmlinuz", "boot/vmlinuz", "FILESYSTEM"),
        ("./build//vmlinux", "build/vmlinux", None),
        ("../vmlinux", "../vmlinux", None),
        ("-", "stdin", None),
        ("a:b c%?#\udcff", "a%3Ab%20c%25%3F%23%FF", None),
    ],
)
def test_sarif_names_files_by_relative_uris(name: str, uri: str, base: str | None) -> None:
    report = collision()
    renamed = replace(report, image=replace(report.image, source=name))
    result = readers.sarif(written(renamed, Format.SARIF))["results"][0]
    artifact = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert (artifact["uri"], artifact.get("uriBaseId")) == (uri, base)


def test_sarif_texts_hold_neither_links_nor_placeholders() -> None:
    run = readers.sarif(written(retold(collision(), "[a](http://b) {0}"), Format.SARIF))
    text = run["results"][0]["message"]["text"]
    assert "](" not in text
    assert "{{0}}" in text


def test_sarif_failures_are_no_result() -> None:
    run = readers.sarif(render_error(FAILURES[1], Format.SARIF))
    (invocation,) = run["invocations"]
    assert run["results"] == []
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 3
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["locations"][0]["physicalLocation"]["region"]["startLine"] == 7


# GitHub


def test_github_annotates_every_finding() -> None:
    commands, log = readers.github(written(collision(), Format.GITHUB))
    assert [command.name for command in commands] == ["error"] * 4 + ["warning"]
    assert commands[0].properties == {
        "file": "build/vmlinux",
        "line": "1",
        "title": f"SME001: {RULES['SME001'].title}",
    }
    assert commands[0].message.split("\n")[1] == "at: [0x7df50000, 0x7df54000), all of boot_params"
    assert len(log) == 1


def test_github_is_quiet_about_what_is_clear() -> None:
    commands, log = readers.github(written(clear(), Format.GITHUB, status=0))
    assert commands == []
    assert log[0].startswith("smecheck: clear (proof): ")


@pytest.mark.parametrize(("allowed", "name"), [(False, "error"), (True, "notice")])
def test_github_shows_an_open_verdict(allowed: bool, name: str) -> None:
    text = written(undecided(), Format.GITHUB, allow_undecided=allowed)
    (command,) = [c for c in readers.github(text)[0] if c.properties["title"].endswith("undecided")]
    assert command.name == name


def test_github_notes_what_is_ignored() -> None:
    commands, _ = readers.github(written(collision(), Format.GITHUB, **ignoring("SME001")))
    assert [command.name for command in commands] == ["notice"] * 4 + ["warning"]
    assert commands[0].message.endswith("not counted: --ignore SME001")


def test_github_places_a_failure() -> None:
    (command,), _ = readers.github(render_error(FAILURES[1], Format.GITHUB))
    assert command.name == "error"
    assert (command.properties["file"], command.properties["line"]) == ("k,e:r\\x0a%nel.yaml", "7")


def test_github_commands_are_written_as_its_own_toolkit_does() -> None:
    expected = (DATA / "github" / "commands.txt").read_text()
    error = MalformedInput("50% of a:b,c", where="a,b:c%d.yaml:7:10", help_text="x")
    assert render_error(error, Format.GITHUB) == expected


# Markdown


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_makes_nothing_of_hostile_text(text: str) -> None:
    def tags(report: Report) -> list[str]:
        found = re.findall(r"<(/?\w+)[^>]*>", readers.html(written(report, Format.MARKDOWN)))
        return [tag for tag in found if tag.lstrip("/") != "code"]

    page = readers.html(written(retold(collision(), text), Format.MARKDOWN))
    assert not re.search(r"<(a|img|script|del|em|input|h[1256])\b", page)
    assert "raw HTML omitted" not in page
    outside = re.sub(r"<code>.*?</code>", "", page)
    assert not re.search(r"@|#\d|!\d", outside)
    if text.strip():
        assert tags(retold(collision(), text)) == tags(retold(collision(), "harmless"))


def test_markdown_says_it_all() -> None:
    page = readers.html(written(collision(), Format.MARKDOWN))
    assert "<h3>smecheck: COLLISION (machine)</h3>" in page
    assert "<td>[0x7dc16000, 0x7de00000)</td>" in page
    assert page.count("<strong>ERROR SME001</strong>") == 4
    assert "exit 1" in page
    heads = re.findall(r"<h4>([A-Z][a-z ]+)", page)
    assert heads[:3] == ["Findings", "Do now", "Placement "]
    assert "<li>boot it with mem_encrypt=off</li>" in page.partition("<h4>Do now</h4>")[2]
    assert page.count("next: boot it with mem_encrypt=off") == 1


def test_the_hypothetical_scheme_is_a_line_where_it_teaches_nothing() -> None:
    page = written(clear(), Format.MARKDOWN)
    assert "|  | init-scratch (this kernel, place undetermined) |\n|---|---|\n" in page
    assert "after-end (hypothetical): \\_text + [0x3600000, 0x3a00000), owner nobody" in page
    assert "(hypothetical) |" in written(collision(), Format.MARKDOWN)
