"""What is asked: a kernel, its boot, and all that was read of the machine and of the load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.asked import BootRequest
    from smecheck.boot.early_boot import EarlyBoot
    from smecheck.kernel.image import KernelImage
    from smecheck.kernel.verification import Verification
    from smecheck.load.request import Machine
    from smecheck.load.segments import SegmentList
    from smecheck.machine.firmware import FirmwareMap
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.machine.memory import MemoryMap


@record
class Case:
    """What is asked."""

    image: KernelImage
    boot: BootRequest
    segments: SegmentList | None = None
    memory: MemoryMap | None = None
    firmware: FirmwareMap | None = None
    """/sys/firmware/memmap, or what stands for it."""
    log: KernelLog | None = None
    machine: Machine | None = None
    """What more is known of the machine that loads, and of what kexec is told."""
    cross_check: bool = False
    """Whether a recorded load is to be predicted as well, and held against the prediction."""
    early: EarlyBoot | None = None
    """boot_params and what they point to: of the boot asked about; with a load, of the running."""
    verification: Verification | None = None
    """What running the kernel's own code came to, where that was asked for."""
