"""Two builds held against each other: each is a kernel, or a report that was kept of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from smecheck.builds.build_facts import BuildFacts
    from smecheck.builds.comparison import Limits
    from smecheck.builds.comparison_report import Comparison
    from smecheck.checks.tolerance import Tolerance
    from smecheck.kernel.image import KernelImage
    from smecheck.read.kernel.complements import Complements


def compare(old: str, new: str, complements: Complements, limits: Limits) -> Comparison:
    """Compare two builds.

    Args:
        old: the path of a kernel, or of a JSON report of one.
        new: likewise.
        complements: files of the new build, for what its kernel lacks.
        limits: what may not be passed.

    Raises:
        UsageError: a report cannot be complemented.
        InputError: a file cannot be read or understood.
    """
    from smecheck.builds.comparison import compare as answer

    before = build_of(old)
    now = build_of_image(_complemented(new, complements)) if complements.paths else build_of(new)
    return answer(before, now, limits)


def exit_status(comparison: Comparison, tolerance: Tolerance) -> ExitCode:
    """Return the exit status of a comparison."""
    from smecheck.builds.gate_report import RowOutcome

    failing = {row.outcome for row in comparison.rows if comparison.fails(row, tolerance)}
    if not failing or tolerance.exit_zero:
        return ExitCode.OK
    return ExitCode.FINDINGS if RowOutcome.FAILED in failing else ExitCode.UNDECIDED


def _complemented(new: str, complements: Complements) -> KernelImage:
    from smecheck.read.build.kept_report import is_kept_report
    from smecheck.read.kernel.complements import read_complemented

    if is_kept_report(new):
        raise UsageError(
            "a kept report cannot be complemented",
            where=new,
            help_text="leave --bzimage, --symbols and --config out",
        )
    return read_complemented(new, complements)


def build_of(path: str) -> BuildFacts:
    """Return the facts of the build at ``path``: a kernel in any form, or a JSON report of one.

    Raises:
        InputError: it cannot be read or understood.
    """
    from smecheck.read.build.kept_report import is_kept_report, read_kept_report

    if is_kept_report(path):
        return read_kept_report(path)
    from smecheck.read.kernel.kernel import read_kernel

    return build_of_image(read_kernel(path))


def build_of_image(image: KernelImage) -> BuildFacts:
    """Return the facts of a kernel, as they hold without a machine."""
    from smecheck.analysis import analyze
    from smecheck.asked import BootRequest
    from smecheck.builds.facts_of_report import build_facts
    from smecheck.case import Case

    return build_facts(analyze(Case(image, BootRequest())))
