"""A support case out of files: what was collected is read, and asked about as the user says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from smecheck.checks.tolerance import exit_status as status_of_report
from smecheck.errors import ExitCode

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.checks.tolerance import Tolerance
    from smecheck.kernel.image import KernelImage
    from smecheck.read.archive.forward import Watcher
    from smecheck.read.kernel.complements import Complements
    from smecheck.support_case.triage_report import TriageReport


def triage(
    paths: Sequence[str],
    kernel: str | KernelImage | None,
    complements: Complements,
    ask: Callable[[KernelImage], Case],
    watch: Watcher = lambda _: None,
) -> TriageReport:
    """Answer from sources.

    Args:
        paths: archives, folders and files; ``-`` is standard input, ``/`` the running system.
        kernel: the one that is asked about; ``None`` for what is known of the running one.
        complements: files of the same build.
        ask: makes the question about a kernel that the user's options ask.
        watch: is called with the number of bytes read.

    Raises:
        InputError: a source cannot be read, or nothing in it is known.
    """
    from smecheck.read.archive.evidence_reader import read_evidence
    from smecheck.record import replace
    from smecheck.support_case.triage import triage as answer

    given = _kernel(kernel, complements)
    evidence = read_evidence(paths, watch)
    if given is None and complements.config is not None:
        from smecheck.read.kernel.config import read_config

        evidence = replace(evidence, configs=(read_config(complements.config), *evidence.configs))
    return answer(evidence, given, ask)


def exit_status(triage: TriageReport, tolerance: Tolerance) -> ExitCode:
    """Return the exit status of a triage."""
    if triage.report is not None:
        return status_of_report(triage.report, tolerance)
    return ExitCode.UNDECIDED if tolerance.open_question_counts else ExitCode.OK


def _kernel(kernel: str | KernelImage | None, complements: Complements) -> KernelImage | None:
    """Read the kernel that is named, whichever way it is."""
    symbols, bzimage = complements.symbols, complements.bzimage
    named = kernel or bzimage or symbols
    if not isinstance(named, str):
        return named
    from smecheck.read.kernel.complements import Complements, read_complemented

    others = Complements(
        bzimage=bzimage if bzimage != named else None,
        symbols=symbols if symbols != named else None,
        config=complements.config,
    )
    return read_complemented(named, others)
