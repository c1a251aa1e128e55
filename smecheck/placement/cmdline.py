"""Kernel command lines, read as the early code of the kernel reads them."""

from __future__ import annotations

import re


def has_word(cmdline: str, word: str) -> bool:
    """Tell whether ``word`` is a whole word of ``cmdline``.

    arch/x86/lib/cmdline.c, cmdline_find_option_bool(): ``nokaslr=1`` is not ``nokaslr``.
    """
    return word in cmdline.split()


def word_position(cmdline: str, word: str) -> int:
    """Return where ``word`` first stands as a whole word, counted from 1; 0 if it does not.

    arch/x86/boot/cmdline.c, cmdline_find_option_bool(): words end at bytes up to a space.
    """
    found = re.search(rf"(?<![^\0- ]){re.escape(word)}(?![^\0- ])", cmdline)
    return 0 if found is None else found.start() + 1


def values(cmdline: str, option: str) -> list[str]:
    """Return the values of each ``option=value`` of ``cmdline``, in order."""
    prefix = f"{option}="
    return [word[len(prefix) :] for word in cmdline.split() if word.startswith(prefix)]


def last_value(cmdline: str, option: str) -> str | None:
    """Return the value of the last ``option=value`` of ``cmdline``.

    arch/x86/lib/cmdline.c, cmdline_find_option(): the last occurrence wins.
    """
    return next(reversed(values(cmdline, option)), None)


def without_word(cmdline: str, word: str) -> str:
    """Return ``cmdline`` without ``word`` as a whole word."""
    return " ".join(one for one in cmdline.split() if one != word)


def without_option(cmdline: str, option: str) -> str:
    """Return ``cmdline`` without any ``option=value``."""
    return " ".join(one for one in cmdline.split() if not one.startswith(f"{option}="))
