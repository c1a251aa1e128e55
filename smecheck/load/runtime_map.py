"""The EFI runtime map that is handed on: how many entries it has, where nobody counted them."""

from __future__ import annotations

from smecheck.evidence import Known, value_of
from smecheck.kernel.cmdline import parameters
from smecheck.load.assumptions import Assumptions
from smecheck.machine.host import Host

_USUAL = 12
"""OVMF has 6 entries, machines have 10 to 40: all that matters is the pages that they take."""


def runtime_entries(host: Host, assumptions: Assumptions) -> int:
    """Return the entries of /sys/firmware/efi/runtime-map; 0 where there is no such map.

    A machine that is known to have booted through EFI has some, unless its kernel was told not to
    use EFI's services. Any number that takes the same pages gives the same answer.
    """
    is_efi = value_of(host.efi) is True
    if not is_efi:
        usual, text = 0, "the machine has no EFI runtime map"
    elif _without_services(host):
        usual, text = 0, "kexec hands over no EFI runtime map: the running kernel uses none"
    else:
        usual = _USUAL
        origin = host.efi.origin if isinstance(host.efi, Known) else ""
        text = (
            f"the EFI runtime map that kexec hands over has {_USUAL} entries, or any number that "
            f"takes as many pages: {origin} (--host says how many)"
        )
    return assumptions.take("efi_runtime_entries", host.efi_runtime_entries, usual, text)


def _without_services(host: Host) -> bool:
    """Return whether the running kernel was started with ``noefi`` or ``efi=noruntime``."""
    for name, value in parameters(value_of(host.cmdline) or ""):
        if name == "noefi" or (name == "efi" and "noruntime" in (value or "").split(",")):
            return True
    return False
