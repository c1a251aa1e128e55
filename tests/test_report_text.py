from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from report_samples import SAMPLES, collision, not_applicable, retold, undecided

from smecheck.answer import Report
from smecheck.record import replace
from smecheck.report.options import Format, RenderOptions
from smecheck.report.render import render
from smecheck.report.verdict_words import VERDICT_WORDS

WIDTHS = (40, 60, 80, 120, 200)
HOSTILE = ("[/boot]", "\x1b[31mred", "x" * 1_000, "\u202eevil\u2066", "a\nb", "\udcff", "漢" * 99)
ADDRESS = re.compile(r"0x[0-9a-f]+")
HIGH = 0xF_FFFF_7D20_0000  # near the end of 52-bit physical addresses
COLOR = re.compile(r"\x1b\[[0-9;]*m")


def text(
    report: Report,
    width: int = 100,
    *,
    explain: bool = False,
    details: bool = False,
    color: bool = False,
    unicode: bool = True,
) -> str:
    options = RenderOptions(explain, color, width, unicode, exit_code=1, details=details)
    return render(report, Format.TEXT, options)


def addresses(node: Any) -> Iterator[str]:
    """Yield all addresses of a JSON report, without the offsets that stand beside addresses."""
    if isinstance(node, str) and ADDRESS.fullmatch(node):
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from addresses(item)
    elif isinstance(node, dict):
        placed = node.get("status") == "placed"
        for key, value in node.items():
            if not (placed and key == "offsets"):
                yield from addresses(value)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("base", [0x7D200000, HIGH])
def test_no_address_is_ever_broken_or_dropped(width: int, base: int) -> None:
    for report in (collision(base), undecided(), retold(collision(base), "x" * 999)):
        options = RenderOptions(explain=True, color=False, width=width, unicode=True, exit_code=1)
        document = json.loads(render(report, Format.JSON, options))
        shown = set(ADDRESS.findall(render(report, Format.TEXT, options)))
        assert set(addresses(document)) - shown == set()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_lines_fit(width: int, sample: Callable[[], Report]) -> None:
    for report in (sample(), collision(HIGH)):
        lines = text(report, width, explain=True, unicode=width > 80).splitlines()
        assert max(map(len, lines)) <= width
        assert all(line == line.rstrip() for line in lines)


def test_the_verdict_comes_first_and_the_next_step_last() -> None:
    lines = text(collision()).splitlines()
    assert lines[0].startswith("COLLISION  the workarea collides with")
    assert lines[-2:] == [
        "DO NOW  boot it with mem_encrypt=off",
        "details: smecheck … --details; smecheck explain SME001",
    ]
    assert "\nFINDINGS  4 errors, 1 warning\n" in text(collision())
    assert text(not_applicable()).startswith("NOT APPLICABLE  ")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_with_details_the_verdict_is_the_last_line_too(
    width: int, sample: Callable[[], Report]
) -> None:
    report = sample()
    *_, before, last = text(report, width, details=True).splitlines()
    assert before == ""
    said = f"{VERDICT_WORDS[report.verdict]}  {report.headline}"
    assert last == said or (said.startswith(last.removesuffix("…")) and len(last) == width)


def test_a_shared_next_step_is_said_once() -> None:
    findings = text(collision(), details=True).split("FINDINGS")[1].split("KERNEL")[0]
    assert findings.count("next: ") == 1
    assert "only if: KASLR leaves the kernel where it was loaded" in findings
    assert "[0x7df50000, 0x7df54000), all of boot_params" in findings


def test_undetermined_placement_is_marked_as_offsets() -> None:
    shown = text(undecided(), details=True)
    assert "_text + 0xc00000" in shown
    assert "_text + [0xa16000, 0xc00000)" in shown
    assert "place undetermined" in shown
    assert "MEMORY  offsets from _text" in shown


def test_without_a_drawing_the_segments_are_listed() -> None:
    report = replace(undecided(), segments=collision().segments)
    assert "SEGMENTS  kexec.log" in text(report, details=True)
    assert "SEGMENTS" not in text(collision(), details=True)
    assert "SEGMENTS" in text(collision(), explain=True)


def test_explain_adds_the_derivation() -> None:
    assert "DERIVATION  after-end (this kernel)" in text(collision(), explain=True)
    assert "DERIVATION" not in text(collision(), details=True)


def test_unknown_facts_are_gathered_by_reason() -> None:
    shown = text(undecided(), 200, details=True)
    assert shown.count("no setup header: not a bzImage") == 1
    assert "  unknown     init-size, output-len, kernel-alignment, " in shown


def test_inputs_that_were_of_no_use_are_said() -> None:
    assert "- x (iomem): nothing used" in text(collision(), details=True)
    assert "build/vmlinux (vmlinux): symbols" not in text(collision(), details=True)


def test_color_is_only_added_and_never_carries_the_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare = text(collision())
    assert "\x1b" not in bare
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES", "TERM"):
        monkeypatch.setenv(name, "10")
    assert text(collision()) == bare
    colored = text(collision(), color=True)
    assert "\x1b[1;31mCOLLISION" in colored
    without = [COLOR.sub("", line).rstrip() for line in colored.splitlines()]
    assert without == bare.splitlines()


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("sample", SAMPLES)
def test_hostile_texts_do_not_reach_the_terminal(
    hostile: str, sample: Callable[[], Report]
) -> None:
    for color in (False, True):
        shown = text(retold(sample(), hostile), 80, explain=True, color=color)
        shown.encode()
        for line in COLOR.sub("", shown).split("\n"):
            assert line.isprintable()
            assert len(line) <= 80
        assert color or "\x1b" not in shown
    if hostile == "[/boot]":
        assert "KERNEL  [/boot] (" in text(retold(sample(), hostile), details=True)


def test_ascii_is_enough_where_there_is_nothing_else() -> None:
    shown = text(retold(collision(), "Käse…"), 80, explain=True, unicode=False)
    assert shown.isascii()
    assert r"K\xe4se..." in shown
    assert max(map(len, shown.splitlines())) <= 80
