"""What an answer takes for granted whose memory map was made of something else."""

from __future__ import annotations

from smecheck.machine.firmware import FirmwareMap
from smecheck.machine.kernel_log import KernelLog
from smecheck.machine.lost_memory import lost_memory
from smecheck.machine.memory import MapKind, MemoryMap
from smecheck.machine.reservation_line import is_exact

_KINDS = {
    MapKind.IOMEM: "the resource tree",
    MapKind.KERNEL_LOG: "the kernel's e820 map",
    MapKind.FIRMWARE: "the firmware's e820 map",
    MapKind.EFI: "the EFI memory map",
    MapKind.RESERVATION: "the crash reservation",
    MapKind.LOAD: "the load's own e820 map",
}


def premises(
    memory: MemoryMap | None, log: KernelLog | None, firmware: FirmwareMap | None
) -> tuple[str, ...]:
    """Return what an answer assumes that leans on a log or a firmware's map."""
    texts = dict.fromkeys(firmware.remarks if firmware is not None else ())
    if memory is not None and memory.kind is not MapKind.IOMEM:
        texts[f"memory is as {_KINDS[memory.kind]} of {memory.source} shows it: no iomem"] = None
        lost = lost_memory(log.boot) if log is not None else None
        if lost is not None and memory.kind is MapKind.KERNEL_LOG:
            texts[lost] = None
        for reservation in log.boot.crash_reservations if log is not None else ():
            if log is not None and not is_exact(reservation, log.boot):
                texts[
                    f"{reservation.where}: the crash reservation is given in whole MiB, rounded "
                    "down: its ends may lie up to 1 MiB higher"
                ] = None
    texts |= dict.fromkeys(log.remarks if log is not None else ())
    return tuple(texts)
