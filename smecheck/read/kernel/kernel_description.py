"""Reading a kernel from its description, ``smecheck/kernel-v1``.

What a description leaves out is unknown. It never shows that something is not in the kernel, save
where it says of itself that its symbols or its sections are complete.
"""

from __future__ import annotations

import re

from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.kernel.image import (
    NOT_FROM_IMAGE,
    OTHER_FIELDS,
    KernelImage,
    KernelKind,
    LoadSegment,
    Purgatory,
    Section,
    SetupHeader,
)
from smecheck.kernel.link_address import settled
from smecheck.kernel.startup_names import by_plain_name
from smecheck.kernel.symbols import SymbolSource
from smecheck.read.kernel.early_code_description import read_early_code
from smecheck.read.kernel.elf_section_types import SECTION_TYPES, section_type
from smecheck.read.kernel.kconfig import OptionType, type_of, value_problem
from smecheck.read.yaml.fields import NOT_GIVEN, Fields, open_description
from smecheck.read.yaml.nodes import (
    BadNodeError,
    Node,
    Reader,
    ScalarNode,
    boolean,
    integer,
    nearest,
    nonempty_line,
    one_line,
    quoted,
)

SCHEMA = "smecheck/kernel-v1"

_KEYS = (
    "release",
    "build_id",
    "symbols",
    "symbols_complete",
    "symbols_shifted",
    "symbols_from",
    "sections",
    "sections_complete",
    "program_headers",
    "setup_header",
    "config",
    "sme_text",
    "purgatory",
    "early_code",
)
_SECTION_KEYS = ("name", "address", "size", "type", "offset", "flags")
_PROGRAM_HEADER_KEYS = ("vaddr", "paddr", "filesz", "memsz", "flags", "offset", "align")
_OTHER_HEADER_KEYS = (*OTHER_FIELDS, "file_size")
_HEADER_KEYS = (
    "init_size",
    "kernel_alignment",
    "pref_address",
    "relocatable",
    "output_len",
    *_OTHER_HEADER_KEYS,
)
_ADDRESSES_END = 1 << 64
_LARGEST_PURGATORY = 1 << 24

_NOT_SET = "not set"
"""What the kernel's own tools say of an option that is off, in a comment."""


def read_kernel_description(text: str, name: str) -> KernelImage:
    """Read the description ``text``, the contents of the file ``name``.

    Raises:
        MalformedInput: it is not YAML, or not such a description.
    """
    fields = open_description(text, name, SCHEMA, _KEYS)
    symbols, spelled = by_plain_name(fields.named("symbols", nonempty_line, integer))
    image = KernelImage(
        source=name,
        kind=KernelKind.DESCRIPTION,
        release=fields.fact("release", nonempty_line),
        build_id=fields.fact("build_id", _build_id),
        symbols=symbols,
        symbols_complete=fields.get("symbols_complete", boolean) or False,
        sections=_sections(fields),
        sections_complete=fields.get("sections_complete", boolean) or False,
        loads=_loads(fields),
        header=_header(fields),
        config=_config(fields),
        sme_text=fields.fact("sme_text", boolean, Unknown("the description does not say")),
        purgatory=_purgatory(fields),
        symbols_shifted=fields.get("symbols_shifted", boolean) or False,
        symbols_from=fields.fact("symbols_from", _symbols_from, NOT_FROM_IMAGE),
        origins={name: f"symbol {spelling}" for name, spelling in spelled.items()},
        early_code=read_early_code(fields),
    )
    fields.finish()
    return settled(image)


def _symbols_from(node: Node) -> SymbolSource:
    written = one_line(node)
    for source in SymbolSource:
        if written == source.value:
            return source
    names = " or ".join(quoted(source.value) for source in SymbolSource)
    raise BadNodeError(node, f"{quoted(written)}: write {names}")


def _sections(fields: Fields) -> tuple[Section, ...]:
    sections = []
    for item in fields.each("sections", _SECTION_KEYS):
        name = item.need("name", nonempty_line)
        address = item.need("address", integer)
        size = item.need("size", integer)
        kind = item.get("type", _section_type)
        item.get("offset", integer)
        item.get("flags", one_line)
        if name is not None and address is not None and size is not None:
            _check_end(item, "size", address + size)
            sections.append(Section(name, address, size, kind))
    return tuple(sections)


def _loads(fields: Fields) -> tuple[LoadSegment, ...]:
    loads = []
    for item in fields.each("program_headers", _PROGRAM_HEADER_KEYS):
        vaddr = item.need("vaddr", integer)
        paddr = item.need("paddr", integer)
        filesz = item.need("filesz", integer)
        memsz = item.need("memsz", integer)
        flags = item.need("flags", _load_flags)
        offset = item.get("offset", integer)
        item.get("align", integer)
        if filesz is not None and memsz is not None and filesz > memsz:
            item.problem("filesz", f"filesz {filesz:#x} is above memsz {memsz:#x}")
        if vaddr is None or paddr is None or filesz is None or memsz is None or flags is None:
            continue
        _check_end(item, "memsz", max(vaddr, paddr) + memsz)
        loads.append(LoadSegment(vaddr, paddr, filesz, memsz, flags, offset))
    return tuple(loads)


def _check_end(item: Fields, key: str, end: int) -> None:
    if end > _ADDRESSES_END:
        item.problem(key, f"the end {end:#x} lies beyond the 64 bits of an address")


def _header(fields: Fields) -> SetupHeader:
    header = fields.nested("setup_header", _HEADER_KEYS)
    if header is None:
        # Not "no bzImage", as of an image without one: the description does not say that.
        return SetupHeader(NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, NOT_GIVEN)
    other = {key: header.get(key, integer) for key in _OTHER_HEADER_KEYS}
    return SetupHeader(
        init_size=_filled_in(header.fact("init_size", integer)),
        kernel_alignment=_filled_in(header.fact("kernel_alignment", _alignment)),
        pref_address=_filled_in(header.fact("pref_address", integer)),
        relocatable=header.fact("relocatable", boolean),
        output_len=header.fact("output_len", integer),
        other={key: value for key, value in other.items() if value is not None},
    )


def _filled_in(fact: Fact[int]) -> Fact[int]:
    # Old protocols have no such field, and some images leave it 0; no kernel needs 0 bytes.
    if isinstance(fact, Known) and fact.value == 0:
        return Unknown("0 in the description")
    return fact


def _purgatory(fields: Fields) -> Fact[Purgatory]:
    item = fields.nested("purgatory", ("content", "size"))
    if item is None:
        return NOT_GIVEN
    content, size = item.need("content", integer), item.need("size", integer)
    if content is None or size is None:
        return NOT_GIVEN
    if not 0 < content <= size <= _LARGEST_PURGATORY:
        item.problem(
            "size", f"no purgatory takes {size:#x} bytes, of which {content:#x} are loaded"
        )
    return Known(Purgatory(content, size), f"{item.where}: purgatory")


def _config(fields: Fields) -> dict[str, str]:
    # As written: y must not become true, nor 0x10 become 16.
    return fields.named_by("config", _option, _option_value)


def _build_id(node: Node) -> str:
    return nonempty_line(node).lower()


def _alignment(node: Node) -> int:
    value = integer(node)
    if value and (value < PAGE_SIZE or value & (value - 1)):
        raise BadNodeError(node, f"{value:#x} is not a power of two from {PAGE_SIZE:#x} up")
    return value


def _matching(node: Node, pattern: str, form: str) -> str:
    written = one_line(node)
    if re.fullmatch(pattern, written) is None:
        raise BadNodeError(node, f"{quoted(written)}: {form}")
    return written


def _section_type(node: Node) -> str:
    written = nonempty_line(node)
    if written in SECTION_TYPES:
        return written
    found = section_type(int(written)) if re.fullmatch("[0-9]{1,10}", written) else None
    if found is None:
        meant = nearest(written, SECTION_TYPES)
        hint = meant if "did you mean" in meant else "; write its name, such as PROGBITS"
        raise BadNodeError(node, f"{quoted(written)} is not an ELF section type{hint}")
    return found


def _load_flags(node: Node) -> str:
    # readelf puts a space where a letter is not set.
    form = "write those of the letters R, W and E that are set"
    return _matching(node, "[RWE ]*", form).replace(" ", "")


def _option_value(option: str) -> Reader[str]:
    def read(node: Node) -> str:
        written = one_line(node)
        is_text = isinstance(node, ScalarNode) and not node.plain
        if written == _NOT_SET and type_of(option) is not OptionType.STRING:
            return "n"
        problem = value_problem(option, written, quoted=is_text)
        if problem is not None:
            raise BadNodeError(node, problem)
        return written

    return read


def _option(node: Node) -> str:
    return _matching(node, "CONFIG_[A-Za-z0-9_]+", "an option's name begins with CONFIG_")
