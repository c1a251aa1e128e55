"""The verdict in words: what every format for people says first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from smecheck.answer import Basis, Report, Verdict
from smecheck.checks.finding import Severity
from smecheck.evidence import Known, value_of
from smecheck.quantity import count_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smecheck.checks.finding import Finding

VERDICT_WORDS = {
    Verdict.CLEAR: "CLEAR",
    Verdict.COLLISION: "COLLISION",
    Verdict.UNDECIDED: "UNDECIDED",
    Verdict.NOT_APPLICABLE: "NOT APPLICABLE",
}
_BASES = {
    Basis.PROOF: "every machine",
    Basis.MACHINE: "this machine, this load",
    Basis.PARTIAL: "facts are missing",
}


def context_of(report: Report) -> str:
    """Return in a few words how far the verdict holds, and which kernel and boot it is about."""
    boot, release = report.boot, value_of(report.image.release)
    scheme = value_of(report.facts.scheme)
    loader = boot.loader
    return "; ".join(
        (
            _basis(report),
            f"kernel {'of unknown release' if release is None else release}, "
            f"{'scheme unknown' if scheme is None else scheme.value}",
            boot.path.value + (f" by {loader.value.value}" if isinstance(loader, Known) else ""),
            _switches(report),
        )
    )


def brief_context_of(report: Report) -> str:
    """Return the same in a line of a terminal."""
    release = value_of(report.image.release)
    kernel = "unknown release" if release is None else release
    return f"{kernel}, {report.boot.path.value}; {_basis(report)}; {_switches(report)}"


def _basis(report: Report) -> str:
    basis = _BASES[report.basis]
    if report.segments is not None and report.segments.predicted:
        basis = basis.replace("this load", "predicted load")
    return basis


def _switches(report: Report) -> str:
    kaslr = value_of(report.boot.kaslr)
    state = "unknown" if kaslr is None else "on" if kaslr else "off"
    return f"SME {report.boot.sme.value}, KASLR {state}"


def findings_count(findings: Iterable[Finding]) -> str:
    """Return how many there are of each severity: ``2 errors, 1 note``."""
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(
        count_text(counts[severity], severity.value) for severity in Severity if counts[severity]
    )
