"""Other values of what was assumed for a predicted load: to try whether they would matter."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.evidence import Known
from smecheck.load.request import AskedLoad, PredictedLoad
from smecheck.load.segments import Loader
from smecheck.record import record, replace

_OF_HOST: dict[str, tuple[str, tuple[object, ...]]] = {
    "kexec_tools": ("kexec_tools", ("2.0.20", "2.0.25", "2.0.29")),
    "kernel_release": (
        "kernel_release",
        ("4.18.0", "5.14.0", "6.1.0", "6.6.0", "6.8.0", "6.12.0", "7.3.0"),
    ),
    "cpus": ("cpus", (1, 512, 8192)),
    "efi_runtime_entries": ("efi_runtime_entries", (0, 12, 110)),
    "acpi_rsdp": ("acpi_rsdp", (0x7F5FD014,)),
    "vmcoreinfo": ("vmcoreinfo", (False,)),
    "rng_seed": ("rng_seed", (False,)),
    "purgatory": ("purgatory_size", (0x6000, 0x8000, 0xA000)),
    "kernel_purgatory": ("kernel_purgatory_size", (0x4000, 0x5000, 0x6000)),
    "crash_elfcorehdr_size": ("crash_elfcorehdr_size", (0x4000, 0x38000)),
    "cmdline": ("cmdline", ("add_efi_memmap",)),
}
"""By the name of a fact in a description: its field, and values that are met in the field.

Versions are those of long-lived distributions; 110 EFI entries, 8192 CPUs and an elfcorehdr for as
many are the large end of what was seen.
"""

_IN_HEX = 0x2001
"""From here on a number is shown as an address or a size, below as a count."""

_INITRD_SIZES = (8 << 20, 32 << 20, 128 << 20)


@record
class Alternative:
    """One other value of one fact."""

    fact: str
    """What was assumed."""
    value: str
    """What is tried instead."""
    asked: AskedLoad


def alternatives(predicted: PredictedLoad) -> Iterator[Alternative]:
    """Yield loads that differ in one fact that was assumed, each with another plausible value."""
    asked = predicted.asked
    host = asked.request.host
    for name in predicted.prediction.assumed:
        field, values = _OF_HOST.get(name, (name, ()))
        for value in values:
            changed = replace(host, **{field: Known(value, "what if")})
            request = replace(asked.request, host=changed)
            yield Alternative(name, _shown(value), replace(asked, request=request))
    if asked.initrd_assumed:
        for size in _INITRD_SIZES:
            request = replace(asked.request, initrd_size=size)
            yield Alternative("initrd", f"{size >> 20} MiB", replace(asked, request=request))
    if asked.loader_assumed:
        for loader in Loader:
            if loader is not asked.request.loader:
                request = replace(asked.request, loader=loader)
                other = replace(asked, request=request, loader=Known(loader, "what if"))
                yield Alternative("loader", loader.value, other)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:#x}" if isinstance(value, int) and value >= _IN_HEX else str(value)
