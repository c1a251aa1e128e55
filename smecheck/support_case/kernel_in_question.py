"""The kernel that is asked about, put together from what the members say of the running one.

/proc/kallsyms read as root has all that shows where the workarea is; with the configuration and the
release that is often enough, without any file of the kernel itself.
"""

from __future__ import annotations

from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.image import KernelImage
from smecheck.kernel.same_build import config_contradiction, contradiction, merge, with_config
from smecheck.record import record, replace
from smecheck.support_case.triage_report import Evidence, FactName


@record
class RunningKernel:
    """A kernel, and what was not taken for it."""

    image: KernelImage | None
    remarks: tuple[str, ...] = ()


def kernel_of(evidence: Evidence, given: KernelImage | None = None) -> RunningKernel:
    """Put a kernel together.

    Args:
        evidence: all members.
        given: a kernel that the user named; only what is of the same build is added to it.
    """
    remarks: list[str] = []
    candidates = [*evidence.kernels, *evidence.symbols]
    image = given
    if image is None and candidates:
        image = candidates.pop(0)
    if image is None:
        return RunningKernel(None)
    release = evidence.one(FactName.RELEASE)
    own = value_of(image.release)
    if release is not None and own is not None and own != release.value:
        remarks.append(
            f"the kernel in question is {own}, the one that runs is {release.value} "
            f"({release.place}): nothing is added to it from the members"
        )
        return RunningKernel(image, tuple(remarks))
    for other in candidates:
        found = contradiction(image, other)
        if found is None:
            image = merge(image, other)
        else:
            remarks.append(
                f"{other.source} is not of the same build as {image.source}: {found.fact}: "
                f"{found.other} there, {found.one} here; it is left out"
            )
    for config in evidence.configs:
        differs = config_contradiction(image, config)
        if differs is None:
            image = with_config(image, config)
        else:
            remarks.append(
                f"{config.source} is not of the same build as {image.source}: {differs.fact}: "
                f"{differs.other} there, {differs.one} here; it is left out"
            )
    if isinstance(image.release, Unknown) and release is not None:
        image = replace(image, release=Known(release.value, release.place))
    return RunningKernel(image, tuple(remarks))
