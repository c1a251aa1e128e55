"""What the functions for Python return: each answer, with what its reader may want of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from smecheck.answer import Report as Answer
from smecheck.builds.comparison_report import Comparison as ComparisonAnswer
from smecheck.builds.gate_report import GateReport as GateAnswer
from smecheck.checks.tolerance import Tolerance, exit_status
from smecheck.kernel.verification import VerifyReport as VerifyAnswer
from smecheck.report.options import RenderOptions
from smecheck.support_case.triage_report import TriageReport as TriageAnswer

if TYPE_CHECKING:
    from smecheck.errors import ExitCode

R = TypeVar("R")


class Report(Answer):
    """The answer to one question, as ``smecheck analyze`` gives it."""

    __slots__ = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Return the report as JSON has it, ``smecheck/report-v1``; ``--fail-on`` is ``error``."""
        from smecheck.report.json_report import render_json

        return _document(render_json(self, _options(exit_status(self, Tolerance()))))

    def _repr_html_(self) -> str:
        """Show the memory around the workarea in a notebook, with the verdict above it."""
        from smecheck.report.picture import svg_picture

        return svg_picture(self)

    def __repr__(self) -> str:
        return f"<Report {self.verdict.value} ({self.basis.value}): {self.headline}>"


class GateReport(GateAnswer):
    """The answer of a gate, as ``smecheck gate`` gives it."""

    __slots__ = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Return the answer as JSON has it, ``smecheck/gate-v1``."""
        from smecheck.builds.gate_report import GatesReport
        from smecheck.report.gate_json import render_gates_json

        gates = GatesReport((self,))
        return _document(render_gates_json(gates, _options(self.verdict.exit_code())))

    def __repr__(self) -> str:
        return f"<GateReport {self.verdict.value}: {self.headline}>"


class Comparison(ComparisonAnswer):
    """Two builds held against each other, as ``smecheck compare`` does it."""

    __slots__ = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Return the comparison as JSON has it, ``smecheck/comparison-v1``."""
        from smecheck.programs.compare import exit_status as status_of
        from smecheck.report.comparison_json import render_comparison_json

        return _document(render_comparison_json(self, _options(status_of(self, Tolerance()))))

    def __repr__(self) -> str:
        return f"<Comparison: {self.headline}>"


class TriageReport(TriageAnswer):
    """The answer about a support case, as ``smecheck triage`` gives it."""

    __slots__ = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Return the answer as JSON has it, ``smecheck/triage-v1``."""
        from smecheck.programs.triage import exit_status as status_of
        from smecheck.report.triage_json import render_triage_json

        return _document(render_triage_json(self, _options(status_of(self, Tolerance()))))

    def __repr__(self) -> str:
        return f"<TriageReport {self.verdict.value}: {self.headline}>"


class VerifyReport(VerifyAnswer):
    """What running a kernel's own machine code came to, as ``smecheck verify`` gives it."""

    __slots__ = ()

    def to_dict(self) -> Mapping[str, Any]:
        """Return the answer as JSON has it, ``smecheck/verify-v1``."""
        from smecheck.programs.verify import exit_status as status_of
        from smecheck.report.verify_json import render_verify_json

        return _document(render_verify_json(self, _options(status_of(self))))

    def __repr__(self) -> str:
        return f"<VerifyReport {self.verification.result.value}: {self.verification.share} runs>"


def public(cls: type[R], found: Any) -> R:
    """Return an answer with what it has for callers of the package."""
    return cls(*(getattr(found, name) for name in found.__match_args__))


def _options(status: ExitCode) -> RenderOptions:
    return RenderOptions(explain=False, color=False, width=80, unicode=True, exit_code=status)


def _document(text: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(text)
    return document
