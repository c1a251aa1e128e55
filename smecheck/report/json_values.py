"""How addresses and ranges are written in every JSON document: as text, since they need 64 bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from smecheck.evidence import value_of
from smecheck.quantity import address_text

if TYPE_CHECKING:
    from smecheck.evidence import Fact
    from smecheck.span import Span

Json: TypeAlias = dict[str, object]


def address_or_null(address: int | None) -> str | None:
    """Return an address; ``None`` where there is none."""
    return None if address is None else address_text(address)


def known_address(fact: Fact[int]) -> str | None:
    """Return an address; ``None`` where it is not known."""
    return address_or_null(value_of(fact))


def span_object(span: Span) -> Json:
    """Return a half-open range."""
    return {"start": address_text(span.start), "end": address_text(span.end)}
