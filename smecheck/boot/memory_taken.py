"""What the running kernel's command line takes from its memory.

arch/x86/kernel/e820.c, parse_memopt() and parse_memmap_one(), v5.0 to v7.3: each ``mem=`` and each
``memmap=`` without a place removes the RAM above it, ``memmap=…$…``, ``…#…`` and ``…!…`` make
something else of a range. With ``memmap=…@…`` RAM is whatever that says, with ``memmap=…%…`` it may
be, and ``add_efi_memmap``
comes after them (arch/x86/platform/efi/efi.c, do_add_efi_memmap()).
"""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.kernel.cmdline import changes_of_memory, parameters
from smecheck.kernel.cmdline_numbers import memparse
from smecheck.record import record
from smecheck.remembered import remembered
from smecheck.span import Span

_ADDRESSES_END = 1 << 64


@record
class TakenMemory:
    """Addresses that are not RAM for the kernel, and the option that makes it so."""

    span: Span
    option: str

    @property
    def is_limit(self) -> bool:
        """Whether it is all above an address."""
        return self.span.end == _ADDRESSES_END


@remembered
def taken_memory(cmdline: str) -> tuple[TakenMemory, ...]:
    """Return what no RAM is left of; nothing where an option adds RAM."""
    items = []
    for name, value in changes_of_memory(cmdline):
        for item in value.split(",") if name == "memmap" else [value]:
            size, rest = memparse(item)
            # parse_memopt() looks at the number alone.
            items.append((f"{name}={item}", size, rest if name == "memmap" else ""))
    adds = any(
        rest.startswith(("@", "%")) or option == "memmap=exactmap" for option, _, rest in items
    )
    if adds or any(name == "add_efi_memmap" for name, _ in parameters(cmdline)):
        return ()
    return tuple(_taken(items))


def _taken(items: list[tuple[str, int, str]]) -> Iterator[TakenMemory]:
    for option, size, rest in items:
        if not size:
            continue
        if not rest:
            yield TakenMemory(Span(size, _ADDRESSES_END), option)
        elif rest[0] in "$#!":
            start, more = memparse(rest[1:])
            if len(rest) > 1 and not more and start + size <= _ADDRESSES_END:
                yield TakenMemory(Span.sized(start, size), option)
