from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smecheck.report.safe_text import json_text, printable

DANGEROUS = ("Cc", "Cs", "Zl", "Zp")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("vmlinux-6.1.0", "vmlinux-6.1.0"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nb\tc\r", r"a\x0ab\x09c\x0d"),
        ("\x7f\x9b2J", r"\x7f\x9b2J"),
        ("\u202egnp.exe\u202c", r"\u202egnp.exe\u202c"),
        ("\u2066x\u2069\u200f", r"\u2066x\u2069\u200f"),
        ("line\u2028break\u2029", r"line\u2028break\u2029"),
        ("\udcff.log", r"\udcff.log"),
        ("[/boot]", "[/boot]"),
        ("Käse ✓ 漢字", "Käse ✓ 漢字"),
    ],
)
def test_dangerous_characters_become_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_ascii_only_writes_everything_else_as_escapes() -> None:
    assert printable("ä ✓ 🜁…", ascii_only=True) == r"\xe4 \u2713 \U0001f701..."


@given(st.text(st.characters()))
def test_nothing_printable_is_dangerous(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(character) in DANGEROUS for character in shown)
    assert printable(shown) == shown
    assert printable(text, ascii_only=True).isascii()
    shown.encode()


@given(st.text(st.characters()))
def test_json_keeps_the_text_and_shows_nothing_dangerous(text: str) -> None:
    written = json_text({"key": text, text: [1]})
    assert json.loads(written) == {"key": text, text: [1]}
    assert written.endswith("}\n")
    for line in written.split("\n"):
        assert printable(line) == line


def test_json_leaves_other_letters_alone() -> None:
    assert json_text({"name": "Käse"}) == '{\n  "name": "Käse"\n}\n'
