"""The facts of a kernel as a description, ``smecheck/kernel-v1``, which reads back to the same.

Where each fact was read stands beside it as a comment. What is not known is left out, and a comment
says why; whatever the lists leave out is left open, save where they say that they are complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING

from smecheck import __version__
from smecheck.evidence import Fact, Known, T, Unknown
from smecheck.quantity import address_text
from smecheck.report.safe_text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from smecheck.kernel.early_code import EarlyCode
    from smecheck.kernel.image import KernelImage, LoadSegment, Purgatory, Section, SetupHeader

SCHEMA = "smecheck/kernel-v1"

_COMMENT_COLUMN = 44
_LONGEST_TEXT = 1000
"""Characters that are written of a text; banners and names of sections are cut, if need be."""

_LONGEST_KEY = 1000
"""Characters of a key on the line of its value: YAML allows for 1024."""

_PLAIN = re.compile(r"[A-Za-z_.][A-Za-z0-9_.-]*")
_ESCAPED = re.compile(r'["\\]|[^ -~]')
_SPECIAL = re.compile(r"~|null|true|false|yes|no|on|off|y|n|\.inf|\.nan|\.+", re.IGNORECASE)
"""Words that YAML, of one version or another, takes for something else than text."""


def kernel_description(image: KernelImage) -> str:
    """Return the description of ``image``."""
    return "".join(f"{line}\n" for line in _lines(image))


def _lines(image: KernelImage) -> Iterator[str]:
    sources = [f"{image.source} ({image.kind.value})"]
    sources += [f"{part.source} ({part.kind})" for part in image.complements]
    yield from (_comment(f"from {source}") for source in sources)
    yield _comment(f"by smecheck {__version__}")
    yield f"schema: {SCHEMA}"
    yield _fact("release", image.release, _quoted)
    yield _fact("build_id", image.build_id, _quoted)
    yield from _symbols(image)
    yield from _sections(image)
    yield from _loads(image.loads)
    yield from _header(image.header)
    yield from _config(image.config, image.origins)
    yield _fact("sme_text", image.sme_text, _boolean)
    yield _fact("purgatory", image.purgatory, _purgatory)
    yield from _early_code(image.early_code)


def _symbols(image: KernelImage) -> Iterator[str]:
    if image.symbols:
        yield _with_comment("symbols:", "link-time addresses")
    for name, address in sorted(image.symbols.items(), key=itemgetter(1)):
        key = yaml_text(name)
        if len(key) > _LONGEST_KEY:
            yield f"  ? {key}"
            key = ""
        yield _with_comment(f"  {key}: {address_text(address)}", image.origins.get(name, ""))
    if isinstance(image.symbols_from, Known):
        yield _fact("symbols_from", image.symbols_from, lambda source: yaml_text(source.value))
    yield from _complete("symbols", known=bool(image.symbols), complete=image.symbols_complete)
    if image.symbols_shifted:
        yield _with_comment("symbols_shifted: true", "by KASLR: only their distances count")


def _sections(image: KernelImage) -> Iterator[str]:
    if image.sections:
        yield "sections:"
    yield from (f"  - {_section(section)}" for section in image.sections)
    yield from _complete("sections", known=bool(image.sections), complete=image.sections_complete)


def _complete(what: str, *, known: bool, complete: bool) -> Iterator[str]:
    if complete:
        yield _with_comment(
            f"{what}_complete: true", "what matters and is not listed is not in the kernel"
        )
    elif not known:
        yield _comment(f"{what}: unknown")


def _section(section: Section) -> str:
    fields = {
        "name": yaml_text(section.name),
        "address": address_text(section.address),
        "size": address_text(section.size),
        "type": None if section.type is None else yaml_text(section.type),
    }
    return _flow(fields)


def _loads(loads: tuple[LoadSegment, ...]) -> Iterator[str]:
    yield "program_headers:" if loads else _comment("program_headers: unknown")
    for load in loads:
        fields = {
            "vaddr": address_text(load.vaddr),
            "paddr": address_text(load.paddr),
            "filesz": address_text(load.filesz),
            "memsz": address_text(load.memsz),
            "flags": load.flags or '""',
            "offset": None if load.offset is None else address_text(load.offset),
        }
        yield f"  - {_flow(fields)}"


def _header(header: SetupHeader) -> Iterator[str]:
    addresses = {
        "init_size": header.init_size,
        "kernel_alignment": header.kernel_alignment,
        "pref_address": header.pref_address,
        "output_len": header.output_len,
    }
    known = [isinstance(fact, Known) for fact in (*addresses.values(), header.relocatable)]
    if not any(known) and not header.other:
        yield _fact("setup_header", header.init_size, address_text)
        return
    yield "setup_header:"
    yield from (_fact(f"  {name}", fact, address_text) for name, fact in addresses.items())
    yield _fact("  relocatable", header.relocatable, _boolean)
    yield from (f"  {name}: {address_text(value)}" for name, value in header.other.items())


def _config(options: Mapping[str, str], origins: Mapping[str, str]) -> Iterator[str]:
    yield "config:" if options else _comment("config: unknown")
    for name, value in options.items():
        yield _with_comment(f"  {name}: {_quoted(value)}", origins.get(name, ""))


def _early_code(fact: Fact[EarlyCode]) -> Iterator[str]:
    if isinstance(fact, Unknown):
        yield _comment(f"early_code: unknown, {fact.reason}")
        return
    code = fact.value
    yield _with_comment("early_code:", fact.origin)
    yield "  link_addresses:" if code.accesses else "  link_addresses: []"
    for access in code.accesses:
        fields = {
            "instruction": address_text(access.address),
            "code": _quoted(access.code),
            "addressing": access.addressing.value,
            "operand": address_text(access.operand),
            "symbol": yaml_text(access.symbol),
            "path": f"[{', '.join(map(_quoted, access.path))}]",
            "for_guests": _boolean(access.for_guests),
        }
        yield f"    - {_flow(fields)}"
    yield "  not_followed:" if code.not_followed else "  not_followed: []"
    yield from (f"    - {_quoted(reason)}" for reason in code.not_followed)


def _fact(key: str, fact: Fact[T], show: Callable[[T], str]) -> str:
    if isinstance(fact, Known):
        return _with_comment(f"{key}: {show(fact.value)}", fact.origin)
    indent = key[: -len(key.lstrip())]
    return f"{indent}{_comment(f'{key.lstrip()}: unknown, {fact.reason}')}"


def _purgatory(purgatory: Purgatory) -> str:
    content, size = address_text(purgatory.content), address_text(purgatory.size)
    return _flow({"content": content, "size": size})


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _flow(fields: Mapping[str, str | None]) -> str:
    given = (f"{name}: {value}" for name, value in fields.items() if value is not None)
    return f"{{{', '.join(given)}}}"


def _with_comment(line: str, comment: str) -> str:
    return f"{line:<{_COMMENT_COLUMN}}  {_comment(comment)}" if comment else line


def _comment(text: str) -> str:
    # In ASCII, since YAML refuses some characters even here.
    return f"# {printable(text, ascii_only=True)}"


def yaml_text(text: str) -> str:
    """Write text, in quotes where YAML would not take it for text without."""
    is_plain = _PLAIN.fullmatch(text) and not _SPECIAL.fullmatch(text)
    return text if is_plain else _quoted(text or "(no name)")


def _quoted(text: str) -> str:
    """Write text in quotes, in ASCII.

    No description holds unprintable characters: they are written as the escapes that reports show.
    """
    shown = "".join(map(_visible, text[:_LONGEST_TEXT]))
    return '"' + _ESCAPED.sub(_escape, shown) + '"'


def _visible(character: str) -> str:
    return character if character.isprintable() else _escape_of(ord(character))


def _escape(match: re.Match[str]) -> str:
    return f"\\{match[0]}" if match[0] in '"\\' else _escape_of(ord(match[0]))


def _escape_of(code: int) -> str:
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
