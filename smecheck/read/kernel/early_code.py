"""The code that runs before the kernel maps itself where it is linked, out of an image.

arch/x86/kernel/head_64.S of 4.14 to 7.3 calls sme_enable() and, by __startup_64(),
sme_encrypt_kernel() while CR3 still maps memory one to one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.kernel.early_code import Addressing, EarlyCode, LinkAddressAccess
from smecheck.kernel.startup_names import STARTUP_PREFIX, all_spellings
from smecheck.kernel.symbols import Symbols
from smecheck.machine_code.walk import Access, Code, Stop, Walk, follow
from smecheck.quantity import address_text

_COPY = "__enc_copy"
"""What sme_encrypt_execute() copies into the workarea, and calls there."""
_COPIES = "sme_encrypt_execute"

_ENTRIES = ("sme_encrypt_kernel", "sme_enable")

_NO_RETURN = ("panic", "__stack_chk_fail", "snp_abort", "sev_es_terminate")
"""Who calls these is lost already. What they reach is half the kernel."""

_FOR_GUESTS = ("svsm_perform_call_protocol", "svsm_perform_msr_protocol")
"""What snp_init() calls where it has found that the machine is an SEV-SNP guest: never with SME."""

_OF_KASAN = (
    *("kasan_report", "kasan_check_range", "__kasan_check_read", "__kasan_check_write"),
    *(
        f"__asan_{what}{size}{ending}"
        for what, ending in (
            ("report_load", "_noabort"),
            ("report_store", "_noabort"),
            ("load", "_noabort"),
            ("store", "_noabort"),
            ("load", ""),
            ("store", ""),
        )
        for size in (1, 2, 4, 8, 16)
    ),
)
"""What code that KASAN instruments calls (mm/kasan/generic.c, report_generic.c), to report an error
or to look at the shadow memory, which no link address names."""

_GUESTS_PART = "snp_init"
"""Its first part runs on every machine, the rest in such a guest alone."""

_OUT_OF_LINE = (
    *("__pti_set_user_pgtbl", "pti_set_user_pgtbl", "pmd_offset", "pmd_leaf", "sme_active"),
    *("cmdline_find_option", "strncmp", "memset", "memset_orig", "memcpy", "memcpy_orig"),
    *("__fentry__", "__x86_return_thunk", _COPIES),
)
"""Functions outside .head.text and .init.text that kernels of 5.10 to 7.3 call there."""

_LIMIT = 3000
"""Instructions from one entry; Debian's kernels have 670 at most."""

_SPELLINGS = ("{}", STARTUP_PREFIX + "{}")
_OF_COMPILERS = (*_SPELLINGS, "{}.isra.0", STARTUP_PREFIX + "{}.isra.0")


def _spelled(names: Iterable[str], spellings: tuple[str, ...] = _SPELLINGS) -> tuple[str, ...]:
    return tuple(spelling.format(name) for name in names for spelling in spellings)


ENTRY_NAMES = _spelled((*_ENTRIES, _COPY, _COPIES))
"""The symbols of where that code begins."""

END_NAMES = _spelled((*_NO_RETURN, *_FOR_GUESTS, *_OF_KASAN))
"""The symbols of where it is not followed."""

_OUT_OF_LINE_NAMES = _spelled(_OUT_OF_LINE, _OF_COMPILERS)

_INIT_TEXT = ("_sinittext", "_einittext")
_INIT_TEXT_LIMIT = 4 << 20
"""Bytes of .init.text; Debian's have 660 KiB."""
_ALTINSTR_AUX = 64 << 10
"""Bytes of .altinstr_aux, which follows it (vmlinux.lds.S); Debian's have 20 KiB."""

Addresses = Mapping[str, tuple[int, ...]]
LookUp = Callable[[Iterable[str]], Addresses]
"""What returns the addresses of those of some names that the image lists."""


def symbols_of_early_code(symbols: Symbols) -> Addresses:
    """Look up what :func:`pages_of_early_code` needs, together with what will be asked for next."""
    from smecheck.read.kernel.symbol_list import WANTED

    # One search: in a kernel without an index of names it takes a walk over all of them.
    return symbols.addresses(
        (
            *all_spellings(WANTED),
            *(*ENTRY_NAMES, *END_NAMES, *_OUT_OF_LINE_NAMES, *_INIT_TEXT),
        )
    )


def pages_of_early_code(symbols: Addresses, code: Code) -> tuple[frozenset[int], frozenset[int]]:
    """Return the pages that will be asked for, as far as the code that is at hand shows.

    Args:
        symbols: the addresses of symbols.
        code: what is at hand.

    Returns:
        The addresses of pages that are at hand, and of those that are not.
    """
    begins = [*_of(symbols, (*_ENTRIES, _COPY)), *_of(symbols, _OUT_OF_LINE, _OF_COMPILERS)]
    missing = {page for begin in begins for page in _follow(begin, symbols, code).missing}
    begin, end = (symbols.get(name, (0,))[0] for name in _INIT_TEXT)
    if 0 < end - begin < _INIT_TEXT_LIMIT:
        missing.update(range(begin // PAGE_SIZE * PAGE_SIZE, end + _ALTINSTR_AUX, PAGE_SIZE))
    return code.at_hand, frozenset(missing) - code.at_hand


def early_code(
    entries: Addresses, look_up: LookUp, code: Code, name_of: Callable[[int], str]
) -> tuple[Fact[EarlyCode], frozenset[int]]:
    """Follow the code, and say what it accesses by an address where the kernel is linked.

    Args:
        entries: the addresses of :data:`ENTRY_NAMES`; of :data:`END_NAMES`, where they cost little.
        look_up: the way to further symbols; called only where they matter.
        code: all code of the image.
        name_of: names an address; called only where there is something to say.

    Returns:
        What was found, and the addresses of pages that would have been needed.
    """
    if not _of(entries, _ENTRIES):
        reason = "no symbol says where sme_encrypt_kernel() and sme_enable() are"
        return Unknown(reason), frozenset()
    found, missing = _followed(entries, code, name_of=None)
    if found.accesses or found.not_followed:
        # It leads too far, perhaps: through what ends the kernel, or is for guests.
        found, missing = _followed({**entries, **look_up(END_NAMES)}, code, name_of)
    return Known(found, "the code of the image, followed"), missing


def _followed(
    symbols: Addresses, code: Code, name_of: Callable[[int], str] | None
) -> tuple[EarlyCode, frozenset[int]]:
    """Follow the code from all entries; without ``name_of``, addresses are not named."""
    name_of = name_of or address_text
    names = (*_ENTRIES, _COPY)
    walks = [(name, _follow(at, symbols, code)) for name in names for at in _of(symbols, (name,))]
    copies = _of(symbols, (_COPIES,)) if _of(symbols, (_COPY,)) else ()
    accesses: dict[int, LinkAddressAccess] = {}
    stops: dict[int, str] = {}
    for entry, walk in walks:
        for access in walk.accesses:
            if access.address not in accesses:
                accesses[access.address] = _named(access, entry, walk, name_of)
        for at, stop in walk.stops:
            if stop is Stop.INDIRECT and any(0 <= at - copy < PAGE_SIZE for copy in copies):
                continue  # the call of the copy of __enc_copy(), which is followed by itself
            stops.setdefault(at, f"{name_of(at)}, reached from {entry}: {stop.value}")
    missing = frozenset[int]().union(*(walk.missing for _, walk in walks))
    if missing:
        stops[0] = f"{len(missing)} pages of it would have to be unpacked once more"
    found = EarlyCode(
        tuple(accesses[at] for at in sorted(accesses)), tuple(stops[at] for at in sorted(stops))
    )
    return found, missing


def _follow(entry: int, symbols: Addresses, code: Code) -> Walk:
    ends = frozenset(_of(symbols, _NO_RETURN))
    skipped = frozenset(_of(symbols, (*_FOR_GUESTS, *_OF_KASAN)))
    return follow(entry, code, ends=ends, skipped=skipped, limit=_LIMIT)


def _of(
    symbols: Addresses, names: Iterable[str], spellings: tuple[str, ...] = _SPELLINGS
) -> tuple[int, ...]:
    """Return the addresses of functions, however they are spelled."""
    every = _spelled(names, spellings)
    return tuple(dict.fromkeys(at for name in every for at in symbols.get(name, ())))


def _named(
    access: Access, entry: str, walk: Walk, name_of: Callable[[int], str]
) -> LinkAddressAccess:
    path = [name_of(access.address)]
    for site in walk.way_to(access.begin):
        name = name_of(site)
        if _function(name) != _function(path[-1]):
            path.append(name)
    if _function(path[-1]) != entry:
        path.append(entry)
    return LinkAddressAccess(
        access.address,
        access.code.hex(),
        Addressing(access.operand.value),
        access.target,
        name_of(access.target),
        tuple(reversed(path)),
        for_guests=any(_function(name) == _GUESTS_PART for name in path),
    )


def _function(name: str) -> str:
    return name.partition("+")[0].removeprefix(STARTUP_PREFIX)
