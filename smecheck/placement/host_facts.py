"""What a description of a host tells."""

from __future__ import annotations

from smecheck.evidence import Known
from smecheck.model.host import Host
from smecheck.record import field_names


def facts_of_host(host: Host) -> tuple[str, ...]:
    """Return the names of the facts that are known of a host."""
    told = []
    for name in field_names(host):
        value = getattr(host, name)
        given = isinstance(value, Known) and value.origin.startswith(f"{host.source}:")
        if given or (name in _PLAIN and value):
            told.append(name)
    return tuple(told)


_PLAIN = ("kexec_options", "firmware_map", "crash_kernel")
"""Fields that say nothing where they are empty."""
