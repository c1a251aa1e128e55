"""What the code that sets up SME does before the kernel maps itself where it is linked."""

from __future__ import annotations

from enum import Enum

from smecheck.record import record


class Addressing(Enum):
    """How an instruction names an address where the kernel is linked."""

    ABSOLUTE = "absolute"
    INDEXED = "indexed"
    """With an index, as of a table."""
    REGISTER = "register"
    """With a register: right if that holds the distance to where the kernel runs."""


@record
class LinkAddressAccess:
    """An instruction that accesses memory by an address where the kernel is linked."""

    address: int
    """Of the instruction, as linked."""
    code: str
    """Its bytes, in hex."""
    addressing: Addressing
    operand: int
    """The address in it."""
    symbol: str
    """What is there: ``boot_cpu_data+0x4d``."""
    path: tuple[str, ...]
    """From the function that is entered to the place of the instruction, by names."""
    for_guests: bool = False
    """Whether it is in code that does hardly anything but in an encrypted guest."""


@record
class EarlyCode:
    """The code that was followed from sme_encrypt_kernel() and sme_enable()."""

    accesses: tuple[LinkAddressAccess, ...]
    not_followed: tuple[str, ...]
    """Where it goes on and could not be followed, each with the reason."""
