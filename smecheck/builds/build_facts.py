"""What of a build is compared with another: a report in short, kept or made anew."""

from __future__ import annotations

from smecheck.answer import Basis, Verdict
from smecheck.checks.finding import Severity
from smecheck.evidence import Fact
from smecheck.record import record


@record
class KeptFinding:
    """A finding, as far as a report that was kept shows it."""

    rule: str
    severity: Severity
    message: str


@record
class BuildFacts:
    """A build. Addresses are distances from ``_text``, sizes bytes, unless said otherwise."""

    source: str
    """The kernel, or the report of it."""
    release: Fact[str]
    build_id: Fact[str]
    scheme: Fact[str]
    generation: str
    end: Fact[int]
    """``_end - _text``."""
    workarea: Fact[int]
    """Where the workarea starts: ``_end`` rounded up to 2 MiB, or the section."""
    mapped_end: Fact[int]
    """Where the mapped part of the workarea ends."""
    section: Fact[str]
    """The name of the section that holds the workarea; unknown where there is none."""
    section_start: Fact[int]
    section_size: Fact[int]
    section_type: Fact[str]
    init_size: Fact[int]
    """Of the setup header."""
    kernel_alignment: Fact[int]
    pref_address: Fact[int]
    """A physical address."""
    relocatable: Fact[bool]
    output_len: Fact[int]
    slack: Fact[int]
    """``init_size`` minus the mapped end: negative where it does not cover the workarea."""
    verdict: Verdict
    basis: Basis
    findings: tuple[KeptFinding, ...]
