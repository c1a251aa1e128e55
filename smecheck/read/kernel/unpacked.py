"""The ELF file inside something compressed, read as it goes by, with little of it kept.

A kernel unpacks to 50 MiB and more, of which a few KiB matter: the headers, the notes, the banner.
The ELF header, which comes first, says where most of that will be; texts are searched on the way.
So one pass does for a kernel as it is in a bzImage. Where more is asked for (the symbol table of a
vmlinux that was compressed whole), the payload is unpacked again and that is kept, too.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterable, Iterator

from smecheck.errors import MalformedInput, UnreadableInput, WrongKind
from smecheck.kernel.image import KernelImage, LoadSegment
from smecheck.machine_code.walk import Code
from smecheck.read.kernel.banner import BANNER_REACH, BANNER_TEXT
from smecheck.read.kernel.code_pages import place_of
from smecheck.read.kernel.elf import read_elf_file
from smecheck.read.kernel.elf_content import NOTES_LIMIT, SME_TEXTS
from smecheck.read.kernel.elf_file import ElfFile, ElfSection
from smecheck.read.kernel.kallsyms import Kallsyms
from smecheck.read.kernel.kallsyms_stream import KallsymsStream, Part
from smecheck.read.kernel.kept_bytes import KeptBytes, Sought
from smecheck.read.kernel.packed import NotUnpacked
from smecheck.read.kernel.payload import UNPACKED_LIMIT, Payload
from smecheck.read.kernel.purgatory import PURGATORY_MAGIC, PURGATORY_REACH
from smecheck.read.kinds import ELF_MAGIC, GZIP_DEFLATE_MAGIC, kind_of_binary, kind_of_text
from smecheck.span import Span

_HEAD = 64 << 10
"""The ELF header and the program headers, which follow it."""
_BEFORE_SECTIONS = 64 << 10
"""Linkers and objcopy write the section names right before the section headers: 430 bytes of them
in the kernels of Debian."""
_NOTES = 8
_PASSES = 4
_KEPT_LIMIT = 32 << 20
"""A kernel's symbol table and names take 10 MiB."""
_WORK_LIMIT = UNPACKED_LIMIT + UNPACKED_LIMIT // 2
"""No further pass begins when so much was unpacked in those before."""

_PASSES_FOR_CODE = 2
_WORK_FOR_CODE = 256 << 20
"""A kernel that needs more of them for its code is read without: that is then said."""

_SOUGHT = (
    Sought(BANNER_TEXT, BANNER_REACH),
    *(Sought(text, len(text)) for text in SME_TEXTS),
    Sought(PURGATORY_MAGIC, PURGATORY_REACH, most=2),
    Sought(
        b"IKCFG_ST" + GZIP_DEFLATE_MAGIC, 1 << 20, most=2
    ),  # the configuration, kernel/configs.c
)

_UNPACK = "unpack it to a file, then give that"
_GIVE = "give a vmlinuz, or a vmlinux, compressed or not"


class _NotKept(Exception):
    """Spans were asked for that went by."""

    def __init__(self, spans: list[Span]) -> None:
        super().__init__()
        self.spans = spans


class _UnpackedElf(ElfFile):
    """An ELF file of which only some bytes are at hand."""

    def __init__(
        self,
        kept: KeptBytes,
        size: int,
        name: str,
        kallsyms: Kallsyms | None = None,
        *,
        may_ask: bool = True,
    ) -> None:
        super().__init__(io.BytesIO(), size, name)
        self._kept = kept
        self._kallsyms = kallsyms
        self._tables: list[Span] = []
        self._may_ask = may_ask

    def read_sections(self) -> list[ElfSection]:
        sections = super().read_sections()
        if any(section.type == "SYMTAB" for section in sections):
            self._tables = [
                Span.sized(section.offset, section.size)
                for section in sections
                if section.type in ("SYMTAB", "STRTAB")
                and section.offset + section.size <= self.size
            ]
        return sections

    def bytes_at(self, offset: int, size: int) -> bytes:
        span = Span.sized(offset, size)
        data = self._kept.at(span)
        if data is None:
            # Who asks for one of the tables of the symbols will ask for the other.
            raise _NotKept([span, *self._tables])
        return data

    def bytes_if_kept(self, offset: int, size: int) -> bytes | None:
        end = min(offset + size, self.size)
        return self._kept.at(Span(offset, end)) if offset < end else b""

    def ask_again(self, spans: list[Span]) -> None:
        if self._may_ask:
            whole = Span(0, self.size)
            raise _NotKept([span & whole for span in spans])

    def kallsyms(self, section: ElfSection) -> Kallsyms | None:  # noqa: ARG002
        # They were searched as they went by, too.
        return self._kallsyms

    def chunks(self, section: ElfSection, overlap: int) -> Iterator[bytes]:  # noqa: ARG002
        self.check_bounds(section.offset, section.size, f"section {section.name}")
        # The texts that are searched in sections were searched as they went by.
        return self._kept.texts(Span.sized(section.offset, section.size))


def read_unpacked_elf(payload: Payload, name: str) -> KernelImage:
    """Read the kernel in a payload.

    Args:
        payload: what is compressed.
        name: of what is in it, for errors.

    Raises:
        NotUnpacked: the payload cannot be unpacked, or not as far as it says of itself.
        WrongKind: what is in it is not an x86-64 kernel.
        MalformedInput: the kernel in it is damaged, or larger than the payload says.
        UnreadableInput: it is too large.
    """
    kept, kallsyms = _first_pass(payload, name)
    size = work = kept.size
    needed = 0
    for number in range(_PASSES):
        may_ask = number < _PASSES_FOR_CODE and work < _WORK_FOR_CODE
        try:
            return read_elf_file(_UnpackedElf(kept, size, name, kallsyms, may_ask=may_ask))
        except _NotKept as missing:
            spans = missing.spans
        needed += sum(span.size for span in spans)
        if work >= _WORK_LIMIT or needed > _KEPT_LIMIT:
            break
        kept.again(spans)
        for block in payload.blocks():
            kept.feed(block)
            if kept.is_complete:
                break
        work += kept.size
    raise UnreadableInput(
        "too much of it would have to be unpacked at once", where=name, help_text=_UNPACK
    )


def _first_pass(payload: Payload, name: str) -> tuple[KeptBytes, Kallsyms | None]:
    """Unpack all of it, and keep what a kernel will be asked for."""
    kept = KeptBytes(_SOUGHT)
    blocks = payload.blocks()
    head = b""
    while len(head) < _HEAD and (block := next(blocks, None)) is not None:
        head = head + block if head else block
    try:
        begun = _begun(head, len(head) if len(head) < _HEAD else payload.limit, name)
        kept.want(_wanted(begun, min(len(head), _HEAD), payload, name))
    except (WrongKind, MalformedInput):
        # What is damaged may unpack to anything until its checksum, which comes after that. Only a
        # kernel's payload says how much there is.
        if payload.unpacked_size is not None:
            _pass_over(blocks, len(head), payload, name)
        raise
    loads = _loads(begun)
    kallsyms = KallsymsStream(_read_only(loads))
    stream = _Following(kept, kallsyms, loads)
    stream.feed(head)
    del head, block
    for block in blocks:
        stream.feed(block)
        _check(kept.size, payload, name)
    kallsyms.end()
    stream.keep_code()
    _check(kept.size, payload, name)
    if payload.unpacked_size is not None and kept.size < payload.unpacked_size:
        raise NotUnpacked(
            f"it unpacks to {kept.size} bytes, not to the {payload.unpacked_size} of output_len"
        )
    return kept, kallsyms.found


def _pass_over(blocks: Iterator[bytes], size: int, payload: Payload, name: str) -> None:
    """Unpack the rest, of which ``size`` bytes are there; raises as that does."""
    for block in blocks:
        size += len(block)
        _check(size, payload, name)


def _begun(head: bytes, limit: int, name: str) -> _UnpackedElf:
    """Return the ELF file that begins with ``head``, of no more than ``limit`` bytes."""
    if not head.startswith(ELF_MAGIC):
        raise WrongKind(
            f"is {_kind_of(head)}, not the ELF file of a kernel", where=name, help_text=_GIVE
        )
    kept = KeptBytes()
    kept.want([Span(0, min(len(head), _HEAD))])
    kept.feed(head)
    elf = _UnpackedElf(kept, limit, name)
    elf.read_header()
    return elf


def _wanted(elf: _UnpackedElf, first: int, payload: Payload, name: str) -> list[Span]:
    """Return what to keep of an ELF file of which the ``first`` bytes are there."""
    headers = elf.section_headers_span
    _check(headers.end, payload, name)
    spans = [Span(0, first), Span(max(headers.start - _BEFORE_SECTIONS, 0), headers.end)]
    with contextlib.suppress(_NotKept):  # program headers far from the start are read later
        notes = (span for span in elf.note_spans() if span.size <= NOTES_LIMIT)
        spans += itertools.islice(notes, _NOTES)
    return spans


def _loads(elf: _UnpackedElf) -> tuple[LoadSegment, ...]:
    """Return the LOADs; what is wrong with them is said later, where they are asked for."""
    with contextlib.suppress(_NotKept, MalformedInput):
        return elf.read_loads()
    return ()


def _read_only(loads: tuple[LoadSegment, ...]) -> tuple[Part, ...]:
    """Return the parts of the file that may hold .rodata."""
    return tuple(
        Part(load.offset, load.offset + load.filesz, load.vaddr)
        for load in loads
        if load.offset is not None and "W" not in load.flags
    )


class _Following:
    """The bytes of a kernel as they go by: kept, searched, and its early code kept in time.

    The tables of symbols lie between .text and .init.text. When they have gone by, what is needed
    of the one is still at hand, and what is needed of the other is yet to come.
    """

    def __init__(
        self, kept: KeptBytes, kallsyms: KallsymsStream, loads: tuple[LoadSegment, ...]
    ) -> None:
        self._kept = kept
        self._kallsyms = kallsyms
        self._loads = loads
        self._has_kept_code = False

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        self._kept.feed(block)
        self._kallsyms.feed(block)
        if self._kallsyms.is_over:
            self.keep_code()

    def keep_code(self) -> None:
        """Keep the pages of the early code, once the tables were found; no others are kept."""
        if self._has_kept_code:
            return
        self._has_kept_code = True
        if self._kallsyms.found is not None:
            from smecheck.read.kernel.early_code import pages_of_early_code, symbols_of_early_code

            symbols = symbols_of_early_code(self._kallsyms.found)
            at_hand, missing = pages_of_early_code(symbols, Code(self._page))
            self._keep([place_of(self._loads, address) for address in at_hand | missing])
        self._kallsyms.forget()

    def _page(self, address: int) -> bytes | None:
        span = place_of(self._loads, address)
        return self._kallsyms.at_hand(span.start, span.end) if span else b""

    def _keep(self, pages: list[Span]) -> None:
        """Keep pages that went by, as far as they are at hand, and those that will."""
        now = self._kept.size
        for page in pages:
            data = self._kallsyms.at_hand(page.start, page.end) if page.start < now else None
            if data is not None:
                self._kept.add(page.start, data)
        self._kept.want(_joined(page for page in pages if page.start >= now))


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in ascending order, those that follow one another as one."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if joined and span.start == joined[-1].end:
            joined[-1] = Span(joined[-1].start, span.end)
        else:
            joined.append(span)
    return joined


def _kind_of(head: bytes) -> str:
    kind = kind_of_binary(head)
    if kind is None:
        text = kind_of_text(head.decode("utf-8", "replace"))
        kind = text.description if text else "something unknown"
    return kind


def _check(size: int, payload: Payload, name: str) -> None:
    """Refuse a payload that reaches beyond what it may unpack to."""
    if size <= payload.limit:
        return
    if payload.unpacked_size is None:
        raise UnreadableInput(
            f"unpacks to more than {payload.limit >> 20} MiB", where=name, help_text=_UNPACK
        )
    raise MalformedInput(
        f"is damaged: its ELF file does not end within the {payload.unpacked_size} bytes of "
        "output_len",
        where=name,
        help_text="copy the file again",
    )
