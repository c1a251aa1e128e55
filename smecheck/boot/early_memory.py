"""The memory that a decompressor finds, put together from boot_params and a description."""

from __future__ import annotations

from smecheck.boot.early_boot import KEXEC_LOADER_TYPE, BootParams, EarlyBoot
from smecheck.evidence import Fact, Known, T, Unknown
from smecheck.machine.firmware import EfiMap
from smecheck.quantity import address_text


def from_boot_params(params: BootParams, cmdline: Fact[str]) -> EarlyBoot:
    """Return what boot_params tell; what they only point to stays unknown."""
    name = params.source
    cmdline_address = Known(params.cmdline_address, f"{name}: cmd_line_ptr")
    if params.cmdline_address == 0:
        cmdline = Known("", f"{name}: cmd_line_ptr is 0")
    return EarlyBoot(
        source=name,
        e820=Known(params.e820, f"{name}: e820_table"),
        efi=_efi(params),
        cmdline=cmdline,
        cmdline_address=cmdline_address,
        boot_params_address=Unknown("a copy of boot_params does not show where it lay"),
        initrd=Known(params.initrd, f"{name}: ramdisk_image"),
        setup_data=Known((), f"{name}: setup_data is 0")
        if params.setup_data == 0
        else Unknown(
            f"the setup_data list from {address_text(params.setup_data)} on was not given"
        ),
        is_efi=Known(params.efi is not None, f"{name}: efi_loader_signature"),
        loader_type=params.loader_type,
    )


def completed(described: EarlyBoot, by: EarlyBoot) -> EarlyBoot:
    """Return what is described, completed by what else is known."""
    return EarlyBoot(
        source=by.source,
        e820=_else(described.e820, by.e820),
        efi=_else(described.efi, by.efi),
        cmdline=_else(described.cmdline, by.cmdline),
        cmdline_address=_else(described.cmdline_address, by.cmdline_address),
        boot_params_address=_else(described.boot_params_address, by.boot_params_address),
        initrd=_else(described.initrd, by.initrd),
        setup_data=_else(described.setup_data, by.setup_data),
        srat=_else(described.srat, by.srat),
        five_levels=_else(described.five_levels, by.five_levels),
        output=_else(described.output, by.output),
        input=_else(described.input, by.input),
        is_efi=_else(described.is_efi, by.is_efi),
        loader_type=described.loader_type or by.loader_type,
    )


def _else(described: Fact[T], other: Fact[T]) -> Fact[T]:
    """Return what is described; if it is not, the other, with its reason if it is not known."""
    return described if isinstance(described, Known) else other


def _efi(params: BootParams) -> Fact[EfiMap | None]:
    efi, name = params.efi, params.source
    if efi is None:
        return Known(None, f"{name} has no EFI signature")
    if params.loader_type == KEXEC_LOADER_TYPE:
        # setup_efi_state(), arch/x86/kernel/kexec-bzimage64.c: the runtime map is all there is.
        return Known(EfiMap(name, ()), f"{name}: {efi.signature}, and kexec passes runtime ranges")
    return Unknown(
        f"{name} has the EFI signature {efi.signature}, so the EFI memory map counts; it was not "
        "given"
    )
