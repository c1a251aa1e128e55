"""Every rule that is asked has an outcome, and one that could not be asked says why."""

from __future__ import annotations

import json

import pytest
from commandline import run, sample, validator
from recorded import kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Report
from smecheck.asked import BootRequest, Switch, asked_by_options
from smecheck.case import Case
from smecheck.checks import (
    apply,
    build,
    early_code,
    machine_code,
    ownership,
    section,
)
from smecheck.checks.catalogue import RULES
from smecheck.checks.finding import Effect, Outcome, RuleResult, Severity
from smecheck.checks.rule import Rule
from smecheck.kernel.image import KernelImage
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.report.rule_pages import rule_text
from smecheck.span import Span

ERROR = Severity.ERROR

RUN = {rule.id for rule in machine_code.RULES}
"""The rules that are asked where the machine code was run (--verify), and only there."""

OLD = kernel("5.0-old")
NEW = kernel("6.1.0-56-cloud-amd64")
KERNEL = Span.sized(0x10000000, 0xD41000)
IOMEM = parse_iomem("00001000-0009ffff : System RAM\n00100000-7ffdffff : System RAM\n", "iomem")


def results(report: Report) -> dict[str, RuleResult]:
    return {result.rule: result for result in report.checks}


def outcomes(report: Report, outcome: Outcome) -> set[str]:
    return {result.rule for result in report.checks if result.outcome is outcome}


def bare(image: KernelImage, **request: object) -> Report:
    return analyze(Case(image, asked_by_options(**request)))  # type: ignore[arg-type]


def test_a_bare_kernel_is_asked_what_needs_no_machine() -> None:
    asked = set(results(bare(NEW)))
    families = (build, section, early_code, ownership)
    assert asked == {rule.id for family in families for rule in family.RULES}
    assert {rule.id for rule in RULES.values() if rule.static} - RUN <= asked


def test_a_machine_is_asked_everything() -> None:
    load = segment_list(kernel=KERNEL, boot_params=Span(0x98000, 0x9A000))
    report = analyze(Case(OLD, BootRequest(kaslr=Switch.OFF), load, IOMEM))
    assert set(results(report)) == set(RULES) - RUN
    assert [result.rule for result in report.checks] == sorted(set(RULES) - RUN)


def test_failed_are_those_with_findings_and_passed_have_no_reason() -> None:
    load = segment_list(kernel=KERNEL, boot_params=Span(0x10E06000, 0x10E07000))
    report = analyze(Case(OLD, BootRequest(kaslr=Switch.OFF), load, IOMEM))
    assert outcomes(report, Outcome.FAILED) == {finding.rule for finding in report.findings}
    assert "SME001" in outcomes(report, Outcome.FAILED)
    for result in report.checks:
        told = result.outcome in (Outcome.SKIPPED, Outcome.NOT_APPLICABLE)
        assert bool(result.reason) is told
        assert bool(result.findings) is (result.outcome is Outcome.FAILED)


@pytest.mark.parametrize(
    ("rule", "report", "outcome", "reason"),
    [
        ("SME007", bare(replace(NEW, header=OLD.header)), "skipped", "because SME026 failed"),
        ("SME029", bare(replace(NEW, header=bare(OLD).image.header)), "skipped", "SME026 failed"),
        ("SME030", bare(NEW), "skipped", "configuration is not known"),
        ("SME011", bare(OLD), "not-applicable", "no section .init.scratch"),
        ("SME011", bare(NEW, sme=Switch.OFF), "not-applicable", "SME is off (--sme off)"),
        ("SME026", bare(NEW, sme=Switch.OFF), "passed", ""),
        ("SME027", bare(replace(NEW, loads=())), "skipped", "program headers"),
    ],
)
def test_reason(rule: str, report: Report, outcome: str, reason: str) -> None:
    result = results(report)[rule]
    assert result.outcome.value == outcome
    assert reason in result.reason


def test_unknown_owner_is_no_pass() -> None:
    headless = replace(bare(kernel("5.0-old")).image, header=replace(OLD.header))
    headless = replace(headless, header=type(OLD.header)())
    result = results(bare(headless))["SME007"]
    assert result.outcome is Outcome.SKIPPED
    assert "init_size is not known" in result.reason


def test_without_segments_a_machine_says_what_it_could_not_ask() -> None:
    report = analyze(Case(OLD, BootRequest(load_address=0x10000000), None, IOMEM))
    result = results(report)["SME001"]
    assert result.outcome is Outcome.SKIPPED
    assert result.reason == "no segments of a load are known"


def test_a_rule_comes_behind_those_that_it_builds_on() -> None:
    seen: set[str] = set()
    load = segment_list(kernel=KERNEL)
    situation = type(
        "Situation",
        (),
        {
            "segments": load,
            "memory": IOMEM,
            "firmware": None,
            "log": None,
            "verification": object(),
        },
    )()
    for rule in apply.applicable(situation):
        assert set(rule.after) <= seen
        seen.add(rule.id)
    assert seen == set(RULES)


def test_what_can_make_a_verdict_is_not_skipped_because_of_what_cannot() -> None:
    for rule in RULES.values():
        if rule.can_decide:
            severe = [RULES[other] for other in rule.after if RULES[other].severity is ERROR]
            assert all(other.can_decide for other in severe)
    assert not any(RULES[other].is_of_places for rule in RULES.values() for other in rule.after)
    assert {rule.effect for rule in RULES.values() if rule.can_decide} == {*Effect}


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_documentation_has_all_parts(rule: Rule) -> None:
    text = rule_text(rule)
    for part in (text.checks, text.matters, text.passes, text.fails, text.sources):
        assert part.strip()
    assert text.checks.endswith(".")
    assert "Passes:" not in text.matters


def test_rules_as_json() -> None:
    document = run("rules", "--format", "json").document
    listed = {rule["id"]: rule for rule in document["rules"]}
    assert list(listed) == sorted(RULES)
    assert listed["SME014"]["after"] == ["SME011"]
    assert listed["SME013"]["static"] is True
    assert "PROGBITS" in listed["SME013"]["passes"]


def test_checks_are_in_the_json_report_and_explained() -> None:
    found = json.loads(run(*sample("founding-failure"), "--format", "json").raw)
    validator("smecheck/report-v1").validate(found)
    failed = {check["rule"] for check in found["checks"] if check["outcome"] == "failed"}
    assert failed == {finding["rule"] for finding in found["findings"]}
    plain = run(*sample("founding-failure"), "--format", "plain", "--explain").out
    assert "check: SME001 failed\n" in plain
    assert "check: SME011 not-applicable (the kernel has no section" in plain
    text = run(*sample("founding-failure"), "--format", "text", "--explain").out
    assert "RULES" in text
