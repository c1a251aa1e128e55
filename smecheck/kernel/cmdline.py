"""Kernel command lines, read as the code of the kernel reads them that wants to know.

Three readers differ. For two of them a word ends at any byte up to a space, and quotes are nothing:
the one of the decompressor (arch/x86/boot/cmdline.c) and the one of the early kernel
(arch/x86/lib/cmdline.c). The third splits parameters for everything later, for the EFI stub and for
memory options of the decompressor: next_arg() of lib/cmdline.c, which knows quotes. To none of them
is a blank of Unicode a blank, with one exception: next_arg() takes the byte 0xa0 for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

COMMAND_LINE_SIZE = 2048
"""arch/x86/include/asm/setup.h; with the NUL that ends it. ``cmdline_size`` of the setup header,
by which loaders go, is one less."""

SPACE = " \t\n\v\f\r\xa0"
"""What isspace() of lib/ctype.c takes for a blank, one character for each byte."""

_LONGEST_CHARACTER = 4
"""Bytes of UTF-8."""

_BLANK = r"\x00-\x20"
_WORD = re.compile(rf"[^{_BLANK}]+")


def kernel_bytes(cmdline: str) -> str:
    """Return a command line up to its NUL, one character for each byte."""
    return cmdline.encode("utf-8", "surrogateescape").decode("latin-1").partition("\0")[0]


def seen(cmdline: str) -> str:
    """Return what the kernel sees of a command line: up to its NUL, and to the end of the buffer.

    Whatever is longer is cut off or refused by whoever loads the kernel.
    """
    text = cmdline.partition("\0")[0]
    if len(text) < COMMAND_LINE_SIZE // _LONGEST_CHARACTER:
        return text
    data = text.encode("utf-8", "surrogateescape")
    if len(data) < COMMAND_LINE_SIZE:
        return text
    return data[: COMMAND_LINE_SIZE - 1].decode("utf-8", "ignore")


def unseen_bytes(cmdline: str) -> int:
    """Return how many bytes of a command line the kernel does not see."""
    return len(cmdline.encode("utf-8", "surrogateescape")) - len(
        seen(cmdline).encode("utf-8", "surrogateescape")
    )


def has_word(cmdline: str, word: str) -> bool:
    """Return whether the decompressor finds ``word``, such as ``nokaslr``, on the command line."""
    return word_position(cmdline, word) > 0


def word_position(cmdline: str, word: str) -> int:
    """Return where the decompressor first finds ``word``, counted from 1; 0 if it does not.

    arch/x86/boot/cmdline.c, __cmdline_find_option_bool(), v4.14 to v7.3: ``nokaslr=1`` is not
    ``nokaslr``. A word that ``word`` goes on from takes the blank after it along, so that the next
    word is not looked at: in ``no nokaslr`` there is no nokaslr.
    """
    text, at = seen(cmdline), 0
    while found := _WORD.search(text, at):
        if found[0] == word:
            return found.start() + 1
        at = found.end()
        if word.startswith(found[0]):
            # The blank was compared, and skipped as part of the word.
            skipped = _WORD.match(text, at + 1)
            at = skipped.end() if skipped else at + 1
    return 0


def values(cmdline: str, option: str) -> list[str]:
    """Return the values of each ``option=value`` that the early kernel finds, in order.

    arch/x86/lib/cmdline.c, cmdline_find_option(), and the decompressor's function of that name.
    """
    prefix = f"{option}="
    words = _WORD.findall(seen(cmdline))
    return [word[len(prefix) :] for word in words if word.startswith(prefix)]


def last_value(cmdline: str, option: str) -> str | None:
    """Return the value of the last ``option=value`` of ``cmdline``, which wins."""
    return next(reversed(values(cmdline, option)), None)


def parameters(cmdline: str) -> Iterator[tuple[str, str | None]]:
    """Yield the name and the value of each parameter of the kernel, as parse_args() takes them.

    kernel/params.c; drivers/firmware/efi/libstub/efi-stub-helper.c, efi_parse_options(). What
    stands after ``--`` is for init.
    """
    rest = kernel_bytes(seen(cmdline)).lstrip(SPACE)
    while rest:
        name, value, rest = next_argument(rest)
        if name == "--" and value is None:
            return
        yield _text(name), None if value is None else _text(value)


def changes_of_memory(cmdline: str) -> Iterator[tuple[str, str]]:
    """Yield the options, with their values, by which a kernel changes its memory map.

    arch/x86/kernel/e820.c, parse_memopt() and parse_memmap_opt().
    """
    for name, value in parameters(cmdline):
        if value and (name == "memmap" or (name == "mem" and value != "nopentium")):
            yield name, value


def _text(data: str) -> str:
    return data.encode("latin-1").decode("utf-8", "surrogateescape")


def next_argument(text: str) -> tuple[str, str | None, str]:
    """Split the first argument off: its name, its value or ``None``, and the rest.

    lib/cmdline.c, next_arg(): quotes keep spaces together; they are removed around the whole
    argument and around the value.

    Args:
        text: as :func:`kernel_bytes` returns it, without blanks in front.
    """
    quoted = text.startswith('"')
    if quoted:
        text = text[1:]
    in_quote, equals, end = quoted, 0, 0
    for end, char in enumerate(text):
        if char in SPACE and not in_quote:
            break
        if char == "=" and not equals:
            equals = end
        if char == '"':
            in_quote = not in_quote
    else:
        end = len(text)
    argument, rest = text[:end], text[end + 1 :].lstrip(SPACE)
    if quoted and argument.endswith('"'):
        argument = argument[:-1]
    if not equals:
        return argument, None, rest
    value = argument[equals + 1 :]
    if value.startswith('"'):
        value = value[1:]
        if not quoted:
            value = value.removesuffix('"')
    return argument[:equals], value, rest


def without_word(cmdline: str, word: str) -> str:
    """Return ``cmdline`` without ``word`` as a whole word."""
    return " ".join(one for one in _WORD.findall(cmdline) if one != word)


def without_option(cmdline: str, option: str) -> str:
    """Return ``cmdline`` without any ``option=value``."""
    return " ".join(one for one in _WORD.findall(cmdline) if not one.startswith(f"{option}="))
