"""The early code in a kernel's description: what was found in it when it was at hand."""

from __future__ import annotations

from smecheck.evidence import Fact, Known
from smecheck.kernel.early_code import Addressing, EarlyCode, LinkAddressAccess
from smecheck.kernel.image import NOT_FROM_IMAGE
from smecheck.read.yaml.fields import Fields
from smecheck.read.yaml.nodes import (
    BadNodeError,
    Node,
    boolean,
    integer,
    nonempty_line,
    one_line,
    quoted,
)

_KEY = "early_code"
_KEYS = ("link_addresses", "not_followed")
_ACCESS_KEYS = ("instruction", "code", "addressing", "operand", "symbol", "path", "for_guests")


def read_early_code(fields: Fields) -> Fact[EarlyCode]:
    """Read what a description says of the early code."""
    nested = fields.nested(_KEY, _KEYS)
    if nested is None:
        return NOT_FROM_IMAGE
    accesses = (_access(item) for item in nested.each("link_addresses", _ACCESS_KEYS))
    found = EarlyCode(
        tuple(access for access in accesses if access is not None),
        tuple(nested.list_of("not_followed", nonempty_line)),
    )
    return Known(found, fields.place(_KEY))


def _access(item: Fields) -> LinkAddressAccess | None:
    address = item.need("instruction", integer)
    code = item.need("code", one_line)
    addressing = item.need("addressing", _addressing)
    operand = item.need("operand", integer)
    symbol = item.need("symbol", nonempty_line)
    path = tuple(item.list_of("path", nonempty_line))
    if not path:
        item.problem("path", "it names no function: give the place of the instruction at least")
    for_guests = item.get("for_guests", boolean) or False
    if address is None or code is None or addressing is None or operand is None or not path:
        return None
    return LinkAddressAccess(
        address, code, addressing, operand, symbol or "", path, for_guests=for_guests
    )


def _addressing(node: Node) -> Addressing:
    written = one_line(node)
    for known in Addressing:
        if written == known.value:
            return known
    names = ", ".join(known.value for known in Addressing)
    raise BadNodeError(node, f"{quoted(written)}: write one of {names}")
