"""What an option of a kernel's configuration can be: what Kconfig declares it, what that allows.

scripts/kconfig/confdata.c, conf_write(): ``y``, ``m``, a number, a text in quotes, or a comment
that says the option is not set. Nothing else is ever written.
"""

from __future__ import annotations

import re
from enum import Enum


class OptionType(Enum):
    """The type that Kconfig declares, and how its values are written."""

    BOOL = "y or n"
    TRISTATE = "y, m or n"
    INT = "a decimal number"
    HEX = "a number that begins with 0x"
    STRING = "a text in quotes"


_BOOL = (
    *("AMD_MEM_ENCRYPT", "AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT", "RANDOMIZE_BASE", "RELOCATABLE"),
    *("X86_64", "X86_5LEVEL", "EFI", "EFI_STUB", "EFI_MIXED", "SMP", "NUMA", "KEXEC", "KEXEC_FILE"),
    *("INTEL_TDX_HOST", "RANDOMIZE_MEMORY", "CRASH_DUMP", "CRASH_HOTPLUG", "CRASH_DM_CRYPT"),
    *("KEXEC_HANDOVER", "IMA_KEXEC", "ARCH_KEEP_MEMBLOCK", "CMA", "DMA_CMA", "MEMORY_HOTREMOVE"),
    *("UNACCEPTED_MEMORY", "EFI_SOFT_RESERVE", "ACPI", "BLK_DEV_INITRD", "MODULES", "CMDLINE_BOOL"),
    *("GCOV_PROFILE_ALL", "KASAN", "KCSAN", "KMSAN", "UBSAN", "KCOV", "KALLSYMS", "KALLSYMS_ALL"),
    *("KERNEL_GZIP", "KERNEL_BZIP2", "KERNEL_LZMA", "KERNEL_XZ", "KERNEL_LZO", "KERNEL_LZ4"),
    "KERNEL_ZSTD",
)
_HEX = ("PHYSICAL_START", "PHYSICAL_ALIGN")
_INT = ("NODES_SHIFT", "NR_CPUS", "CMA_SIZE_MBYTES", "CMA_ALIGNMENT", "CRASH_MAX_MEMORY_RANGES")
_STRING = ("CMDLINE", "LOCALVERSION", "DEFAULT_HOSTNAME", "CC_VERSION_TEXT")

_TYPES = {
    **dict.fromkeys(_BOOL, OptionType.BOOL),
    **dict.fromkeys(_HEX, OptionType.HEX),
    **dict.fromkeys(_INT, OptionType.INT),
    **dict.fromkeys(_STRING, OptionType.STRING),
    "IKCONFIG": OptionType.TRISTATE,
}
"""By name: arch/x86/Kconfig, init/Kconfig, kernel/Kconfig.kexec, mm/Kconfig, drivers/acpi/Kconfig,
drivers/firmware/efi/Kconfig, kernel/dma/Kconfig, kernel/gcov/Kconfig, lib/Kconfig.k*san and .debug,
security/integrity/ima/Kconfig, v4.14 to v6.12. Of an option that is not here any type is possible.
"""

_FORMS = {
    OptionType.BOOL: re.compile("[yn]"),
    OptionType.TRISTATE: re.compile("[ymn]"),
    OptionType.INT: re.compile("-?[0-9]+|n"),
    OptionType.HEX: re.compile("0[xX][0-9a-fA-F]+|n"),
}
"""A number may be off as well: what it depends on is."""

_ANY = "y, m, n, a number or a text in quotes"
_UNQUOTED = re.compile("|".join(form.pattern for form in _FORMS.values()))


def type_of(option: str) -> OptionType | None:
    """Return what Kconfig declares ``CONFIG_…`` to be; ``None`` where that is not known here."""
    return _TYPES.get(option.removeprefix("CONFIG_"))


def value_problem(option: str, written: str, *, quoted: bool) -> str | None:
    """Say why ``written`` cannot be the value of ``option``; ``None`` if it can.

    Args:
        option: with its CONFIG_.
        written: without quotes.
        quoted: whether it stands in quotes, as a text does.
    """
    declared = type_of(option)
    if quoted and declared in (None, OptionType.STRING):
        return None
    form = _UNQUOTED if declared is None else _FORMS.get(declared)
    if form is not None and form.fullmatch(written):
        return None
    if declared is None:
        return f"{written[:40]!r} is not a value of an option: write {_ANY}"
    kind = f"{option}, which is of type {declared.name.lower()}"
    return f"{written[:40]!r} is not a value of {kind}: write {declared.value}"


_NO_VALUE = re.compile(
    r"^(CONFIG_\w++)=(?!(?:[ymn]?|-?[0-9]++|0[xX][0-9a-fA-F]++"
    r'|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+")[ \t\r]*+$)([^\n]{0,80}+)',
    re.MULTILINE | re.ASCII,
)
"""An option with what is never written. A number that nobody chose is left empty."""

_NOT_BOOL = re.compile(
    rf"^(CONFIG_(?:{'|'.join(_BOOL)}))=(?![yn]?[ \t\r]*+$)([^\n]{{0,80}}+)",
    re.MULTILINE | re.ASCII,
)


def first_wrong(text: str) -> re.Match[str] | None:
    """Return the first option of a configuration that cannot have the value that is written.

    The first group is what it is called, the second what is written, as far as it is short.
    """
    found = [match for form in (_NO_VALUE, _NOT_BOOL) if (match := form.search(text))]
    return min(found, key=lambda match: match.start(), default=None)
