"""What a decompressor finds in memory: boot_params, and what they point to."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, T, Unknown
from smecheck.machine.firmware import EfiMap, FirmwareMap
from smecheck.quantity import address_text
from smecheck.record import field_names, record
from smecheck.span import Span


@record
class BootParams:
    """The fields of boot_params that say what lies where."""

    source: str
    e820: FirmwareMap
    """Its e820 table, in order."""
    initrd: Span | None
    """ramdisk_image and ramdisk_size with their ext_ fields; ``None`` where both are 0."""
    cmdline_address: int
    """cmd_line_ptr with its ext_ field; 0 where there is none."""
    setup_data: int
    """Address of the first node of the list; 0 where there is none."""
    efi_signature: str | None
    """``EL64`` or ``EL32``; ``None`` where there is none: EFI did not start this boot."""
    loader_type: int
    """type_of_loader: 0x21 under the EFI stub."""


KEXEC_LOADER_TYPE = 0xD0
"""type_of_loader as both kexec-tools and kexec_file_load set it: LOADER_TYPE_KEXEC << 4."""


EFI_STUB_LOADER_TYPE = 0x21
"""type_of_loader as the kernel's EFI stub sets it: drivers/firmware/efi/libstub/x86-stub.c."""


SETUP_INDIRECT = 1 << 31
"""arch/x86/include/uapi/asm/setup_data.h: the node's data say where the real data lie."""


SETUP_KEXEC_KHO = 10
"""The same file: what the kernel before hands over (kexec handover), since v6.16."""


@record
class SetupDataNode:
    """One node of the setup_data list."""

    span: Span
    """Its header of 16 bytes and its data."""
    type: int
    target: Span | None = None
    """Where the data of a SETUP_INDIRECT lie; ``None`` for other nodes, and where it is nested."""
    scratch: tuple[Span, ...] | None = None
    """The scratch areas that a SETUP_KEXEC_KHO points to; ``None`` where they are not known."""


@record
class SratRange:
    """One memory range of the ACPI System Resource Affinity Table."""

    span: Span
    hot_pluggable: bool


@record
class Srat:
    """The memory ranges of an SRAT, in its order."""

    source: str
    ranges: tuple[SratRange, ...]
    broken: bool = False
    """It has a subtable without a length, so that the decompressor gives up reading it."""


_NOT_GIVEN = Unknown("not given")


@record
class EarlyBoot:
    """The memory of a machine as the decompressor sees it."""

    source: str
    e820: Fact[FirmwareMap]
    """The e820 table of boot_params, 128 entries at most."""
    efi: Fact[EfiMap | None]
    """The EFI memory map; ``None`` where boot_params carry no EFI signature."""
    cmdline: Fact[str]
    cmdline_address: Fact[int] = _NOT_GIVEN
    """0 where there is no command line."""
    boot_params_address: Fact[int] = _NOT_GIVEN
    initrd: Fact[Span | None] = _NOT_GIVEN
    """``None`` where ramdisk_image and ramdisk_size are 0; its size may be 0 where the first is
    not."""
    setup_data: Fact[tuple[SetupDataNode, ...]] = _NOT_GIVEN
    srat: Fact[Srat | None] = _NOT_GIVEN
    five_levels: Fact[bool] = _NOT_GIVEN
    """Whether CR4.LA57 is set when the decompressor runs."""
    output: Fact[int] = _NOT_GIVEN
    """Where the kernel is unpacked to if KASLR does not move it."""
    input: Fact[int] = _NOT_GIVEN
    """Where the compressed payload lies, in the copy of the decompressor that runs."""
    is_efi: Fact[bool] = _NOT_GIVEN
    """Whether boot_params carry an EFI signature."""
    loader_type: int = 0
    """type_of_loader of boot_params; 0 where it is not known."""
    output_is_assumed: bool = False
    """``output`` is the lowest place that it can be, since nothing shows it."""

    @property
    def known(self) -> tuple[str, ...]:
        """The names of what is known."""
        facts: dict[str, Fact[object]] = {
            name: getattr(self, name)
            for name in field_names(self)
            if name not in ("source", "is_efi", "loader_type", "output_is_assumed")
        }
        return tuple(name for name, fact in facts.items() if isinstance(fact, Known))


def from_boot_params(params: BootParams, cmdline: Fact[str]) -> EarlyBoot:
    """Return what boot_params show; what they only point to stays unknown."""
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
        is_efi=Known(params.efi_signature is not None, f"{name}: efi_loader_signature"),
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
    signature, name = params.efi_signature, params.source
    if signature is None:
        return Known(None, f"{name} has no EFI signature")
    if params.loader_type == KEXEC_LOADER_TYPE:
        # setup_efi_state(), arch/x86/kernel/kexec-bzimage64.c: the runtime map is all there is.
        return Known(EfiMap(name, ()), f"{name}: {signature}, and kexec passes runtime ranges")
    return Unknown(
        f"{name} has the EFI signature {signature}, so the EFI memory map counts; it was not given"
    )
