"""The report as SARIF 2.1.0, for code scanning.

Every result has what GitHub refuses a whole file for lacking: a text, a location with a relative
URI, and a line, which for a binary is 1. The physical range that is hit is its address.
"""

from __future__ import annotations

import re
from collections import Counter
from posixpath import normpath
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from smecheck import __version__
from smecheck.checks.catalogue import RULES
from smecheck.model.report import Report, Verdict
from smecheck.quantity import address_text
from smecheck.report.file_place import file_and_line
from smecheck.report.finding_words import finding_lines
from smecheck.report.rule_pages import rule_page
from smecheck.report.safe_text import json_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.checks.rule import Rule
    from smecheck.errors import SmecheckError
    from smecheck.model.finding import Finding
    from smecheck.report.render import RenderOptions

Json: TypeAlias = dict[str, object]

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_UNDECIDED = "undecided"
"""Id of the rule that an open verdict is a result of."""
_FILE_SYSTEM = "FILESYSTEM"
"""What absolute names are relative to in the document."""
_LINK = re.compile(r"\](?=\()")
"""What makes a link of a text (3.11.6)."""
_PLACEHOLDER = re.compile(r"\{(\d+)\}")
"""What would be replaced by an argument (3.11.5)."""


def render_sarif(report: Report, options: RenderOptions) -> str:
    """Return a log of one run: every finding is a result, and so is an open verdict."""
    invocation: Json = {"executionSuccessful": True, "exitCode": options.exit_code}
    properties = {
        "verdict": report.verdict.value,
        "basis": report.basis.value,
        "headline": report.headline,
        "nextStep": report.next_step,
        "assumptions": list(report.assumptions),
        "notChecked": list(report.not_checked),
    }
    run: Json = {"results": list(_results(report, options)), "properties": properties}
    return _document(invocation, run)


def sarif_error(error: SmecheckError) -> str:
    """Return a run that failed: no results, and the reason as a notification."""
    notification: Json = {
        "level": "error",
        "message": _message((error.message, f"next: {error.help_text}")),
    }
    if error.where:
        notification["locations"] = [_location(*file_and_line(error.where))]
    invocation: Json = {
        "executionSuccessful": False,
        "exitCode": int(error.exit_code),
        "toolExecutionNotifications": [notification],
    }
    return _document(invocation, {"results": []})


def _document(invocation: Json, run: Json) -> str:
    driver = {
        "name": "smecheck",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [*map(_descriptor, RULES.values()), _undecided_descriptor()],
    }
    bases = {
        _FILE_SYSTEM: {"uri": "file:///", "description": {"text": "The root of the file system."}}
    }
    head = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "originalUriBaseIds": bases,
        "columnKind": "unicodeCodePoints",
    }
    return json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [head | run]})


def _descriptor(rule: Rule) -> Json:
    page = rule_page(rule)
    return {
        "id": rule.id,
        "name": rule.title,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.documentation},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"tags": ["linux", "kexec", "sme"]},
    }


def _undecided_descriptor() -> Json:
    title = "a fact that the verdict needs is missing"
    text = "What was read decides nothing. The message says which fact would, and how to get it."
    return {
        "id": _UNDECIDED,
        "name": title,
        "shortDescription": {"text": title},
        "fullDescription": {"text": text},
        "help": {"text": text, "markdown": text},
        "defaultConfiguration": {"level": "none"},
    }


def _results(report: Report, options: RenderOptions) -> Iterator[Json]:
    seen: Counter[str] = Counter()
    for finding in report.findings:
        yield _result(finding, report, options, seen)
    if report.verdict is Verdict.UNDECIDED:
        # 3.27.9: "open" is the kind of what could not be decided, and such a result has no level.
        yield {
            "ruleId": _UNDECIDED,
            "ruleIndex": len(RULES),
            "kind": "open",
            "level": "none",
            "message": _message((report.headline, f"next: {report.next_step}")),
            "locations": [_location(report.image.source)],
            "partialFingerprints": {"smecheck/v1": _fingerprint(_UNDECIDED)},
        }


def _result(finding: Finding, report: Report, options: RenderOptions, seen: Counter[str]) -> Json:
    other = finding.other
    # Not of addresses: a finding stays the same when the kernel grows by a page.
    key = f"{finding.rule}\n{other.name if other else ''}"
    seen[key] += 1
    span = finding.span
    properties: Json = {"confidence": finding.confidence.value, "condition": finding.condition}
    if span is not None:
        properties |= {"start": address_text(span.start), "end": address_text(span.end)}
    result: Json = {
        "ruleId": finding.rule,
        "ruleIndex": list(RULES).index(finding.rule),
        "level": finding.severity.value,
        "message": _message(finding_lines(finding)),
        "locations": [_location(report.image.source, address=_address(finding))],
        "partialFingerprints": {"smecheck/v1": _fingerprint(f"{key}\n{seen[key]}")},
        "properties": properties,
    }
    excuse = options.tolerance.excuse(finding)
    if excuse is not None:
        result["suppressions"] = [{"kind": "external", "justification": excuse}]
    return result


def _address(finding: Finding) -> Json | None:
    if finding.span is None:
        return None
    address: Json = {
        "absoluteAddress": finding.span.start,
        "length": finding.span.size,
        "kind": "physical memory",
    }
    return address | ({"name": printable(finding.other.name)} if finding.other else {})


def _message(lines: tuple[str, ...]) -> Json:
    text = "\n".join(printable(line) for line in lines if line)
    return {"text": _PLACEHOLDER.sub(r"{{\1}}", _LINK.sub("] ", text)) or "(no text)"}


def _location(source: str, line: int = 1, *, address: Json | None = None) -> Json:
    name = normpath(source).lstrip("/") if source != "-" else "stdin"
    artifact: Json = {"uri": quote(name.encode("utf-8", "surrogateescape"), safe="/")}
    if source.startswith("/"):
        artifact["uriBaseId"] = _FILE_SYSTEM
    place: Json = {"artifactLocation": artifact, "region": {"startLine": line}}
    return {"physicalLocation": place | ({"address": address} if address else {})}


def _fingerprint(key: str) -> str:
    from hashlib import sha256

    return sha256(key.encode("utf-8", "backslashreplace")).hexdigest()
