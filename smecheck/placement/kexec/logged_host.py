"""What a kernel log tells of the system that loads, where nobody described it."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown, first_known
from smecheck.model.kernel_log import KernelLog
from smecheck.placement.kexec.predicted_load import Machine
from smecheck.record import replace


def machine_with_log(machine: Machine, log: KernelLog) -> Machine:
    """Return the machine with what its log says besides; a description comes first."""
    host, boot = machine.host, log.boot
    efi: Fact[int] = Unknown("the log does not tell the entries of the EFI runtime map")
    if boot.begins and boot.is_up and boot.efi_map is None and not boot.efi_tables:
        efi = Known(0, f"{log.source}: a boot without EFI")
    told = replace(
        host,
        kernel_release=first_known(host.kernel_release, boot.release),
        cmdline=first_known(host.cmdline, boot.cmdline),
        cpus=first_known(host.cpus, boot.cpus),
        efi=first_known(host.efi, _is_efi(log)),
        efi_runtime_entries=first_known(host.efi_runtime_entries, efi),
    )
    firmware = machine.firmware if machine.firmware is not None else host.firmware_map
    return replace(
        machine, host=told, firmware=firmware if firmware is not None else boot.firmware_map
    )


def _is_efi(log: KernelLog) -> Fact[bool]:
    boot = log.boot
    if boot.efi_map is None and not boot.efi_tables:
        return Unknown(f"{log.source} does not tell of EFI")
    place = boot.efi_tables[0].where if boot.efi_tables else log.source
    return Known(True, f"{place} tells of EFI")
