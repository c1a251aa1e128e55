"""What the loaders read of a bzImage's setup header."""

from __future__ import annotations

from collections.abc import Mapping

from smecheck.evidence import Known, value_of
from smecheck.kernel.constants import DEFAULT_PHYSICAL_ALIGN, PAGE_SIZE
from smecheck.kernel.image import KernelImage
from smecheck.load.assumptions import Assumptions
from smecheck.load.segments import Placing
from smecheck.quantity import address_text, size_text
from smecheck.record import record
from smecheck.span import align_up

SECTOR = 512
_NO_SETUP_SECTS = 4
"""arch/x86/boot/header.S: what setup_sects 0 means."""

_SETUP_SECTS = 39
_PROTOCOL = 0x20F
_CMDLINE_SIZE = 2047
_INITRD_ADDR_MAX = 0x7FFFFFFF
"""Of the kernels of 2018 to 2025 that were looked at (Debian 6.1 and 6.12)."""

PROTOCOL_2_05 = 0x205
PROTOCOL_2_06 = 0x206
PROTOCOL_2_12 = 0x20C
LOADED_HIGH = 1
KERNEL_64 = 1
CAN_BE_LOADED_ABOVE_4G = 2
EFI_KEXEC = 0x10
"""loadflags and xloadflags: arch/x86/include/uapi/asm/bootparam.h."""


class NotPredictable(Exception):
    """A fact is missing without which nothing can be said of the placement."""

    def __init__(self, reason: str, placing: Placing = Placing.BY_THE_RULES) -> None:
        super().__init__(reason)
        self.reason = reason
        self.placing = placing


@record
class BzImageFacts:
    """A bzImage as the loaders see it."""

    protocol: int
    setup_bytes: int
    """The boot sector and the setup sectors: what comes before the protected-mode code."""
    init_size: int
    alignment: int
    pref_address: int
    relocatable: bool
    cmdline_size: int
    initrd_addr_max: int
    xloadflags: int
    loads_64: bool
    """Whether it can be entered in 64-bit mode, wherever it is."""
    content: int | None
    """Bytes of protected-mode code in the file, where the file's size is known."""

    @property
    def memory_size(self) -> int:
        """What loaders reserve for the kernel."""
        return align_up(self.init_size, PAGE_SIZE)


def bzimage_facts(image: KernelImage, assumptions: Assumptions) -> BzImageFacts:
    """Gather the facts; those that hardly ever differ are assumed where the header lacks them.

    Raises:
        NotPredictable: init_size is not known.
    """
    header, other = image.header, image.header.other
    if not isinstance(header.init_size, Known):
        raise NotPredictable(
            f"init_size, which loaders reserve for the kernel, is not known: "
            f"{header.init_size.reason}"
        )
    alignment = value_of(header.kernel_alignment)
    if alignment is None:
        alignment = DEFAULT_PHYSICAL_ALIGN
        assumptions.say(f"kernel_alignment is {size_text(alignment)}, the default")
    protocol = _field(other, "protocol", _PROTOCOL, assumptions)
    loadflags = _field(other, "loadflags", LOADED_HIGH, assumptions)
    xloadflags = _field(other, "xloadflags", KERNEL_64 | CAN_BE_LOADED_ABOVE_4G, assumptions)
    if protocol < PROTOCOL_2_12:
        xloadflags = 0
    setup_sects = _field(other, "setup_sects", _SETUP_SECTS, assumptions) or _NO_SETUP_SECTS
    setup_bytes = (setup_sects + 1) * SECTOR
    file_size = other.get("file_size")
    anywhere = KERNEL_64 | CAN_BE_LOADED_ABOVE_4G
    return BzImageFacts(
        protocol=protocol,
        setup_bytes=setup_bytes,
        init_size=header.init_size.value,
        alignment=alignment,
        pref_address=value_of(header.pref_address) or 0,
        relocatable=value_of(header.relocatable) is not False,
        cmdline_size=_field(other, "cmdline_size", _CMDLINE_SIZE, assumptions),
        initrd_addr_max=_field(other, "initrd_addr_max", _INITRD_ADDR_MAX, assumptions),
        xloadflags=xloadflags,
        loads_64=bool(loadflags & LOADED_HIGH) and xloadflags & anywhere == anywhere,
        content=None if file_size is None else max(file_size - setup_bytes, 0),
    )


def _field(other: Mapping[str, int], name: str, usual: int, assumptions: Assumptions) -> int:
    if name not in other:
        assumptions.say(f"{name} of the setup header is {address_text(usual)}, as is usual")
    return other.get(name, usual)
