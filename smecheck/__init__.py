"""smecheck: where the Linux kernel's SME workarea lies, and what it collides with.

``import smecheck`` costs nothing but this file; what is named in ``__all__`` is imported when it is
first used. Everything else in the package is private.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smecheck.answer import Basis, Verdict
    from smecheck.api.answers import Comparison, GateReport, Report, TriageReport, VerifyReport
    from smecheck.api.functions import analyze, compare, fleet, gate, triage, verify
    from smecheck.api.readers import (
        parse_iomem,
        parse_log,
        parse_segments,
        read_host,
        read_iomem,
        read_kernel,
        read_log,
        read_memmap,
        read_segments,
    )
    from smecheck.case import Case
    from smecheck.checks.finding import Finding, Severity
    from smecheck.errors import (
        EngineError,
        InputError,
        MalformedInput,
        SmecheckError,
        UnreadableInput,
        UsageError,
        WrongKind,
    )
    from smecheck.span import Span

__version__ = "0.1.0"

_HOMES = {
    "smecheck.answer": ("Basis", "Verdict"),
    "smecheck.api.answers": (
        *("Comparison", "GateReport", "Report", "TriageReport", "VerifyReport"),
    ),
    "smecheck.api.functions": ("analyze", "compare", "fleet", "gate", "triage", "verify"),
    "smecheck.api.readers": (
        *("parse_iomem", "parse_log", "parse_segments"),
        *("read_host", "read_iomem", "read_kernel", "read_log", "read_memmap", "read_segments"),
    ),
    "smecheck.case": ("Case",),
    "smecheck.checks.finding": ("Finding", "Severity"),
    "smecheck.errors": (
        *("EngineError", "InputError", "MalformedInput", "SmecheckError", "UnreadableInput"),
        *("UsageError", "WrongKind"),
    ),
    "smecheck.span": ("Span",),
}

__all__ = [
    "Basis",
    "Case",
    "Comparison",
    "EngineError",
    "Finding",
    "GateReport",
    "InputError",
    "MalformedInput",
    "Report",
    "Severity",
    "SmecheckError",
    "Span",
    "TriageReport",
    "UnreadableInput",
    "UsageError",
    "Verdict",
    "VerifyReport",
    "WrongKind",
    "analyze",
    "compare",
    "fleet",
    "gate",
    "parse_iomem",
    "parse_log",
    "parse_segments",
    "read_host",
    "read_iomem",
    "read_kernel",
    "read_log",
    "read_memmap",
    "read_segments",
    "triage",
    "verify",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            found: object = getattr(import_module(module), name)
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
