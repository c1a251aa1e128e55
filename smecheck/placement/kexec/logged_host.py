"""What a kernel log tells of the system that loads, where nobody described it."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown, first_known, value_of
from smecheck.model.kernel_log import KernelLog
from smecheck.placement.crash_memory import logged_crash_areas
from smecheck.placement.kexec.hidden_places import logged_cma, logged_handover
from smecheck.placement.kexec.predicted_load import Machine
from smecheck.placement.kexec.versions import parse_version
from smecheck.record import replace

_RSDP_IN_BOOT_PARAMS = (5, 1, 0)
"""arch/x86/boot/compressed/acpi.c: the decompressor looks for it since v5.1."""


def machine_with_log(machine: Machine, log: KernelLog) -> Machine:
    """Return the machine with what its log says besides; a description comes first."""
    host, boot = machine.host, log.boot
    efi: Fact[int] = Unknown("the log does not tell the entries of the EFI runtime map")
    if boot.begins and boot.is_up and boot.efi_map is None and not boot.efi_tables:
        efi = Known(0, f"{log.source}: a boot without EFI")
    cmdline = first_known(host.cmdline, boot.cmdline)
    told = replace(
        host,
        kernel_release=first_known(host.kernel_release, boot.release),
        cmdline=cmdline,
        cma=first_known(host.cma, logged_cma(log, cmdline)),
        kho=first_known(host.kho, logged_handover(log, cmdline)),
        crash_cma_ranges=first_known(host.crash_cma_ranges, logged_crash_areas(log)),
        cpus=first_known(host.cpus, boot.cpus),
        acpi_rsdp=first_known(host.acpi_rsdp, _passed_on_rsdp(log)),
        efi=first_known(host.efi, _is_efi(log)),
        efi_runtime_entries=first_known(host.efi_runtime_entries, efi),
    )
    firmware = machine.firmware if machine.firmware is not None else host.firmware_map
    return replace(
        machine, host=told, firmware=firmware if firmware is not None else boot.firmware_map
    )


def _passed_on_rsdp(log: KernelLog) -> Fact[int]:
    """Return the RSDP as kexec-tools finds it: in boot_params, or in /sys/firmware/efi/systab."""
    boot = log.boot
    release = parse_version(value_of(boot.release) or "")
    in_boot_params = release is not None and release >= _RSDP_IN_BOOT_PARAMS
    is_efi = isinstance(_is_efi(log), Known)
    if is_efi or in_boot_params:
        return boot.acpi_rsdp
    return Unknown(f"{log.source} does not tell whether boot_params carry it")


def _is_efi(log: KernelLog) -> Fact[bool]:
    boot = log.boot
    if boot.efi_map is None and not boot.efi_tables:
        return Unknown(f"{log.source} does not tell of EFI")
    place = boot.efi_tables[0].where if boot.efi_tables else log.source
    return Known(True, f"{place} tells of EFI")
