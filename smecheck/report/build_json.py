"""A build in short as a JSON object: what later builds are compared with."""

from __future__ import annotations

from typing import TypeAlias

from smecheck.builds.build_facts import BuildFacts
from smecheck.evidence import Fact, Known, value_of
from smecheck.quantity import address_text

Json: TypeAlias = dict[str, object]


def build_object(build: BuildFacts) -> Json:
    """Return the ``build`` of the gate's and the comparison's document."""
    return {
        "source": build.source,
        "release": _text(build.release),
        "build_id": _text(build.build_id),
        "scheme": _text(build.scheme) or "unknown",
        "generation": build.generation,
        "image_size": _size(build.end),
        "workarea": _hex(build.workarea),
        "mapped_end": _hex(build.mapped_end),
        "section": _section(build),
        "init_size": _size(build.init_size),
        "kernel_alignment": _size(build.kernel_alignment),
        "pref_address": _hex(build.pref_address),
        "relocatable": _switch(build.relocatable),
        "output_len": _size(build.output_len),
        "slack": _size(build.slack),
        "verdict": build.verdict.value,
        "basis": build.basis.value,
        "findings": [
            {"rule": kept.rule, "severity": kept.severity.value, "message": kept.message}
            for kept in build.findings
        ],
    }


def _section(build: BuildFacts) -> Json | None:
    name = _text(build.section)
    if name is None:
        return None
    return {
        "name": name,
        "start": _hex(build.section_start),
        "size": _size(build.section_size),
        "type": _text(build.section_type),
    }


def _hex(fact: Fact[int]) -> str | None:
    return address_text(fact.value) if isinstance(fact, Known) else None


def _text(fact: Fact[str]) -> str | None:
    return value_of(fact)


def _size(fact: Fact[int]) -> int | None:
    return value_of(fact)


def _switch(fact: Fact[bool]) -> bool | None:
    return value_of(fact)
