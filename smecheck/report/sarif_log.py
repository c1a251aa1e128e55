"""SARIF 2.1.0: the log of a run and the parts of a result, whatever the results are about.

Every result has what GitHub refuses a whole file for lacking: a text, a location with a relative
URI, and a line, which for a binary is 1.
"""

from __future__ import annotations

import re
from posixpath import normpath
from typing import TYPE_CHECKING
from urllib.parse import quote

from smecheck import __version__
from smecheck.checks.catalogue import RULES
from smecheck.record import record
from smecheck.report.docs_address import site_url
from smecheck.report.file_place import file_and_line
from smecheck.report.json_values import Json
from smecheck.report.rule_pages import rule_page
from smecheck.report.safe_text import json_text, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from smecheck.checks.finding import Finding
    from smecheck.checks.rule import Rule
    from smecheck.errors import SmecheckError


UNDECIDED = "undecided"
"""Id of the rule that an open question is a result of."""
_UNDECIDED_TITLE = "a fact that the verdict needs is missing"
_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_FILE_SYSTEM = "FILESYSTEM"
"""What absolute names are relative to in the document."""
_READABLE = 1 << 31
"""Microsoft's SARIF SDK 5.7 keeps addresses in 32 bits with a sign, and its validator then reads
nothing of a file that has a larger one, without a word. Names and properties have them all."""
_LINK = re.compile(r"\](?=\()")
"""What makes a link of a text (3.11.6)."""
_PLACEHOLDER = re.compile(r"\{(\d+)\}")
"""What would be replaced by an argument (3.11.5)."""


@record
class Result:
    """Something to show."""

    rule: str
    level: str
    """``error``, ``warning`` or ``note``; ``none`` for what is open."""
    lines: tuple[str, ...]
    """The text; it may hold anything that was in an input."""
    where: str
    """A file, or a place in one: ``kernel.yaml:7:10``."""
    about: str
    """What distinguishes it from others of the rule, and is the same for every build."""
    finding: Finding | None = None
    """Whose range and condition are given with it."""
    excuse: str | None = None
    """Why it does not count."""


def sarif_log(
    results: Iterable[Result],
    invocation: Json,
    properties: Json | None = None,
    other_rules: Mapping[str, str] | None = None,
) -> str:
    """Return the log of a run.

    Args:
        results: in their order.
        invocation: how the run ended.
        properties: what else there is to say.
        other_rules: titles of what may have results and is in no catalogue, by id.
    """
    others = {UNDECIDED: _UNDECIDED_TITLE, **(other_rules or {})}
    descriptors = [*map(_descriptor, RULES.values())]
    descriptors += [_short_descriptor(rule, title) for rule, title in others.items()]
    indices = {rule: index for index, rule in enumerate((*RULES, *others))}
    driver = {
        "name": "smecheck",
        "version": __version__,
        "semanticVersion": __version__,
        **_link("informationUri", site_url("index")),
        "rules": descriptors,
    }
    bases = {
        _FILE_SYSTEM: {"uri": "file:///", "description": {"text": "The root of the file system."}}
    }
    run: Json = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "originalUriBaseIds": bases,
        "columnKind": "unicodeCodePoints",
        "results": [_result(result, indices[result.rule]) for result in results],
    }
    if properties:
        run["properties"] = properties
    return json_text({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def sarif_error(error: SmecheckError) -> str:
    """Return a run that failed: no results, and the reason as a notification."""
    invocation: Json = {
        "executionSuccessful": False,
        "exitCode": int(error.exit_code),
        "toolExecutionNotifications": [
            notification((error.message, f"next: {error.help_text}"), error.where)
        ],
    }
    return sarif_log((), invocation)


def notification(lines: tuple[str, ...], where: str | None) -> Json:
    """Return what kept the run, or a part of it, from an answer."""
    entry: Json = {"level": "error", "message": _message(lines)}
    return entry | ({"locations": [_location(where)]} if where else {})


def _descriptor(rule: Rule) -> Json:
    page = rule_page(rule)
    return {
        "id": rule.id,
        "name": _identifier(rule.title),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.documentation},
        **_link("helpUri", site_url("rules", rule.id.lower())),
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"tags": ["linux", "kexec", "sme"]},
    }


def _short_descriptor(rule: str, title: str) -> Json:
    shown = printable(title)
    help_text = f"{shown}; the message says more."
    return {
        "id": rule,
        "name": _identifier(shown),
        "shortDescription": {"text": shown},
        "fullDescription": {"text": help_text},
        **_link("helpUri", site_url("gate", "the-checks")),
        "help": {"text": help_text, "markdown": help_text},
    }


def _identifier(title: str) -> str:
    """Return a title as one identifier, without its articles: validators want that (SARIF2012)."""
    words = re.findall("[A-Za-z0-9]+", title.replace("'", ""))
    return "".join(word.capitalize() for word in words if word not in ("a", "an", "the")) or "Check"


def _link(name: str, url: str | None) -> Json:
    return {} if url is None else {name: url}


def _result(result: Result, index: int) -> Json:
    entry: Json = {
        "ruleId": result.rule,
        "ruleIndex": index,
        # 3.27.9: "open" is the kind of what could not be decided, and such a result has no level.
        **({"kind": "open"} if result.level == "none" else {}),
        "level": result.level,
        "message": _message(result.lines),
        "locations": [_location(result.where, _address(result.finding))],
        "partialFingerprints": {"smecheck/v1": _fingerprint(f"{result.rule}\n{result.about}")},
    }
    if result.finding is not None:
        entry["properties"] = _properties(result.finding)
    if result.excuse is not None:
        entry["suppressions"] = [{"kind": "external", "justification": printable(result.excuse)}]
    return entry


def _properties(finding: Finding) -> Json:
    entry: Json = {"confidence": finding.confidence.value, "condition": finding.condition}
    span = finding.span
    return entry | ({"start": f"{span.start:#x}", "end": f"{span.end:#x}"} if span else {})


def _address(finding: Finding | None) -> Json:
    if finding is None or finding.span is None:
        return {}
    span = finding.span
    address: Json = {"kind": "physical memory", "fullyQualifiedName": f"{span!r}"}
    if span.start < _READABLE and span.size < _READABLE:
        address |= {"absoluteAddress": span.start, "length": span.size}
    if finding.other is not None:
        address["name"] = printable(finding.other.name)
    return {"address": address}


def _message(lines: tuple[str, ...]) -> Json:
    text = "\n".join(printable(line) for line in lines if line)
    return {"text": _PLACEHOLDER.sub(r"{{\1}}", _LINK.sub("] ", text)) or "(no text)"}


def _location(where: str, address: Json | None = None) -> Json:
    source, line = file_and_line(where)
    name = normpath(source).lstrip("/") if source != "-" else "stdin"
    artifact: Json = {"uri": quote(name.encode("utf-8", "surrogateescape"), safe="/")}
    if source.startswith("/"):
        artifact["uriBaseId"] = _FILE_SYSTEM
    place: Json = {"artifactLocation": artifact, "region": {"startLine": line}}
    return {"physicalLocation": place | (address or {})}


def _fingerprint(key: str) -> str:
    from hashlib import sha256

    return sha256(key.encode("utf-8", "backslashreplace")).hexdigest()
