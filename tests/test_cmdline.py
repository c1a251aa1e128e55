"""Command lines, split as the code of the kernel splits them that reads a word."""

from __future__ import annotations

import pytest
from commandline import SAMPLES, call
from hypothesis import given
from hypothesis import strategies as st

from smecheck.kernel.cmdline import (
    changes_of_memory,
    has_word,
    last_value,
    parameters,
    seen,
    unseen_bytes,
    without_option,
    without_word,
    word_position,
)

SAMPLE = SAMPLES / "founding-failure"
RECORDED = (
    *("analyze", str(SAMPLE / "kernel.yaml"), "--iomem", str(SAMPLE / "iomem.txt")),
    *("--segments", str(SAMPLE / "kexec.log")),
)

NO_BLANKS = ("\u3000", "\u00a0", "\u2003", "\u2028", "\u0085", "\ufeff", "\x7f")
"""Blanks of Unicode, and the like: bytes above a space."""


@pytest.mark.parametrize("blank", ["\t", "\n", "\r", "\v", "\x01", "\x1f", " \t "])
def test_bytes_up_to_a_space_end_a_word(blank: str) -> None:
    assert has_word(f"quiet{blank}nokaslr{blank}ro", "nokaslr")
    assert last_value(f"ro{blank}mem_encrypt=off{blank}quiet", "mem_encrypt") == "off"


@pytest.mark.parametrize("character", NO_BLANKS)
def test_no_other_byte_does(character: str) -> None:
    assert not has_word(f"quiet{character}nokaslr", "nokaslr")
    assert not has_word(f"nokaslr{character}quiet", "nokaslr")
    assert last_value(f"ro{character}mem_encrypt=off", "mem_encrypt") is None
    assert last_value(f"mem_encrypt=off{character}", "mem_encrypt") == f"off{character}"
    assert without_word(f"a{character}b c", "c") == f"a{character}b"
    assert without_option(f"a{character}b=1 c=2", "c") == f"a{character}b=1"


@pytest.mark.parametrize(
    ("cmdline", "position"),
    [
        ("nokaslr", 1),
        ("  nokaslr", 3),
        ("no nokaslr", 0),
        ("no  nokaslr", 5),
        ("no x nokaslr", 6),
        ("no nokaslr nokaslr", 12),
        ("nokasl", 0),
        ("nokaslr=1 nokaslr", 11),
        ("nokaslrs nokaslr", 10),
        ("knokaslr nokaslr", 10),
        ('"nokaslr"', 0),
        ('x="a nokaslr b"', 6),
        ("ro\0nokaslr", 0),
    ],
)
def test_what_the_decompressor_finds(cmdline: str, position: int) -> None:
    """A word that the option goes on from swallows the next one; quotes are nothing to it."""
    assert word_position(cmdline, "nokaslr") == position


@pytest.mark.parametrize(
    ("cmdline", "value"),
    [
        ("mem_encrypt mem_encrypt=off", "off"),
        ("mem_encrypt=on mem_encrypt=off", "off"),
        ('mem_encrypt="off"', '"off"'),
        ('x="a mem_encrypt=off"', 'off"'),
        ("mem_encrypt = off", None),
        ("mem_encrypt=off\0mem_encrypt=on", "off"),
    ],
)
def test_what_the_early_kernel_finds(cmdline: str, value: str | None) -> None:
    assert last_value(cmdline, "mem_encrypt") == value


def test_what_the_later_kernel_finds() -> None:
    assert [*parameters('a="b c" "d=e f" g h=\u00e9 -- i')] == [
        *(("a", "b c"), ("d", "e f"), ("g", None), ("h", "\u00e9")),
    ]
    # U+00A0 is 0xc2 0xa0 in UTF-8, and 0xa0 is a blank to isspace() of the kernel.
    assert [name for name, _ in parameters("a\u00a0b\u3000c")] == ["a\udcc2", "b\u3000c"]


@given(st.text(max_size=40))
def test_nothing_is_too_odd(cmdline: str) -> None:
    words = [*parameters(cmdline)]
    assert all(isinstance(name, str) for name, _ in words)
    assert word_position(cmdline, "a") <= len(cmdline)


def test_a_command_line_ends_where_the_kernels_buffer_does() -> None:
    just, longer = "x" * 2039 + " nokaslr", "x" * 2040 + " nokaslr"
    assert len(just) == 2047
    assert (seen(just), unseen_bytes(just)) == (just, 0)
    assert (seen(longer), unseen_bytes(longer)) == (longer[:-1], 1)
    assert has_word(just, "nokaslr")
    assert not has_word(longer, "nokaslr")
    assert last_value(f"{'x' * 2050} a=1", "a") is None
    assert [*parameters(f"{'x' * 2045} a=1")] == [("x" * 2045, None), ("a", None)]
    assert seen("\u3000" * 1000) == "\u3000" * 682


@pytest.mark.parametrize("character", NO_BLANKS[:3])
def test_a_blank_of_unicode_switches_nothing_off(character: str) -> None:
    found = call(*RECORDED, "--cmdline", f"nokaslr root=/a{character}mem_encrypt=off")
    assert found.status == 1
    found = call(*RECORDED, "--cmdline", f"ro{character}nokaslr", "--format", "plain")
    assert "boot.kaslr: on" in found.out


@pytest.mark.parametrize("word", ["mem_encrypt=off", "nokaslr"])
def test_what_the_kernel_does_not_see_does_not_count(word: str) -> None:
    long = "root=/dev/" + "a" * 2040
    seen = call(*RECORDED, "--cmdline", f"{word} ro", "--format", "json").document
    unseen = call(*RECORDED, "--cmdline", f"{long} {word}", "--format", "json").document
    assert seen["boot"] != unseen["boot"]
    assert unseen["boot"]["kaslr"] == "on"
    assert unseen["sme"]["state"] == "unknown"
    (said,) = [text for text in unseen["assumptions"] if "past COMMAND_LINE_SIZE" in text]
    assert said.startswith("the last ")


@pytest.mark.parametrize(
    ("cmdline", "changes"),
    [
        ("mem_encrypt=on memory=1G mem memmap=", []),
        ("mem=nopentium", []),
        ("mem=2G mem=nopentium", [("mem", "2G")]),
        ("memmap=exactmap memmap=1G@1M", [("memmap", "exactmap"), ("memmap", "1G@1M")]),
        ('"mem=2G" -- memmap=1G@1M', [("mem", "2G")]),
    ],
)
def test_options_that_change_the_memory_map(cmdline: str, changes: list[tuple[str, str]]) -> None:
    assert list(changes_of_memory(cmdline)) == changes
