"""Names of the code that runs before the kernel's own mapping: since v6.18 with a prefix.

arch/x86/boot/startup/Makefile has objcopy prefix every symbol of what is compiled there, so that
nothing else can call it by accident: sme_encrypt_kernel() stands in the kernel's symbols as
``__pi_sme_encrypt_kernel``. Debian's 6.16 and 6.17 have the plain names, 6.18 to 7.3 the prefix.

The prefix is no more than a spelling of the names below. ``__pi__text`` and ``__pi__end``, which
the linker script defines for that code, are second names of symbols that are there as well, and
``__pfx_…`` and ``__pi___pfx_…`` are the padding before a function: none of them is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

STARTUP_PREFIX = "__pi_"

_STARTUP_NAMES = frozenset(
    (
        *("sme_encrypt_kernel", "sme_enable", "sme_encrypt_execute", "sme_workarea"),
        *("__sme_map_range", "sme_prepare_pgd", "sme_cmdline_on", "sme_cmdline_off"),
    )
)
"""The names of that code that are read: see ``kernel/identity.py``."""


def plain_name(name: str) -> str:
    """Return the name that a symbol has in the source: without the prefix, if it has one."""
    plain = name.removeprefix(STARTUP_PREFIX)
    return plain if plain in _STARTUP_NAMES else name


def spellings(name: str) -> tuple[str, ...]:
    """Return the names that a symbol may have in a kernel, the one of the source first."""
    return (name, STARTUP_PREFIX + name) if name in _STARTUP_NAMES else (name,)


def by_plain_name(symbols: Mapping[str, int]) -> tuple[dict[str, int], dict[str, str]]:
    """Return the symbols by the names that they have in the source.

    Where a kernel has both spellings, the plain one counts.

    Returns:
        The symbols, and by their names the spelling of those that were found by another.
    """
    named: dict[str, int] = {}
    spelled: dict[str, str] = {}
    for name, value in symbols.items():
        plain = plain_name(name)
        if plain == name or plain not in symbols:
            named[plain] = value
            if plain != name:
                spelled[plain] = name
    return named, spelled


def all_spellings(names: Iterable[str]) -> tuple[str, ...]:
    """Return every name under which one of ``names`` may stand."""
    return tuple(spelling for name in names for spelling in spellings(name))
