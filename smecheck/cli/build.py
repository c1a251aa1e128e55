"""A build that others are compared with: read, or taken from a report that was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smecheck.builds.build_facts import BuildFacts
    from smecheck.kernel.image import KernelImage


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
