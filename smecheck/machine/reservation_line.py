"""How exactly a line of a kernel log says what was reserved for a crash kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smecheck.evidence import value_of
from smecheck.kernel.cmdline import values

if TYPE_CHECKING:
    from smecheck.machine.kernel_log import CrashReservation, LoggedBoot


def is_exact(reservation: CrashReservation, boot: LoggedBoot) -> bool:
    """Return whether the reservation begins and ends where its line says.

    A line in MiB is rounded down. On x86 the kernel chooses multiples of 16 MiB (CRASH_ALIGN,
    arch/x86/kernel/setup.c), so the line is exact where ``crashkernel=`` asks for whole MiB.
    """
    if not reservation.in_mib:
        return True
    asked = [
        number
        for value in values(value_of(boot.cmdline) or "", "crashkernel")
        for number in re.findall(r"(?<!\w)[0-9]\w*", value)
    ]
    return bool(asked) and all(number[-1] in "MmGgTt" for number in asked)
