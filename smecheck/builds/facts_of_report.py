"""The facts of a build that are compared, out of the report on it."""

from __future__ import annotations

from smecheck.answer import Report
from smecheck.builds.build_facts import BuildFacts, KeptFinding
from smecheck.builds.thresholds import slack_of
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.image import Scheme


def build_facts(report: Report) -> BuildFacts:
    """Return the facts of a build that was analyzed without a machine."""
    image, facts, header = report.image, report.facts, report.image.header
    offsets = report.actual.offsets if report.actual else None
    no_place = Unknown("the place of the workarea is not known")
    mapped_end: Fact[int] = Known(offsets.mapped_end, "derived") if offsets else no_place
    section, text = facts.section, facts.text
    no_section = Unknown("no section holds the workarea")
    return BuildFacts(
        source=image.source,
        release=image.release,
        build_id=image.build_id,
        scheme=_named(facts.scheme),
        generation=facts.generation_text,
        end=_distance(facts.end, text),
        workarea=Known(offsets.start, "derived") if offsets else no_place,
        mapped_end=mapped_end,
        section=Known(section.name, "section header") if section else no_section,
        section_start=_distance(Known(section.address, ""), text) if section else no_section,
        section_size=Known(section.size, "section header") if section else no_section,
        section_type=Known(section.type, "") if section and section.type else no_section,
        init_size=header.init_size,
        kernel_alignment=header.kernel_alignment,
        pref_address=header.pref_address,
        relocatable=header.relocatable,
        output_len=header.output_len,
        slack=slack_of(header.init_size, mapped_end),
        verdict=report.verdict,
        basis=report.basis,
        findings=tuple(KeptFinding(f.rule, f.severity, f.message) for f in report.findings),
    )


def _distance(address: Fact[int], text: Fact[int]) -> Fact[int]:
    if isinstance(address, Unknown):
        return address
    if isinstance(text, Unknown):
        return text
    return Known(address.value - text.value, f"{address.origin} - {text.origin}")


def _named(scheme: Fact[Scheme]) -> Fact[str]:
    if isinstance(scheme, Unknown):
        return scheme
    return Known(scheme.value.value, scheme.origin)
