"""Reading a build back from a report on it that was kept: JSON of analyze, gate or compare.

Only what is compared is read, and each key must hold what its schema says, or ``null``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

from smecheck.answer import Basis, Verdict
from smecheck.builds.build_facts import BuildFacts, KeptFinding
from smecheck.checks.finding import Severity
from smecheck.errors import MalformedInput, WrongKind
from smecheck.evidence import Fact, Known, Unknown
from smecheck.read.source import STDIN, TEXT_LIMIT, display_name, open_binary, read_bounded

E = TypeVar("E", bound=Enum)
T = TypeVar("T")

REPORT, GATE, COMPARISON = "smecheck/report-v1", "smecheck/gate-v1", "smecheck/comparison-v1"

GATES = "smecheck/gates-v1"
_HEAD = 512
_HELP = "give a JSON report of smecheck (analyze, gate or compare --format json) or a kernel"
_ERROR = "smecheck/error-v1"
_NOT_KEPT = Unknown("not in the report that was kept")


def is_kept_report(path: str) -> bool:
    """Return whether the file begins as a JSON document of smecheck does.

    Raises:
        UnreadableInput: it cannot be read.
    """
    stream = open_binary(path)
    if path == STDIN:
        peek: Callable[[int], bytes] | None = getattr(stream, "peek", None)
        head = peek(_HEAD) if peek is not None else b""
    else:
        with stream:
            head = stream.read(_HEAD)
    # A description of a kernel may be written as JSON too; reports name their schema first.
    text = head.lstrip()
    known = (REPORT, GATE, COMPARISON, GATES, _ERROR)
    return text.startswith(b"{") and any(name.encode() in text for name in known)


def read_kept_report(path: str) -> BuildFacts:
    """Read the build that a report is about; of a comparison, the new one.

    Raises:
        UnreadableInput: it cannot be read.
        WrongKind: it is a document of another kind.
        MalformedInput: it is not JSON, or not what its schema says.
    """
    name = display_name(path)
    try:
        document = json.loads(read_bounded(path, TEXT_LIMIT))
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"is not JSON: {error}", where=name, help_text=_HELP) from error
    fields = _Object(document, name, "")
    schema = fields.text("schema")
    if schema == _ERROR:
        raise WrongKind(
            "is the report of a failure: nothing was analyzed",
            where=name,
            help_text="keep the report of a run that succeeded",
        )
    if schema == GATES:
        raise WrongKind(
            "is a report of several kernels",
            where=name,
            help_text="keep the report of a gate of one kernel",
        )
    if schema == REPORT:
        return _of_report(fields)
    if schema in (GATE, COMPARISON):
        return _of_build(fields.object("build" if schema == GATE else "new"), name)
    raise WrongKind(f"its schema is {schema!r}", where=name, help_text=_HELP)


class _Object:
    """An object of the document, whose keys are read as what they must hold."""

    def __init__(self, value: object, name: str, path: str) -> None:
        self._name, self._path = name, path
        if not isinstance(value, dict):
            raise self._wrong("", "no object")
        self._value: dict[str, object] = value

    def _wrong(self, key: str, what: str) -> MalformedInput:
        place = f"{self._path}{key}".rstrip(".") or "the document"
        return MalformedInput(f"{place} is {what}", where=self._name, help_text=_HELP)

    def get(self, key: str, kind: type[T], what: str) -> T | None:
        """Return the value of ``key``; ``None`` for null."""
        if key not in self._value:
            raise self._wrong(key, "missing")
        value = self._value[key]
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._wrong(key, f"no {what}")
        return value

    def text(self, key: str) -> str | None:
        return self.get(key, str, "text")

    def fact(self, key: str, kind: type[T], what: str) -> Fact[T]:
        value = self.get(key, kind, what)
        return _NOT_KEPT if value is None else Known(value, f"{self._name}: {self._path}{key}")

    def size(self, key: str) -> Fact[int]:
        return self.fact(key, int, "number of bytes")

    def address(self, key: str) -> Fact[int]:
        text = self.text(key)
        if text is None:
            return _NOT_KEPT
        try:
            return Known(int(text, 16), f"{self._name}: {self._path}{key}")
        except ValueError:
            raise self._wrong(key, "no address") from None

    def member(self, key: str, kind: type[E]) -> E:
        text = self.text(key)
        try:
            return kind(text)
        except ValueError:
            raise self._wrong(key, f"{text!r}, which is not known") from None

    def object(self, key: str) -> _Object:
        return _Object(self.get(key, dict, "object"), self._name, f"{self._path}{key}.")

    def object_or_null(self, key: str) -> _Object | None:
        return None if self.get(key, dict, "object") is None else self.object(key)

    def objects(self, key: str) -> list[_Object]:
        values = self.get(key, list, "list") or []
        return [
            _Object(value, self._name, f"{self._path}{key}[{index}].")
            for index, value in enumerate(values)
        ]


def _of_report(report: _Object) -> BuildFacts:
    kernel, image = report.object("kernel"), report.object_or_null("image")
    actual = next(
        (p for p in report.objects("placements") if p.get("actual", bool, "answer")), None
    )
    offsets = actual.object_or_null("offsets") if actual else None
    mapped_end = offsets.address("mapped_end") if offsets else _NOT_KEPT
    text, init_size = kernel.address("text"), kernel.size("init_size")
    return _build(
        report,
        kernel,
        source=kernel.text("source") or "",
        workarea=offsets.address("start") if offsets else _NOT_KEPT,
        mapped_end=mapped_end,
        section_base=text,
        output_len=image.size("output_len") if image else _NOT_KEPT,
        slack=_slack(init_size, mapped_end),
    )


def _of_build(build: _Object, name: str) -> BuildFacts:
    return _build(
        build,
        build,
        source=build.text("source") or name,
        workarea=build.address("workarea"),
        mapped_end=build.address("mapped_end"),
        section_base=Known(0, "a distance already"),
        output_len=build.size("output_len"),
        slack=build.size("slack"),
    )


def _build(
    answer: _Object,
    kernel: _Object,
    *,
    source: str,
    workarea: Fact[int],
    mapped_end: Fact[int],
    section_base: Fact[int],
    output_len: Fact[int],
    slack: Fact[int],
) -> BuildFacts:
    section = kernel.object_or_null("section")
    return BuildFacts(
        source=source,
        release=kernel.fact("release", str, "text"),
        build_id=kernel.fact("build_id", str, "text"),
        scheme=kernel.fact("scheme", str, "text"),
        generation=kernel.text("generation") or "",
        end=kernel.size("image_size"),
        workarea=workarea,
        mapped_end=mapped_end,
        section=section.fact("name", str, "text") if section else _NOT_KEPT,
        section_start=_distance(section.address("start"), section_base) if section else _NOT_KEPT,
        section_size=section.size("size") if section else _NOT_KEPT,
        section_type=section.fact("type", str, "text") if section else _NOT_KEPT,
        init_size=kernel.size("init_size"),
        kernel_alignment=kernel.size("kernel_alignment"),
        pref_address=kernel.address("pref_address"),
        relocatable=kernel.fact("relocatable", bool, "answer"),
        output_len=output_len,
        slack=slack,
        verdict=answer.member("verdict", Verdict),
        basis=answer.member("basis", Basis),
        findings=tuple(
            KeptFinding(
                found.text("rule") or "",
                found.member("severity", Severity),
                found.text("message") or "",
            )
            for found in answer.objects("findings")
        ),
    )


def _distance(address: Fact[int], base: Fact[int]) -> Fact[int]:
    if isinstance(address, Unknown) or isinstance(base, Unknown):
        return _NOT_KEPT
    return Known(address.value - base.value, address.origin)


def _slack(init_size: Fact[int], mapped_end: Fact[int]) -> Fact[int]:
    if isinstance(init_size, Unknown) or isinstance(mapped_end, Unknown):
        return _NOT_KEPT
    return Known(init_size.value - mapped_end.value, f"{init_size.origin} - mapped_end")
