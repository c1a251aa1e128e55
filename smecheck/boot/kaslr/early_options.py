"""The command line as choose_random_location() reads it: what limits and excludes memory.

Source: handle_mem_options(), mem_avoid_memmap(), parse_memmap() and parse_gb_huge_pages() of
arch/x86/boot/compressed/kaslr.c; next_arg() of lib/cmdline.c.
"""

from __future__ import annotations

from smecheck.boot.kaslr.slots import GiganticRule, KaslrRules, LimitRule
from smecheck.kernel.cmdline import COMMAND_LINE_SIZE, SPACE, kernel_bytes, next_argument
from smecheck.kernel.cmdline_numbers import memparse, strtoull
from smecheck.kernel.constants import PUD_SIZE
from smecheck.machine.firmware import EFI_MEMORY_SP
from smecheck.record import record
from smecheck.remembered import remembered
from smecheck.span import Span

_NO_LIMIT = (1 << 64) - 1
_MAXMEM = {False: 1 << 46, True: 1 << 52}
"""arch/x86/include/asm/pgtable_64_types.h, MAXMEM with four levels and with five."""

_MOST_RANGES = 4
"""MAX_MEMMAP_REGIONS, kaslr.c."""


@record
class EarlyOptions:
    """What the command line says of memory."""

    limit: int
    """No slot reaches above this address."""
    excluded: tuple[Span, ...]
    """Ranges of ``memmap=``, four at most; one of no length still cuts."""
    gives_up: bool
    """More than four ranges in one list: physical KASLR is off."""
    gigantic_pages: int
    """``hugepages=`` after a ``hugepagesz=1G``."""


def kernel_text(cmdline: str, rules: KaslrRules) -> str:
    """Return the part of a command line that the decompressor sees, one character for each byte."""
    text = kernel_bytes(cmdline)
    return text[: COMMAND_LINE_SIZE - 1] if rules.cuts_command_line else text


@remembered
def early_options(text: str, rules: KaslrRules, five_levels: bool) -> EarlyOptions:
    """Read the options of a command line, as :func:`kernel_text` returns it."""
    reader = _Reader(rules, _MAXMEM[five_levels] if rules.limit is LimitRule.LOWEST else _NO_LIMIT)
    rest = text.lstrip(SPACE)
    while rest:
        name, value, rest = next_argument(rest)
        if (value is None and name == "--") or not reader.take(name, value):
            break
    return EarlyOptions(reader.limit, tuple(reader.excluded), reader.gives_up, reader.gigantic)


class _Reader:
    """What the options read so far add up to."""

    def __init__(self, rules: KaslrRules, limit: int) -> None:
        self._rules = rules
        self._wants_gigantic = False
        self.limit = limit
        self.excluded: list[Span] = []
        self.gives_up = False
        self.gigantic = 0

    def take(self, name: str, value: str | None) -> bool:
        """Take one option in; return whether reading goes on after it."""
        if name == "memmap":
            self._exclude(value, fake=False)
        elif name == "efi_fake_mem" and self._rules.reads_fake_mem:
            self._exclude(value, fake=True)
        elif name == "mem":
            return value == "nopentium" or self._limit_memory(value or "")
        elif name in ("hugepagesz", "hugepages"):
            self._keep_gigantic(name, value or "")
        return True

    def _limit_memory(self, value: str) -> bool:
        size, _ = memparse(value)
        if size:
            self._set_limit(size)
        return bool(size)

    def _set_limit(self, size: int) -> None:
        if self._rules.limit is LimitRule.LAST or size < self.limit:
            self.limit = size

    def _keep_gigantic(self, name: str, value: str) -> None:
        if self._rules.gigantic is GiganticRule.NOT_KNOWN_TO_IT:
            return
        if name == "hugepagesz":
            self._wants_gigantic = memparse(value)[0] == PUD_SIZE
        elif self._wants_gigantic:
            self.gigantic = strtoull(value)[0]

    def _exclude(self, value: str | None, *, fake: bool) -> None:
        if value is None or len(self.excluded) == _MOST_RANGES:
            return
        items = value.split(",")
        for number, item in enumerate(items, 1):
            read = _parse_range(item, fake=fake)
            if read is None:
                return
            start, size = read
            if start == 0:
                if size:
                    self._set_limit(size)
                continue
            self.excluded.append(Span.sized(start, size))
            if len(self.excluded) == _MOST_RANGES:
                self.gives_up = self.gives_up or number < len(items)
                return


def _parse_range(item: str, *, fake: bool) -> tuple[int, int] | None:
    """Return start and size of a range; start 0 makes the size a limit; ``None`` ends the list."""
    if item.startswith("exactmap"):
        return None
    size, rest = memparse(item)
    if rest == item:
        return None
    if rest[:1] in ("#", "$", "!") and rest:
        return memparse(rest[1:])[0], size
    if rest.startswith("@"):
        if fake:
            start, attribute = memparse(rest[1:])
            if attribute.startswith(":") and _is_soft_reserved(attribute[1:]):
                return start, size
        return 0, 0
    return 0, size


def _is_soft_reserved(text: str) -> bool:
    attribute, rest = strtoull(text.removeprefix("+"))
    return rest in ("", "\n") and bool(attribute & EFI_MEMORY_SP)
