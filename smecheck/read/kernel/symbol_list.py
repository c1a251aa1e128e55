"""A kernel's symbols as a list: System.map, /proc/kallsyms, or the output of nm.

A line is ``address type name``; those of modules end in ``[module]`` and are not the kernel's. The
lists have 100,000 lines and more, of which a dozen matter: the names are searched in whole pieces
of the file, and only a line that has one of them is looked at.

A running kernel's list has the addresses that virtual KASLR gave it. Only the distances between
them count; see ``kernel/link_address.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from smecheck.errors import MalformedInput, UnreadableInput, WrongKind
from smecheck.evidence import Unknown
from smecheck.kernel.constants import KERNEL_IMAGE_SIZE, PMD_SIZE, START_KERNEL_MAP
from smecheck.kernel.identity import IDENTITY_FILE_SYMBOL, IDENTITY_SYMBOLS, SME_CODE_SYMBOLS
from smecheck.kernel.image import SECTION_SYMBOLS, KernelImage, KernelKind, SetupHeader
from smecheck.kernel.link_address import DEFAULT_LINK_ADDRESS, settled
from smecheck.kernel.startup_names import all_spellings, by_plain_name
from smecheck.quantity import address_text
from smecheck.read.kinds import ELF_MAGIC, QUOTED, SYMBOL_LINE, kind_of_text
from smecheck.read.lines.log_lines import LINE_LIMIT
from smecheck.read.readable import Readable
from smecheck.read.source import decode_text, display_name, reading

SIZE_LIMIT = 48 << 20
"""Bytes of a list; /proc/kallsyms of a large kernel with its modules has 8 to 12 MB."""

WHOLE = 1000
"""A whole list has more symbols than this; those of Debian's kernels have 90,000."""

WITNESSES = ("_text", "_end", "start_kernel", "startup_64")
"""A whole list has these, too; what people search a list for (``grep -E '_text|_end'`` finds
thousands of lines) leaves the last two out."""

BESIDE_SME_CODE = "early_set_memory_encrypted"
"""Of arch/x86/mm/mem_encrypt.c, later mem_encrypt_amd.c, v4.14 to v7.3: a kernel that has it has
the SME code as well, so a list that lacks that was searched (``grep -v sme``)."""

WANTED = (
    *IDENTITY_SYMBOLS,
    *SME_CODE_SYMBOLS[1:],
    # Only nm -a lists file symbols. Without that one the helpers beside it in GENERATION_SYMBOLS
    # do not distinguish v4.15 from v4.17, so they are not read.
    IDENTITY_FILE_SYMBOL,
    *(name for _, section in SECTION_SYMBOLS.values() for name in (section.begin, section.end)),
    "_stext",
    "__bss_stop",
    "__brk_limit",
    "__end_of_kernel_reserve",
)
"""The symbols that are read."""

_CHUNK = 1 << 20
_HEAD_SIZE = 64 << 10
_OTHERS_LIMIT = 100
_NAMES = re.compile(
    rb"[ \t](?:"
    + b"|".join(
        re.escape(name.encode()) for name in all_spellings((*WANTED, *WITNESSES, BESIDE_SME_CODE))
    )
    + rb")[ \t\r]*$",
    re.MULTILINE,
)
_LINE = re.compile(
    rb"[ \t>]*(?P<address>[0-9a-f]{8,16})[ \t]+(?P<type>[A-Za-z?])[ \t]+(?P<name>\S+)\s*"
)
_SOME_LINE = re.compile((QUOTED + SYMBOL_LINE).encode(), re.MULTILINE)
_ZERO = re.compile(rb"^[ \t>]*0{8,16}[ \t]+[A-Za-z?][ \t]+\S", re.MULTILINE)
_STUB = re.compile(rb"f{8,16} B The real System\.map is in the (\S+) package")
_OF_THE_KERNEL = b"\nffffffff"
"""How a line with an address in the kernel's own 2 GiB begins, as the next line's end sees it."""

_WHOLE_LIST = "give the complete System.map of that build, or /proc/kallsyms read as root"


def is_symbol_list(head: bytes) -> bool:
    """Return whether a file that begins with ``head`` is a list of symbols."""
    return _SOME_LINE.search(head) is not None


def read_symbols(path: str) -> KernelImage:
    """Read a list of symbols; ``-`` is standard input.

    Raises:
        UnreadableInput: it cannot be read, or is too large.
        WrongKind: it is something else, or an empty shell of a list; the help says how to go on.
        MalformedInput: it contradicts itself.
    """
    name = display_name(path)
    with reading(path) as stream:
        head = stream.read(_HEAD_SIZE)
        if not head.strip(b"\0 \t\r\n"):
            raise UnreadableInput("is empty", where=name, help_text=_WHOLE_LIST)
        if not is_symbol_list(head):
            raise _other_kind(head, name)
        return _read(_pieces(head, stream, name), name)


def read_symbol_list(stream: Readable, name: str) -> KernelImage:
    """Read a list of symbols that :func:`is_symbol_list` knew by its head.

    Raises:
        UnreadableInput: it is too large.
        WrongKind: it is an empty shell of a list; the help says where the real one is.
        MalformedInput: it contradicts itself.
    """
    return _read(_pieces(b"", stream, name), name)


class _Symbols:
    """The symbols that matter, as they come."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._others = 0
        self.addresses: dict[str, int] = {}
        self.lines: dict[str, int] = {}

    def of(self, names: tuple[str, ...]) -> dict[str, int]:
        """Return the addresses of those of ``names`` that there are, in the order of the list."""
        return {name: at for name, at in self.addresses.items() if name in names}

    def add(self, line: bytes, number: int) -> None:
        """Take note of a line that ends in one of the names.

        Raises:
            MalformedInput: it has been there before, or too many such lines are not symbols.
        """
        match = _LINE.fullmatch(line)
        if match is None:
            self._others += 1
            if self._others > _OTHERS_LIMIT:
                raise self._malformed("is not a line of a list of symbols", number)
            return
        name, address = match["name"].decode("ascii"), int(match["address"], 16)
        if name in self.addresses:
            raise self._malformed(
                f"{name} is at {address_text(address)} here, and at "
                f"{address_text(self.addresses[name])} in line {self.lines[name]}",
                number,
            )
        self.addresses[name] = address
        self.lines[name] = number

    def _malformed(self, what: str, number: int) -> MalformedInput:
        return MalformedInput(
            what, where=f"{self._name}:{number}", help_text="give the list of one kernel alone"
        )


def _read(pieces: Iterator[bytes], name: str) -> KernelImage:
    symbols = _Symbols(name)
    first, number, count, zeros = True, 1, 0, False
    for piece in pieces:
        if first:
            first = False
            _refuse_stub(piece, name)
            zeros = _ZERO.search(piece) is not None
        counted = 0
        for match in _NAMES.finditer(piece):
            begin = piece.rfind(b"\n", 0, match.start()) + 1
            number += piece.count(b"\n", counted, begin)
            counted = begin
            symbols.add(piece[begin : match.end()], number)
        number += piece.count(b"\n", counted)
        count += piece.count(_OF_THE_KERNEL)
    if zeros and not any(symbols.addresses.values()) and (symbols.addresses or not count):
        raise WrongKind(
            "was read without the privilege to see addresses: they are all zero",
            where=name,
            help_text="read it as root: sudo cat /proc/kallsyms > kallsyms.txt; if it still shows "
            "zeros, sudo sysctl kernel.kptr_restrict=1 first",
        )
    return _image(symbols, name, is_long=count > WHOLE)


def _image(symbols: _Symbols, name: str, *, is_long: bool) -> KernelImage:
    addresses, spelled = by_plain_name(symbols.of(all_spellings(WANTED)))
    is_searched = BESIDE_SME_CODE in symbols.addresses and SME_CODE_SYMBOLS[1] not in addresses
    has_witnesses = all(witness in symbols.addresses for witness in WITNESSES)
    is_whole = is_long and has_witnesses and not is_searched
    lines = {key: symbols.lines[spelled.get(key, key)] for key in addresses}
    if "_text" not in addresses and "_stext" in addresses:
        # vmlinux.lds.S: on x86-64 both stand at the start of .text.
        addresses["_text"], lines["_text"] = addresses["_stext"], lines["_stext"]
    if "_text" not in addresses:
        raise WrongKind(
            "has no symbol _text, which all others are relative to",
            where=name,
            help_text=_WHOLE_LIST,
        )
    _check(addresses, lines, name)
    text = addresses["_text"]
    shifted = text != DEFAULT_LINK_ADDRESS
    there = {key: f" ({address_text(address)} there)" for key, address in addresses.items()}
    not_listed = Unknown("a list of symbols does not show it")
    image = KernelImage(
        source=name,
        kind=KernelKind.SYMBOLS,
        release=not_listed,
        build_id=not_listed,
        symbols=addresses,
        symbols_complete=is_whole,
        sections=(),
        sections_complete=False,
        loads=(),
        header=SetupHeader(),
        config={},
        sme_text=not_listed,
        symbols_shifted=shifted,
        origins={
            key: f"{name}:{lines[key]}: symbol {spelled.get(key, key)}"
            f"{there[key] if shifted else ''}"
            for key in addresses
        },
    )
    return settled(image)


def _check(addresses: dict[str, int], lines: dict[str, int], name: str) -> None:
    """Refuse addresses that no x86-64 kernel has, shifted or not."""
    text = addresses["_text"]
    where = f"{name}:{lines['_text']}"
    if not START_KERNEL_MAP <= text < START_KERNEL_MAP + KERNEL_IMAGE_SIZE:
        raise WrongKind(
            f"is not of an x86-64 kernel: _text is at {address_text(text)}, theirs is at "
            f"{address_text(START_KERNEL_MAP)} or up to 1 GiB above",
            where=where,
            help_text="SME exists on AMD x86-64 machines only",
        )
    if text % PMD_SIZE:
        raise MalformedInput(
            f"_text {address_text(text)} is not aligned to 2 MiB",
            where=where,
            help_text=_WHOLE_LIST,
        )
    for key, address in addresses.items():
        if key != IDENTITY_FILE_SYMBOL and not 0 <= address - text <= KERNEL_IMAGE_SIZE:
            raise MalformedInput(
                f"{key} {address_text(address)} is not within 1 GiB above _text "
                f"{address_text(text)}",
                where=f"{name}:{lines[key]}",
                help_text=_WHOLE_LIST,
            )


def _pieces(head: bytes, stream: Readable, name: str) -> Iterator[bytes]:
    """Yield ``head`` and the rest of the stream in pieces of whole lines."""
    pending, size = head, len(head)
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        if size > SIZE_LIMIT:
            raise UnreadableInput(
                f"is larger than {SIZE_LIMIT >> 20} MiB",
                where=name,
                help_text="no kernel has that many symbols: is it the right file?",
            )
        whole, newline, rest = (pending + chunk).rpartition(b"\n")
        if newline:
            yield whole + newline
        pending = rest[:LINE_LIMIT]
    yield pending


def _refuse_stub(piece: bytes, name: str) -> None:
    match = _STUB.search(piece)
    if match is not None:
        package = match[1].decode("ascii", "replace")
        raise WrongKind(
            "is Debian's stub of a System.map: it holds no symbols",
            where=name,
            help_text="Debian's vmlinuz carries its symbols: give /boot/vmlinuz-<version> as "
            f"KERNEL. The real list is in the package {package}, as /usr/lib/debug/boot/System.map-"
            "<version> (from 7.2 on /usr/lib/debug/lib/modules/<version>/System.map); on the "
            "machine itself, sudo cat /proc/kallsyms shows the same",
        )


def _other_kind(head: bytes, name: str) -> WrongKind:
    if head.startswith(ELF_MAGIC):
        return WrongKind(
            "is an ELF file, not a list of symbols", where=name, help_text="give it as KERNEL"
        )

    kind = kind_of_text(decode_text(head, name))
    what = f"is {kind.description}, not" if kind else "is not"
    return WrongKind(f"{what} a list of symbols", where=name, help_text=_WHOLE_LIST)
