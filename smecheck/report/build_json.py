"""A build in short as a JSON object: what later builds are compared with."""

from __future__ import annotations

from smecheck.builds.build_facts import BuildFacts
from smecheck.evidence import Fact, Known
from smecheck.report.json_values import Json, known_address


def build_object(build: BuildFacts) -> Json:
    """Return the ``build`` of the gate's and the comparison's document."""
    return {
        "source": build.source,
        "release": _value(build.release),
        "build_id": _value(build.build_id),
        "scheme": _value(build.scheme) or "unknown",
        "generation": build.generation,
        "image_size": _value(build.end),
        "workarea": known_address(build.workarea),
        "mapped_end": known_address(build.mapped_end),
        "section": _section(build),
        "init_size": _value(build.init_size),
        "kernel_alignment": _value(build.kernel_alignment),
        "pref_address": known_address(build.pref_address),
        "relocatable": _value(build.relocatable),
        "output_len": _value(build.output_len),
        "slack": _value(build.slack),
        "verdict": build.verdict.value,
        "basis": build.basis.value,
        "findings": [
            {"rule": kept.rule, "severity": kept.severity.value, "message": kept.message}
            for kept in build.findings
        ],
    }


def _section(build: BuildFacts) -> Json | None:
    name = _value(build.section)
    if name is None:
        return None
    return {
        "name": name,
        "start": known_address(build.section_start),
        "size": _value(build.section_size),
        "type": _value(build.section_type),
    }


def _value(fact: Fact[str] | Fact[int] | Fact[bool]) -> str | int | None:
    return fact.value if isinstance(fact, Known) else None
