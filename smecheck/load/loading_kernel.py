"""The kernel that runs and loads the next one: its release, and its purgatory.

kexec_file_load places by the rules of the running kernel, not of the one that is loaded. For kdump
both are the same one, unless somebody says otherwise.
"""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.kernel.identity import identify
from smecheck.kernel.image import Purgatory
from smecheck.load.assumptions import Assumptions
from smecheck.load.request import LoadRequest
from smecheck.load.shown_kernel import is_shown_running
from smecheck.load.versions import (
    NEWEST_KERNEL,
    KernelChange,
    Version,
    stated_version,
    version_text,
)
from smecheck.machine.memory import MapKind
from smecheck.record import record
from smecheck.span import align_up


@record
class RunningKernel:
    """What is known of it."""

    version: Version
    is_kernel: bool
    """Whether it is, or is taken to be, the kernel that is loaded."""


def running_kernel(request: LoadRequest, assumptions: Assumptions) -> RunningKernel:
    """Return the running kernel; where nothing shows its release, what is usual is assumed.

    It is KERNEL where the memory map shows KERNEL's layout running, or for kdump where nothing
    speaks against it: a premise, of which no other value is tried.
    """
    given, own = request.host.kernel_release, request.image.release
    version = stated_version(given)
    if version is not None:
        return RunningKernel(version, is_kernel=value_of(given) == value_of(own))
    own_version = stated_version(own)
    shown = _is_shown(request)
    if own_version is not None and isinstance(own, Known):
        why = None
        if shown:
            why = "whose layout the memory map shows running"
        elif shown is None and request.mode.is_crash:
            why = "as it usually is for kdump"
        if why is not None:
            assumptions.say(
                "the running kernel, which decides placement, has KERNEL's own release "
                f"{own.value}, {why} (--running-kernel to say otherwise)"
            )
            return RunningKernel(own_version, is_kernel=True)
    newest = version_text(NEWEST_KERNEL).removesuffix(".0")
    text = f"the running kernel is assumed to place segments like v{newest}"
    nothing_shows: Fact[Version] = Unknown("the release of the running kernel is not known")
    taken = assumptions.take("kernel_release", nothing_shows, NEWEST_KERNEL, text)
    return RunningKernel(taken, is_kernel=False)


def _is_shown(request: LoadRequest) -> bool | None:
    """Return whether /proc/iomem shows KERNEL running: ``None`` where it does not show that."""
    memory = request.memory
    if memory is None or memory.kind is not MapKind.IOMEM:
        return None
    return is_shown_running(memory, request.image, identify(request.image))


def running_purgatory(
    running: RunningKernel, request: LoadRequest, assumptions: Assumptions
) -> Purgatory:
    """Return what the running kernel's purgatory takes.

    It is what the host says, or what KERNEL carries where it is the running one; otherwise what it
    takes in Debian's kernels of that age.
    """
    large, small = KernelChange.LARGE_PURGATORY, KernelChange.SMALL_PURGATORY
    usual = _OLD if large.is_in(running.version) and not small.is_in(running.version) else _USUAL
    given: Fact[int] = request.host.kernel_purgatory_size
    own = request.image.purgatory
    if isinstance(given, Unknown) and running.is_kernel and isinstance(own, Known):
        assumptions.say(f"the running kernel's purgatory is KERNEL's own: {own.origin}")
        return own.value
    size = assumptions.take(
        "kernel_purgatory",
        given,
        usual.size,
        f"the running kernel's purgatory takes {usual.size:#x} bytes, as in Debian's kernels "
        f"{'5.10' if usual is _OLD else '6.1 to 7.3'}",
    )
    for known in (_USUAL, _OLD):
        if align_up(size, PAGE_SIZE) == known.size:
            return known
    return Purgatory(0, size)


_USUAL = Purgatory(content=0x4000, size=0x5000)
_OLD = Purgatory(content=0x5000, size=0x6000)
