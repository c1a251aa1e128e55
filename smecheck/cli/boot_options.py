"""The files that say what a decompressor finds in memory, read and put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smecheck.boot.early_boot import EarlyBoot

BOOT_OPTIONS = ("boot_params", "srat", "boot")


def early_of(options: dict[str, Any]) -> EarlyBoot | None:
    """Return what the options of :data:`BOOT_OPTIONS` tell; ``None`` where none was given.

    Raises:
        InputError: a file cannot be read or understood.
    """
    if all(options[name] is None for name in BOOT_OPTIONS):
        return None
    from smecheck.boot.early_boot import EarlyBoot
    from smecheck.boot.early_memory import completed, from_boot_params
    from smecheck.evidence import Known, Unknown
    from smecheck.record import replace

    unknown = Unknown("not given")
    early = EarlyBoot("", unknown, unknown, unknown)
    if options["boot"] is not None:
        from smecheck.read.machine.boot_description import read_boot_description
        from smecheck.read.source import display_name, read_text

        early = read_boot_description(read_text(options["boot"]), display_name(options["boot"]))
    if options["cmdline"] is not None:
        early = replace(early, cmdline=Known(options["cmdline"], "--cmdline"))
    if options["boot_params"] is not None:
        from smecheck.read.machine.boot_params import read_boot_params

        params = read_boot_params(options["boot_params"])
        early = completed(early, by=from_boot_params(params, early.cmdline))
    if options["srat"] is not None:
        from smecheck.read.machine.srat import read_srat

        table = read_srat(options["srat"])
        early = replace(early, source=early.source or table.source, srat=Known(table, table.source))
    return early
