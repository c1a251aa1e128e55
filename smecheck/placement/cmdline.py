"""Kernel command lines, read as the early code of the kernel reads them."""

from __future__ import annotations


def has_word(cmdline: str, word: str) -> bool:
    """Tell whether ``word`` is a whole word of ``cmdline``.

    arch/x86/lib/cmdline.c, cmdline_find_option_bool(): ``nokaslr=1`` is not ``nokaslr``.
    """
    return word in cmdline.split()


def last_value(cmdline: str, option: str) -> str | None:
    """Return the value of the last ``option=value`` of ``cmdline``.

    arch/x86/lib/cmdline.c, cmdline_find_option(): the last occurrence wins.
    """
    prefix = f"{option}="
    values = [word[len(prefix) :] for word in cmdline.split() if word.startswith(prefix)]
    return values[-1] if values else None
