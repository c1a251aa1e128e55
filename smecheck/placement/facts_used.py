"""The facts that were taken from each input, by name, for the list of inputs in a report."""

from __future__ import annotations

from smecheck.evidence import Known
from smecheck.model.host import Host
from smecheck.model.kernel import KernelImage
from smecheck.model.memory import MemoryMap
from smecheck.record import field_names

_PLAIN = ("kexec_options", "firmware_map", "crash_kernel")
"""Fields of a host that say nothing where they are empty."""


def used_of_kernel(image: KernelImage) -> tuple[str, ...]:
    """Return what a kernel's own source tells."""
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


def used_of_memory(memory: MemoryMap) -> tuple[str, ...]:
    """Return which regions that matter a memory map names."""
    names = ("System RAM", "Crash kernel", "Kernel code", "Kernel bss")
    return tuple(name for name in names if memory.first(name) is not None)


def used_of_host(host: Host) -> tuple[str, ...]:
    """Return the names of the facts that are known of a host."""
    told = []
    for name in field_names(host):
        value = getattr(host, name)
        given = isinstance(value, Known) and value.origin.startswith(f"{host.source}:")
        if given or (name in _PLAIN and value):
            told.append(name)
    return tuple(told)
