"""What ``crashkernel=`` asks the running kernel to reserve, as far as its words alone show that.

kernel/crash_core.c, later crash_reserve.c, parse_crashkernel() and its neighbours, v5.0 to v7.3. No
kernel rounds the size: what it reserves has the size that was asked for, until somebody shrinks it
through /sys/kernel/kexec_crash_size.
"""

from __future__ import annotations

import re

from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.cmdline import values
from smecheck.kernel.cmdline_numbers import memparse
from smecheck.record import record
from smecheck.remembered import remembered

_OTHER_PARTS = (",low", ",cma")
"""What asks for memory beside the reservation that a crash kernel is loaded into."""
_HIGH = ",high"
_SIZE = re.compile(r"(?:0x[0-9a-f]+|[0-9]+)[kmgtpe]?", re.IGNORECASE)
_RANGE = re.compile(rf"{_SIZE.pattern}-(?:{_SIZE.pattern})?:({_SIZE.pattern})", re.IGNORECASE)


@record
class AskedReservation:
    """The reservation that a command line asks for."""

    word: str
    """The option that counts: ``crashkernel=1G-4G:256M``."""
    sizes: tuple[int, ...]
    """What it may come to, in bytes: one, or one for each range of memory sizes."""
    base: int | None
    """Where it must begin; ``None`` where the kernel chooses."""
    is_high: bool
    """Whether it should lie above 4 GiB, with a low one beside it."""


@remembered
def asked_reservation(cmdline: str) -> Fact[AskedReservation | None]:
    """Return what ``cmdline`` asks for: ``None`` for nothing.

    The last option without a suffix counts, or else the last one with ``,high``. What a
    distribution's kernel works out by itself (``auto``), and what none understands, is not known.
    """
    given = [value for value in values(cmdline, "crashkernel") if not value.endswith(_OTHER_PARTS)]
    plain = [value for value in given if not value.endswith(_HIGH)]
    if not given:
        return Known(None, "no crashkernel=")
    value = (plain or given)[-1]
    word = f"crashkernel={value}"
    asked, _, base = value.removesuffix(_HIGH).partition("@")
    sizes = _sizes(asked)
    if not sizes or (base and not _SIZE.fullmatch(base)):
        return Unknown(f"{word} is not a size")
    if plain and len(plain) < len(given) and ("-" in asked or sizes == (0,)):
        # arch/x86/kernel/setup.c, reserve_crashkernel(): the one with ",high" counts then.
        return Unknown(f"{word} may come to nothing")
    start = memparse(base)[0] if base else 0
    return Known(AskedReservation(word, sizes, start or None, value.endswith(_HIGH)), word)


def _sizes(asked: str) -> tuple[int, ...]:
    if _SIZE.fullmatch(asked):
        return (memparse(asked)[0],)
    ranges = [_RANGE.fullmatch(item) for item in asked.split(",")]
    sizes = tuple(memparse(item[1])[0] for item in ranges if item is not None)
    return sizes if len(sizes) == len(ranges) else ()
