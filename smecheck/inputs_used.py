"""The inputs of a case, and the facts that were taken from each, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.answer import InputUse
from smecheck.evidence import Known
from smecheck.machine.memory import MapKind
from smecheck.record import field_names

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.kernel.image import KernelImage
    from smecheck.load.segments import SegmentList
    from smecheck.machine.host import Host
    from smecheck.machine.kernel_log import LoggedBoot
    from smecheck.machine.memory import MemoryMap

_PLAIN = ("kexec_options", "firmware_map", "crash_kernel")
"""Fields of a host that say nothing where they are empty."""

_GIVEN_MAPS = ("memmap", "e820-log")
"""Kinds of a firmware map that is an input of its own, not part of another one."""


def inputs_used(case: Case, segments: SegmentList | None) -> tuple[InputUse, ...]:
    """Return every input of a case, with what was taken from it."""
    image, memory = case.image, case.memory
    uses = [InputUse(image.source, image.kind.value, _used_of_kernel(image))]
    uses += [InputUse(part.source, part.kind, part.used) for part in image.complements]
    if memory is not None and memory.kind is MapKind.IOMEM:
        uses.append(InputUse(memory.source, "iomem", _used_of_memory(memory)))
    early, firmware = case.early, case.firmware
    if early is not None:
        uses.append(InputUse(early.source, "boot-params", early.known))
    if firmware is not None and firmware.kind.value in _GIVEN_MAPS:
        uses.append(InputUse(firmware.source, "memmap", ("firmware_map",)))
    if case.log is not None:
        uses.append(InputUse(case.log.source, "dmesg", _used_of_log(case.log.boot)))
    host = case.machine.host if case.machine is not None else None
    if host is not None and host.source is not None:
        uses.append(InputUse(host.source, "host", _used_of_host(host)))
    if host is not None and isinstance(host.crash_cma_ranges, Known):
        source = host.crash_cma_ranges.origin
        if not source.startswith(f"{host.source}:"):
            uses.append(InputUse(source, "crash-cma", ("crash_cma_ranges",)))
    if segments is not None and not segments.predicted:
        roles = dict.fromkeys(segment.role.value for segment in segments.segments)
        uses.append(InputUse(segments.source, "segments", tuple(roles)))
    return tuple(uses)


def _used_of_kernel(image: KernelImage) -> tuple[str, ...]:
    """Return what a kernel's own source shows."""
    facts = {
        "release": image.release,
        "build_id": image.build_id,
        "init_size": image.header.init_size,
        "kernel_alignment": image.header.kernel_alignment,
        "pref_address": image.header.pref_address,
        "relocatable": image.header.relocatable,
        "output_len": image.header.output_len,
    }
    known = [name for name, fact in facts.items() if isinstance(fact, Known)]
    parts = {
        "symbols": image.symbols,
        "sections": image.sections,
        "program_headers": image.loads,
        "config": image.config,
    }
    known += [name for name, part in parts.items() if part]
    elsewhere = {name for part in image.complements for name in part.used}
    return tuple(name for name in known if name not in elsewhere)


def _used_of_log(boot: LoggedBoot) -> tuple[str, ...]:
    """Return the names of the facts that a boot's log shows."""
    facts = {
        "release": isinstance(boot.release, Known),
        "cmdline": isinstance(boot.cmdline, Known),
        "cpus": isinstance(boot.cpus, Known),
        "e820": boot.firmware_map is not None,
        "efi": boot.efi_map is not None,
        "efi_tables": bool(boot.efi_tables),
        "esrt": boot.esrt is not None,
        "crash_reservation": bool(boot.crash_reservations or boot.crash_failures),
        "ramdisk": boot.ramdisk is not None,
        "setup_data": bool(boot.setup_data),
        "sme": boot.encryption is not None,
        "decompressor": boot.decompressor is not None,
    }
    return tuple(name for name, is_shown in facts.items() if is_shown)


def _used_of_memory(memory: MemoryMap) -> tuple[str, ...]:
    """Return which regions that matter a memory map names."""
    names = ("System RAM", "Crash kernel", "Kernel code", "Kernel bss")
    return tuple(name for name in names if memory.first(name) is not None)


def _used_of_host(host: Host) -> tuple[str, ...]:
    """Return the names of the facts that are known of a host."""
    names = []
    for name in field_names(host):
        value = getattr(host, name)
        given = isinstance(value, Known) and value.origin.startswith(f"{host.source}:")
        if given or (name in _PLAIN and value):
            names.append(name)
    return tuple(names)
