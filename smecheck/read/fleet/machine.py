"""A machine of a fleet before it was read: described in an inventory, collected, or broken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from smecheck.errors import SmecheckError
from smecheck.read.fleet.described import Described
from smecheck.record import record


@record
class Collected:
    """What was collected of a machine: an archive, its folder, a file."""

    name: str
    path: str


@record
class Broken:
    """A machine that cannot be asked, whatever the kernel."""

    name: str
    error: SmecheckError


Machine: TypeAlias = Described | Collected | Broken


def ids_of(fields: Mapping[str, object]) -> str | None:
    """Return the name that an object has."""
    value = fields.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None
