"""System.map and /proc/kallsyms: what is read of them, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import DATA, kernel

from smecheck.analysis import analyze
from smecheck.asked import BootRequest
from smecheck.case import Case
from smecheck.errors import InputError, MalformedInput, UnreadableInput, WrongKind
from smecheck.evidence import Known, value_of
from smecheck.kernel.generations import Generation
from smecheck.kernel.identity import identify
from smecheck.kernel.image import KernelImage, KernelKind, Scheme
from smecheck.kernel.link_address import physical_align
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.kernel.symbol_list import (
    SIZE_LIMIT,
    is_symbol_list,
    read_symbol_list,
    read_symbols,
)

LISTS = DATA / "symbols"
SHIFTED = ("6.1.0-56-amd64", "6.12.117+deb12-amd64", "7.3.4+deb13-amd64")
TEXT = 0xFFFFFFFF81000000
OLD = {
    "_text": TEXT,
    "_stext": TEXT,
    "startup_64": TEXT,
    "sme_encrypt_kernel": TEXT + 0x8629A6,
    "start_kernel": TEXT + 0x870000,
    "__bss_start": TEXT + 0x8D7000,
    "_end": TEXT + 0xA16000,
}


def listed(symbols: dict[str, int], *, shift: int = 0, letter: str = "T") -> str:
    lines = (f"{address + shift:016x} {letter} {name}\n" for name, address in symbols.items())
    return "".join(lines)


def filler(count: int, *, shift: int = 0) -> str:
    return listed({f"function_{n}": TEXT + 0x1000 + n for n in range(count)}, shift=shift)


def read(text: str | bytes) -> KernelImage:
    data = text.encode() if isinstance(text, str) else text
    return read_symbol_list(io.BytesIO(data), "syms")


def refusal(text: str | bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        read(text)
    return caught.value


@pytest.mark.parametrize("path", sorted(LISTS.glob("[5-7]*")), ids=lambda path: path.name)
def test_recorded_lists_place_the_workarea_where_the_kernel_itself_does(path: Path) -> None:
    name = path.name.removesuffix(".kallsyms.txt").removesuffix(".System.map")
    request = BootRequest(load_address=0x7C000000)
    by_list = analyze(Case(read_symbols(str(path)), request))
    by_kernel = analyze(Case(kernel(name), request))
    assert value_of(by_list.facts.scheme) is value_of(by_kernel.facts.scheme)
    assert value_of(by_list.facts.text) == TEXT
    assert value_of(by_list.facts.end) == value_of(by_kernel.facts.end)
    for one, other in zip(by_list.placements, by_kernel.placements, strict=True):
        assert one.extents is not None
        assert other.extents is not None
        assert one.extents.start == other.extents.start
        assert one.extents.in_place == other.extents.in_place
        assert one.extents.mapped_end == other.extents.mapped_end


@pytest.mark.parametrize("name", SHIFTED)
def test_a_running_kernels_addresses_are_moved_back_and_that_is_said(name: str) -> None:
    image = read_symbols(str(LISTS / f"{name}.kallsyms.txt"))
    assert image.symbols_shifted
    (assumption,) = identify(image).assumptions
    assert "_text is linked to 0xffffffff81000000" in assumption
    text = identify(image).text
    assert isinstance(text, Known)
    assert text.origin.endswith(" there)")
    assert ": symbol _text (0xffffffff" in text.origin


def test_addresses_that_are_where_they_are_linked_by_default_need_no_assumption() -> None:
    image = read(listed(OLD))
    assert not image.symbols_shifted
    assert identify(image).text == Known(TEXT, "syms:1: symbol _text")
    assert image.kind is KernelKind.SYMBOLS


@given(st.integers(0, 0x1E8).map(lambda n: n * 0x200000))
def test_a_shift_makes_no_difference(shift: int) -> None:
    moved, linked = read(listed(OLD, shift=shift)), read(listed(OLD))
    assert moved.symbols == linked.symbols
    assert moved.symbols_shifted is bool(shift)


def test_lines_of_modules_and_other_names_are_passed_over() -> None:
    text = listed(OLD)
    for line in (
        "ffffffffc0000000 t _text\t[evil]\n",
        "ffffffffc0000000 t _end [evil]\n",
        "ffffffff82000000 T my_end\n",
        "ffffffff82000000 T _end.cold\n",
        "                 U _end\n",
        "# a comment about _end\n",
    ):
        assert read(text + line).symbols == read(text).symbols


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", " \n"),
        lambda text: text.removesuffix("\n"),
        lambda text: "".join(f"> {line}\n" for line in text.splitlines()),
        lambda text: "\n" + text,
    ],
)
def test_what_mail_and_editors_do_to_a_list(damage: Callable[[str], str]) -> None:
    assert is_symbol_list(damage(listed(OLD)).encode())
    assert read(damage(listed(OLD))).symbols == read(listed(OLD)).symbols


class Trickle(io.BytesIO):
    """A stream that gives little at a time, as pipes may."""

    step = 1

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.step)


@pytest.mark.parametrize("step", [1, 7, 64, 1000])
def test_it_is_read_in_pieces_of_any_size(step: int) -> None:
    text = filler(100) + listed(OLD) + filler(100)
    stream = Trickle(text.encode())
    stream.step = step
    assert read_symbol_list(stream, "syms") == read(text)


def without(*names: str) -> dict[str, int]:
    return {name: address for name, address in OLD.items() if name not in names}


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        (filler(1100) + listed(OLD), True),
        (listed(OLD), False),
        (filler(1100) + listed(without("_end")), False),
        (filler(1100) + listed(without("start_kernel")), False),
        (listed(OLD) + "\n" * 2000, False),
    ],
)
def test_only_a_whole_list_shows_that_a_symbol_is_missing(text: str, complete: bool) -> None:
    assert read(text).symbols_complete is complete


@pytest.mark.parametrize("kept", [(), ("sme_enable",), ("__pi_sme_enable",)])
def test_a_list_that_was_searched_is_not_whole(kept: tuple[str, ...]) -> None:
    """``grep -v sme`` leaves what stands beside the SME code in its source file."""
    names = ("early_set_memory_encrypted", *kept)
    rows = "".join(f"ffffffff81862d00 T {name}\n" for name in names)
    found = read(filler(1100) + listed(without("sme_encrypt_kernel", "sme_enable")) + rows)
    assert found.symbols_complete is bool(kept)
    assert value_of(identify(found).sme_code) is (True if kept else None)


def test_a_whole_list_without_sme_code_is_a_kernel_without_it() -> None:
    whole = filler(1100) + listed(without("sme_encrypt_kernel"))
    assert value_of(identify(read(whole)).scheme) is Scheme.NO_SME
    fragment = identify(read(listed(without("sme_encrypt_kernel"))))
    assert not isinstance(fragment.sme_code, Known)


def test_what_no_list_tells_of_the_generation_stays_open() -> None:
    helper = {"__sme_map_range": TEXT + 0x5000}
    facts = identify(read(filler(1100) + listed(OLD | helper)))
    assert set(facts.generations) == {Generation.V4_14_0, Generation.V4_15, Generation.V4_17}
    named = "0000000000000000 a mem_encrypt_identity.c\n" + filler(1100) + listed(OLD)
    assert identify(read(named)).generations == (Generation.V4_17,)


def test_text_begins_with_stext() -> None:
    image = read(listed(without("_text")))
    assert image.symbols["_text"] == TEXT
    assert image.origins["_text"] == "syms:1: symbol _text"


@pytest.mark.parametrize(
    ("text", "kind", "message", "where"),
    [
        (
            "c1000000 T _text\nc1a16000 B _end\n",
            WrongKind,
            "is not of an x86-64 kernel: _text is at 0xc1000000",
            "syms:1",
        ),
        (
            "ffff800010080000 T _text\n",
            WrongKind,
            "is not of an x86-64 kernel: _text is at 0xffff800010080000",
            "syms:1",
        ),
        ("ffffffff81000000 T start_kernel\n", WrongKind, "has no symbol _text", "syms"),
        (
            "ffffffff81001000 T _text\n",
            MalformedInput,
            "_text 0xffffffff81001000 is not aligned to 2 MiB",
            "syms:1",
        ),
        (
            listed(OLD) + listed({"_end": TEXT + 0xA17000}),
            MalformedInput,
            "_end is at 0xffffffff81a17000 here, and at 0xffffffff81a16000 in line 7",
            "syms:8",
        ),
        (
            listed(OLD) + listed(OLD),
            MalformedInput,
            "_text is at 0xffffffff81000000 here, and at 0xffffffff81000000 in line 1",
            "syms:8",
        ),
        (
            "\n" + listed(OLD | {"_end": TEXT - 0x1000}),
            MalformedInput,
            "_end 0xffffffff80fff000 is not within 1 GiB above _text",
            "syms:8",
        ),
        (
            listed(OLD | {"sme_workarea": TEXT + 0x40000001}),
            MalformedInput,
            "sme_workarea 0xffffffffc1000001 is not within 1 GiB above _text",
            "syms:8",
        ),
        (
            listed(OLD) + "not a symbol: _end\n" * 200,
            MalformedInput,
            "is not a line of a list of symbols",
            "syms:108",
        ),
    ],
)
def test_refused(text: str, kind: type[InputError], message: str, where: str) -> None:
    error = refusal(text)
    assert isinstance(error, kind)
    assert error.message.startswith(message)
    assert error.where == where
    assert error.help_text


def test_zeros_are_refused_with_the_remedy() -> None:
    head = (LISTS / "unprivileged.kallsyms.txt").read_text()
    for text in (head, head + listed(dict.fromkeys(OLD, 0))):
        error = refusal(text)
        assert isinstance(error, WrongKind)
        assert "they are all zero" in error.message
        assert "sudo cat /proc/kallsyms" in error.help_text
        assert "kptr_restrict" in error.help_text
    # The per-CPU symbols of every kernel are at zero and low addresses.
    assert read(head + listed(OLD)).symbols == read(listed(OLD)).symbols


def test_debians_stub_says_where_the_real_one_is() -> None:
    with pytest.raises(WrongKind) as caught:
        read_kernel(str(LISTS / "debian-stub.System.map"))
    assert "stub" in caught.value.message
    assert "linux-image-<version>-dbg" in caught.value.help_text
    assert "/usr/lib/debug/boot/System.map-<version>" in caught.value.help_text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x7fELF" + bytes(100), "is an ELF file, not a list of symbols"),
        (b"CONFIG_A=y\n", "is a kernel configuration, not a list of symbols"),
        (b"00100000-7fffffff : System RAM\n", "is an iomem dump, not a list of symbols"),
        (b"hello\n", "is not a list of symbols"),
        (b"", "is empty"),
        (b"\0" * 100, "is empty"),
        (listed(OLD).encode("utf-16"), "is UTF-16"),
        (b"a\0b", "is not text (it holds NUL bytes)"),
    ],
)
def test_other_files_are_told(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_symbols(str(path))
    assert caught.value.message == message
    assert caught.value.where == str(path)


def test_too_large(tmp_path: Path) -> None:
    path = tmp_path / "kallsyms"
    path.write_text(filler(100) + listed(OLD))
    with path.open("r+b") as stream:
        stream.truncate(SIZE_LIMIT + 1)
    for reader in (read_symbols, read_kernel):
        with pytest.raises(UnreadableInput, match="is larger than 48 MiB"):
            reader(str(path))


def test_a_file_that_cannot_be_searched_from_its_end() -> None:
    message = ""
    try:
        read_kernel("/proc/kallsyms")
    except InputError as error:
        message = error.message
    assert "invalid argument" not in message


def test_as_kernel(tmp_path: Path) -> None:
    path = tmp_path / "System.map"
    path.write_text(filler(1100) + listed(OLD))
    image = read_kernel(str(path))
    assert (image.kind, image.source) == (KernelKind.SYMBOLS, str(path))
    assert image.symbols_complete


@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_damage_is_a_bug(junk: bytes, place: int) -> None:
    text = listed(OLD).encode()
    try:
        image = read(text[:place] + junk + text[place:])
    except InputError:
        return
    assert "_text" in image.symbols


@pytest.mark.parametrize("name", ["7.3.4+deb13-cloud-amd64", "7.3.4+deb13-amd64"])
def test_names_with_the_prefix_of_v6_18_are_those_of_the_source(name: str) -> None:
    image = read_symbols(str(LISTS / f"{name}.kallsyms.txt"))
    recorded = kernel(name)
    for symbol in ("sme_encrypt_kernel", "sme_enable", "sme_workarea", "_end"):
        assert image.symbols[symbol] == recorded.symbols[symbol]
    assert ": symbol __pi_sme_encrypt_kernel" in image.symbol_origin("sme_encrypt_kernel")
    assert identify(image).sme_code == Known(True, image.symbol_origin("sme_encrypt_kernel"))


def test_padding_and_second_names_of_v6_18_are_neither_function_nor_end() -> None:
    decoys = {
        "__pi__text": TEXT + 0x200000,
        "__pi__end": TEXT + 0xB00000,
        "__pfx___pi_sme_encrypt_kernel": TEXT + 0x10,
        "__pi___pfx_sme_enable": TEXT + 0x20,
        "__pfx_sme_encrypt_execute": TEXT + 0x30,
    }
    without_code = {name: OLD[name] for name in OLD if name != "sme_encrypt_kernel"}
    image = read(listed(decoys | without_code) + filler(1100))
    assert image.symbols == read(listed(without_code) + filler(1100)).symbols
    assert value_of(identify(image).sme_code) is False


def test_where_both_spellings_are_listed_the_plain_one_counts() -> None:
    image = read(listed({"__pi_sme_encrypt_kernel": TEXT + 0x40} | OLD))
    assert image.symbols["sme_encrypt_kernel"] == OLD["sme_encrypt_kernel"]
    assert image.symbol_origin("sme_encrypt_kernel") == "syms:5: symbol sme_encrypt_kernel"


@pytest.mark.parametrize(("text", "align"), [("0x1000", 0x1000), ("0x800", None), ("0x3000", None)])
def test_an_alignment_is_a_page_at_least(text: str, align: int | None) -> None:
    assert value_of(physical_align({"CONFIG_PHYSICAL_ALIGN": text})) == align
