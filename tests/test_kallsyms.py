"""The symbols that kernels carry for their own use, in every form that they have had."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from random import Random

import pytest
from bzimage_writer import bzimage
from elfwriter import TEXT, Elf, vmlinux
from kallsyms_writer import END, FORMS, RODATA, Entry, Form, kallsyms, made_up, with_kallsyms

from smecheck.evidence import Known, Unknown
from smecheck.kernel.image import KernelImage
from smecheck.kernel.symbols import Symbol, SymbolSource
from smecheck.read.kernel.kallsyms import Kallsyms
from smecheck.read.kernel.kallsyms_search import TOKENS_TEXT, kallsyms_at
from smecheck.read.kernel.kallsyms_stream import KallsymsStream, Part
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.kernel.recent_bytes import RecentBytes


def with_long_names(entries: list[Entry]) -> list[Entry]:
    """Add names of more than 127 tokens: each letter pair of them is there once."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    random = Random(7)  # noqa: S311
    name = "_R" + "".join(random.choice(letters) for _ in range(480))
    return [*entries, Entry(TEXT + 0x5000, "t", name)]


def assert_same(symbols: Kallsyms, entries: list[Entry]) -> None:
    listed = defaultdict(set)
    for entry in entries:
        listed[entry.name].add(entry.address)
    assert sorted((one.address, one.type, one.name) for one in symbols) == sorted(
        (entry.address, entry.type, entry.name) for entry in entries
    )
    found = symbols.addresses(listed)
    assert {name: set(at) for name, at in found.items()} == listed
    assert symbols.addresses(("", "no_such_symbol", "set", "set_pgd.")) == {}


def tables_in(data: bytes, address: int) -> Kallsyms | None:
    """Try each place of a piece of .rodata, whose first byte is linked at ``address``."""
    at = data.find(TOKENS_TEXT)
    while at >= 0:
        found = kallsyms_at(data, at, address=address, size=len(data))
        if found is not None:
            return found
        at = data.find(TOKENS_TEXT, at + 1)
    return None


FORM = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.kernels)


@FORM
@pytest.mark.parametrize("count", [12, 255, 256, 257, 513, 700])
def test_every_symbol_of_every_form_is_found(form: Form, count: int) -> None:
    entries = made_up(count, form)
    if form.long_names:
        entries = with_long_names(entries)
    for lead in (b"", bytes(24), b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00" * 3):
        data = kallsyms(entries, form, RODATA, lead)
        symbols = tables_in(data + bytes(100), RODATA)
        assert symbols is not None
        assert len(symbols) == len(entries)
        assert_same(symbols, entries)
        assert symbols.lists_data


@FORM
def test_addresses_are_found_as_well(form: Form) -> None:
    symbols = tables_in(kallsyms(made_up(600, form), form, RODATA), RODATA)
    assert symbols is not None
    assert symbols.addresses(("set_pgd",)) == {"set_pgd": (TEXT + 0x2010, TEXT + 0x2020)}
    assert sorted(symbols.names(TEXT)) == ["_stext", "_text"]
    assert symbols.names(TEXT + 1) == ()
    assert symbols.holding(TEXT + 0x17FF) == Symbol(TEXT + 0x17E0, "T", "sme_encrypt_kernel")
    assert symbols.holding(END + 5) == Symbol(END, "B", "_end")


@FORM
def test_code_alone_is_said_to_be_code_alone(form: Form) -> None:
    entries = [entry for entry in made_up(300, form) if entry.type in "tTA"]
    symbols = tables_in(kallsyms(entries, form, RODATA), RODATA)
    assert symbols is not None
    assert not symbols.lists_data


@FORM
def test_a_piece_that_lacks_a_byte_at_either_end_has_none(form: Form) -> None:
    data = kallsyms(made_up(600, form), form, RODATA)
    assert tables_in(data[8:], RODATA + 8) is None
    assert tables_in(data[:-1], RODATA) is None


def test_the_order_of_names_with_and_without_what_clang_adds_is_understood() -> None:
    form = FORMS[-1]
    extra = [
        Entry(TEXT + 0x3000 + number, "t", name)
        for number, name in enumerate(("foo", "foo.cold", "foo.llvm.1234", "foo.5", "foobar", "fo"))
    ]
    entries = made_up(400, form) + extra
    symbols = tables_in(kallsyms(entries, form, RODATA), RODATA)
    assert symbols is not None
    assert_same(symbols, entries)


@FORM
@pytest.mark.parametrize("block", [1 << 20, 4096, 333])
def test_tables_are_caught_in_a_stream_of_any_blocks(form: Form, block: int) -> None:
    entries = made_up(700, form)
    begin, rest = bytes(50_000), b"\xcc" * 50_000
    data = kallsyms(entries, form, RODATA, begin) + rest
    for before in (0, 4096, 4099):
        whole = b"\x90" * before + data
        stream = KallsymsStream((Part(before, len(whole), RODATA),))
        found = stream.feed_all(whole[at : at + block] for at in range(0, len(whole), block))
        assert (found is None) == (before % 8 != 0)  # no file is laid out so
        if found is not None:
            assert_same(found, entries)


@FORM
def test_a_stream_is_remembered_until_the_tables_are_found(form: Form) -> None:
    code = bytes(range(256)) * 64
    data = code + kallsyms(made_up(300, form), form, RODATA + len(code)) + bytes(5000)
    stream = KallsymsStream((Part(0, len(data), RODATA),))
    for at in range(0, len(data), 1000):
        stream.feed(data[at : at + 1000])
    assert stream.is_over
    assert stream.found is not None
    assert stream.at_hand(0x100, 0x2100) == data[0x100:0x2100]
    assert stream.at_hand(0, len(data) + 1) is None
    stream.forget()
    assert stream.at_hand(0x100, 0x2100) is None


def test_outside_the_parts_that_are_loaded_nothing_is_found() -> None:
    data = kallsyms(made_up(300, FORMS[-1]), FORMS[-1], RODATA)
    for parts in ((), (Part(0, 64, RODATA),), (Part(len(data), len(data) + 64, RODATA),)):
        assert KallsymsStream(parts).feed_all([data]) is None


def test_the_last_bytes_are_remembered_however_they_come() -> None:
    stream = bytes(number % 251 for number in range(100_000))
    for block in (1, 7, 64, 1000, 4096, 9000):
        recent = RecentBytes(4096)
        recent.skip(16)
        for at in range(16, len(stream) - block, block):
            recent.take(stream[at : at + block])
            held = recent.at(recent.start, recent.end)
            assert held == stream[recent.start : recent.end]
            assert recent.start % 8 == 0
            assert recent.size >= min(2048 - 8, recent.end - 24)
            assert recent.size <= 4096
        assert recent.at(recent.start - 1, recent.end) is None
        recent.forget()


def image_of(tmp_path: Path, elf: Elf, kind: str) -> KernelImage:
    path = tmp_path / kind
    content = elf.build()
    path.write_bytes(content if kind == "vmlinux" else bzimage(content, kind).build())
    return read_kernel(str(path))


KINDS = pytest.mark.parametrize("kind", ["vmlinux", "gzip", "xz", "zstd", "lz4"])


@FORM
@KINDS
def test_an_image_without_a_symbol_table_knows_its_symbols(
    tmp_path: Path, form: Form, kind: str
) -> None:
    elf = vmlinux(end=END, stripped=True, release="5.0.0")
    image = image_of(tmp_path, with_kallsyms(elf, made_up(500, form), form), kind)
    assert image.symbols_from == Known(SymbolSource.KALLSYMS, "500 symbols in .rodata, all")
    assert image.symbols_complete
    assert image.symbols == {
        "_text": TEXT,
        "_stext": TEXT,
        "sme_encrypt_kernel": TEXT + 0x17E0,
        "sme_enable": TEXT + 0x1CB0,
        "__bss_stop": END - 0x16000,
        "_end": END,
    }
    assert image.symbol_origin("_end") == "symbol _end (embedded kallsyms)"


@KINDS
def test_symbols_of_code_alone_are_not_complete(tmp_path: Path, kind: str) -> None:
    entries = [entry for entry in made_up(500, FORMS[6]) if entry.type in "tT"]
    elf = with_kallsyms(vmlinux(end=END, stripped=True), entries, FORMS[6])
    image = image_of(tmp_path, elf, kind)
    assert isinstance(image.symbols_from, Known)
    assert image.symbols_from.origin.endswith("of code alone: CONFIG_KALLSYMS_ALL=n")
    assert not image.symbols_complete
    assert "sme_encrypt_kernel" in image.symbols
    assert "_end" not in image.symbols


@KINDS
def test_an_image_without_symbols_says_so(tmp_path: Path, kind: str) -> None:
    image = image_of(tmp_path, vmlinux(end=END, stripped=True), kind)
    assert isinstance(image.symbols_from, Unknown)
    assert "CONFIG_KALLSYMS" in image.symbols_from.reason
    assert image.symbols == {}
    assert not image.symbols_complete


def test_a_symbol_table_comes_first(tmp_path: Path) -> None:
    elf = with_kallsyms(vmlinux(end=END), made_up(300, FORMS[6]), FORMS[6])
    image = image_of(tmp_path, elf, "vmlinux")
    assert isinstance(image.symbols_from, Known)
    assert image.symbols_from.value is SymbolSource.SYMTAB
    assert image.symbols["sme_encrypt_kernel"] == TEXT + 0x8629A6


def test_names_with_the_prefix_of_v6_18_are_known_by_their_plain_names(tmp_path: Path) -> None:
    entries = [entry for entry in made_up(300, FORMS[-1]) if not entry.name.startswith("sme_")]
    entries += [
        Entry(TEXT + 0x8629A6, "T", "__pi_sme_encrypt_kernel"),
        Entry(TEXT, "T", "__pi__text"),
        Entry(END, "B", "__pi__end"),
    ]
    elf = with_kallsyms(vmlinux(end=END, stripped=True), entries, FORMS[-1])
    image = image_of(tmp_path, elf, "zstd")
    assert image.symbols["sme_encrypt_kernel"] == TEXT + 0x8629A6
    origin = "symbol __pi_sme_encrypt_kernel (embedded kallsyms)"
    assert image.symbol_origin("sme_encrypt_kernel") == origin
    assert "__pi__end" not in image.symbols


@KINDS
def test_tables_that_contradict_the_sections_are_not_believed(tmp_path: Path, kind: str) -> None:
    moved = [
        Entry(entry.address + 0x200000 * (entry.address >= TEXT), entry.type, entry.name)
        for entry in made_up(300, FORMS[6])
    ]
    elf = with_kallsyms(vmlinux(end=END, stripped=True), moved, FORMS[6])
    image = image_of(tmp_path, elf, kind)
    assert isinstance(image.symbols_from, Unknown)
    assert "_text at 0xffffffff81200000" in image.symbols_from.reason
    assert image.symbols == {}


def test_a_name_of_several_addresses_is_left_out(tmp_path: Path) -> None:
    entries = [*made_up(300, FORMS[6]), Entry(TEXT + 0x4000, "t", "sme_enable")]
    elf = with_kallsyms(vmlinux(end=END, stripped=True), entries, FORMS[6])
    image = image_of(tmp_path, elf, "vmlinux")
    assert "sme_enable" not in image.symbols
    assert "sme_encrypt_kernel" in image.symbols
