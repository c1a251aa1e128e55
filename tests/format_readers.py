"""What others make of the formats: parsers and schemas that are not smecheck's own.

The one exception is GitHub's workflow commands, for which there is no reader to install: it is
written after the runner's (actions/runner, src/Runner.Common/ActionCommand.cs).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from textwrap import dedent
from typing import Any

import cmarkgfm
from jsonschema import Draft4Validator
from junitparser import JUnitXml
from kcidb_io.schema import V5_3
from recorded import DATA
from tap.parser import Parser

from smecheck.report.options import Format


@cache
def sarif_schema() -> Draft4Validator:
    text = (DATA / "sarif" / "sarif-2.1.0-rtm.5.json").read_text()
    return Draft4Validator(json.loads(text))


def sarif(text: str) -> Any:
    """Return the only run of a SARIF log."""
    log = json.loads(text)
    sarif_schema().validate(log)
    (run,) = log["runs"]
    return run


def junit(text: str) -> JUnitXml:
    return JUnitXml.fromstring(text.encode())


def junit_results(text: str) -> dict[str, list[Any]]:
    """Return the results of every test case by its id; none for those that passed."""
    return {
        case.name.partition(":")[0]: list(case.result) for suite in junit(text) for case in suite
    }


def kcidb(text: str) -> list[dict[str, Any]]:
    data = json.loads(text)
    V5_3.validate(data)
    assert V5_3.is_compatible_exactly(data)
    found: list[dict[str, Any]] = data["tests"]
    return found


def ktap(text: str) -> list[Any]:
    """Return the results, of a document that is KTAP throughout; those of subtests first."""
    first, *rest = text.splitlines(keepends=True)
    assert first == "KTAP version 1\n"
    below = [line for line in rest if line.startswith("  ")]
    lines = list(Parser().parse_text("".join(line for line in rest if line not in below)))
    kinds = [line.category for line in lines]
    assert not set(kinds) - {"plan", "diagnostic", "test", "bail"}
    results = [line for line in lines if line.category == "test"]
    if "bail" in kinds:
        return []
    assert next(kind for kind in kinds if kind != "diagnostic") == "plan"
    (plan,) = [line for line in lines if line.category == "plan"]
    assert plan.expected_tests == len(results)
    assert [result.number for result in results] == list(range(1, len(results) + 1))
    starts = [index for index, line in enumerate(below) if line == f"  {first}"]
    subtests = [
        below[start:end] for start, end in zip(starts, [*starts[1:], None], strict=bool(starts))
    ]
    return [found for part in subtests for found in ktap(dedent("".join(part)))] + results


@dataclass(frozen=True)
class Command:
    name: str
    properties: dict[str, str]
    message: str


def github(text: str) -> tuple[list[Command], list[str]]:
    """Return the workflow commands, and the other lines of the log."""
    commands, others = [], []
    for line in text.splitlines():
        head, separator, message = line.lstrip().removeprefix("::").partition("::")
        if not (line.lstrip().startswith("::") and separator):
            assert "##[" not in line, "the older form of a command"
            others.append(line)
            continue
        name, _, written = head.partition(" ")
        pairs = [pair.split("=", 1) for pair in written.split(",") if pair]
        properties = {key: _decoded(value, {":": "%3A", ",": "%2C"}) for key, value in pairs}
        commands.append(Command(name, properties, _decoded(message, {})))
    return commands, others


def _decoded(text: str, more: dict[str, str]) -> str:
    for token, written in ({"\r": "%0D", "\n": "%0A"} | more | {"%": "%25"}).items():
        text = text.replace(written, token)
    return text


def html(text: str) -> str:
    """Return what GitHub's own reader makes of Markdown."""
    return str(cmarkgfm.github_flavored_markdown_to_html(text))


def shows_failure(form: Format, text: str) -> bool:
    """Return whether a reader of the format sees that something is wrong."""
    match form:
        case Format.JUNIT:
            return any(suite.failures + suite.errors for suite in junit(text))
        case Format.KTAP:
            return "\nBail out!" in text or not all(result.ok for result in ktap(text))
        case Format.KCIDB:
            rows = kcidb(text)
            assert len({row["id"] for row in rows}) == len(rows)
            return bool({row["status"] for row in rows} & {"FAIL", "ERROR", "MISS"})
        case Format.SARIF:
            (invocation,) = sarif(text)["invocations"]
            assert invocation["executionSuccessful"] is (invocation["exitCode"] not in (2, 3))
            return bool(invocation["exitCode"])
        case Format.GITHUB:
            return any(command.name == "error" for command in github(text)[0])
        case Format.MARKDOWN:
            said = re.findall(r"(?:; |\()exit (\d)\)?$", text, re.MULTILINE)
            assert html(text)
            assert len(said) == (0 if "nothing was analyzed" in text else 1)
            return said != ["0"]
        case Format.JSON:
            document = json.loads(text)
            return bool(document["error"] if "error" in document else document["exit_code"])
        case _:
            raise ValueError(f"{form.value} is for people")
