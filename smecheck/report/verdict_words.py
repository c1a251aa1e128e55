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
    boot, image = report.boot, report.image
    release = image.release.value if isinstance(image.release, Known) else "of unknown release"
    scheme = value_of(report.facts.scheme)
    loader, kaslr = boot.loader, boot.kaslr
    basis = _BASES[report.basis]
    if report.segments is not None and report.segments.predicted:
        basis = basis.replace("this load", "predicted load")
    return "; ".join(
        (
            basis,
            f"kernel {release}, {'scheme unknown' if scheme is None else scheme.value}",
            boot.path.value + (f" by {loader.value.value}" if isinstance(loader, Known) else ""),
            f"SME {boot.sme.value}, "
            f"KASLR {('on' if kaslr.value else 'off') if isinstance(kaslr, Known) else 'unknown'}",
        )
    )


def findings_count(findings: Iterable[Finding]) -> str:
    """Return how many there are of each severity: ``2 errors, 1 note``."""
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(
        count_text(counts[severity], severity.value) for severity in Severity if counts[severity]
    )
