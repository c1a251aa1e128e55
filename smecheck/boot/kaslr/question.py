"""What is asked of KASLR: all that bears on the places that it may choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.boot.early_boot import EarlyBoot
    from smecheck.load.segments import SegmentList
    from smecheck.machine.firmware import FirmwareMap
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.workarea.place import Setting


@record
class KaslrQuestion:
    """All that bears on the places that KASLR may choose."""

    setting: Setting
    load: SegmentList | None
    """The segments of a kexec load, where they are known."""
    firmware: FirmwareMap | None
    log: KernelLog | None
    early: EarlyBoot | None
    """Of boot_params and a description: those of the boot that is asked about, or, where a load is
    known, of the running kernel."""
    first_only: bool = False
    """Whether it is enough to know if there is a place at which something is hit."""
