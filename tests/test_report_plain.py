from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from report_samples import SAMPLES, clear, collision, not_applicable, retold, undecided

from smecheck.answer import Report
from smecheck.evidence import Known
from smecheck.load.segments import SegmentRole
from smecheck.record import replace
from smecheck.report import plain_report
from smecheck.report.options import Format, RenderOptions
from smecheck.report.render import render
from smecheck.workarea.proven import Way

HOSTILE = ("[/boot]", "\x1b[31mred", "x" * 10_000, "\u202eevil\u2066", "a\nb\r", "\udcff", "\u2028")


def plain(report: Report, *, explain: bool = False) -> list[str]:
    options = RenderOptions(explain, color=True, width=60, unicode=False, exit_code=1)
    written = render(report, Format.PLAIN, options)
    assert written.endswith("\n")
    return written[:-1].split("\n")


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_line_is_a_key_and_a_value(sample: Callable[[], Report]) -> None:
    report = sample()
    lines = plain(report, explain=True)
    assert lines[0] == f"verdict: {report.verdict.value}"
    assert lines[1] == f"basis: {report.basis.value}"
    assert lines[-1] == f"next: {report.next_step}"
    for line in lines:
        assert re.fullmatch(r"[a-z0-9.-]+: .+", line), line
        assert line.isascii()


def test_facts_show_their_origins() -> None:
    lines = plain(collision())
    assert "kernel.end: 0xffffffff81a16000 (symbol _end)" in lines
    assert "kernel.build-id: unknown (no GNU build-id note)" in lines
    assert "boot.kaslr: off (nokaslr)" in lines
    assert "placement.after-end.start: 0x7de00000" in lines
    assert "placement.after-end.in-place: [0x7dc16000, 0x7de00000)" in lines
    assert "placement.after-end.owner: nobody (why it is so)" in lines
    assert "segment: kernel [0x7d200000, 0x7df41000) log (kexec.log:42)" in lines
    assert "input: x (iomem): nothing used" in lines


def test_the_decompressors_view_is_among_the_facts() -> None:
    lines = plain(clear())
    assert "kernel.needed-size: 64 MiB (0x4000000) (rounded up)" in lines
    assert "kernel.init-size-from: unknown (the sides are not known)" in lines
    assert (
        "kernel.init-size-room: 5.5 MiB (0x598000) (past the end of .init.scratch; init_size)"
    ) in lines
    old = plain(collision())
    assert "kernel.needed-size: at least 12.9 MiB (0xcf270c) (max(output_len, own size))" in old
    assert not any("-room: " in line for line in old)
    assert not any("needed-size" in line for line in plain(undecided()))


def test_a_reservation_that_ends_in_the_section_is_short() -> None:
    report = clear()
    view = report.decompressor
    assert view is not None
    assert view.section is not None
    short = replace(view.section, in_init_size=Known(-0x1000, "init_size"))
    lines = plain(replace(report, decompressor=replace(view, section=short)))
    wanted = "kernel.init-size-room: 4 KiB (0x1000) short (of the end of .init.scratch; init_size)"
    assert wanted in lines


def test_findings_are_one_line_each() -> None:
    lines = plain(collision())
    assert (
        "finding: SME001 error certain [0x7df50000, 0x7df54000) boot_params: the surely written "
        "part lies over boot_params; next: boot it with mem_encrypt=off"
    ) in lines
    assert (
        "finding: SME006 warning conditional [0x7e000000, 0x7e009000) Crash kernel: memory outside "
        "the crash reservation is overwritten; if: KASLR leaves the kernel where it was loaded; "
        "next: boot it with mem_encrypt=off"
    ) in lines
    assert (
        "finding: SME007 note certain - -: what owns it is not known; "
        "next: boot it with mem_encrypt=off"
    ) in plain(undecided())


def test_undetermined_placement_says_why_and_gives_offsets() -> None:
    lines = plain(undecided())
    assert "placement.after-end.status: undetermined" in lines
    extents = "in-place, start, written-end, worst-end, mapped-end, length"
    assert f"placement.after-end.unknown: {extents} (undetermined)" in lines
    assert "placement.after-end.offset.mapped-end: 0x1000000" in lines
    assert not any(".offset." in line for line in plain(not_applicable()))


def test_explain_adds_the_derivation() -> None:
    step = "derivation.after-end: workarea_start = 0x7de00000 : kernel_end : v4.17"
    assert step in plain(collision(), explain=True)
    assert not any(line.startswith("derivation") for line in plain(collision()))


def test_refused_load_is_said() -> None:
    report = collision()
    assert report.segments is not None
    refused = replace(report, segments=replace(report.segments, refusal="no hole"))
    assert "load.refusal: no hole" in plain(refused)


def test_the_moving_kernel_is_marked() -> None:
    report = collision()
    moving = replace(report, boot=replace(report.boot, base_is_certain=False))
    condition = "if KASLR leaves the kernel where it was loaded"
    assert f"boot.kernel-base: 0x7d200000 (kexec.log:42; {condition})" in plain(moving)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_neither_break_lines_nor_reach_the_terminal(text: str) -> None:
    hostile = plain(retold(collision(), text), explain=True)
    assert len(hostile) == len(plain(retold(collision(), "harmless"), explain=True))
    for line in hostile:
        assert len(line.splitlines()) == 1
        assert line.isprintable()
        line.encode()
    if text.isprintable():
        assert f"kernel.source: {text}" in hostile


FORMATS_PAGE = Path(__file__).parents[1] / "docs" / "formats.md"
PLACEHOLDERS = {
    "SCHEME": "(after-end|sme-section|init-scratch)",
    "WAY": f"({'|'.join(way.value for way in Way)})",
    "RULE": r"SME\d{3}",
    "SEGMENT": f"({'|'.join(role.value for role in SegmentRole)})",
}


def documented_keys() -> list[str]:
    """Return a pattern for each key that the page lists."""
    table = FORMATS_PAGE.read_text().partition("## Keys of plain\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    keys = [key for cell in cells for key in re.findall(r"`([^`]+)`", cell)]
    assert len(set(keys)) == len(keys) > 60
    patterns = [re.escape(key).replace(r"\-", "-") for key in keys]
    for name, pattern in PLACEHOLDERS.items():
        patterns = [re.sub(rf"\b{name}\b", lambda _, p=pattern: p, one) for one in patterns]
    return patterns


def written_keys() -> set[str]:
    goldens = Path(__file__).parent / "goldens"
    lines = [line for file in goldens.glob("*.plain") for line in file.read_text().splitlines()]
    lines += [line for sample in SAMPLES for line in plain(sample(), explain=True)]
    return {line.partition(": ")[0] for line in lines}


def test_every_key_is_documented_and_every_documented_key_is_written() -> None:
    documented, written = documented_keys(), written_keys()
    assert not {key for key in written if not any(re.fullmatch(p, key) for p in documented)}
    rare = ("load", "cross-check", "advice", "proof\\.void", "kaslr\\.unknown", "boot\\.unknown")
    source = inspect.getsource(plain_report)
    for pattern in documented:
        if pattern.endswith(PLACEHOLDERS["SEGMENT"]):
            assert "_step(segment.role.value" in source
        elif pattern.startswith(rare):
            assert pattern.rpartition("\\.")[2] in source
        else:
            assert any(re.fullmatch(pattern, key) for key in written), pattern


def test_unknown_facts_with_one_reason_are_one_line() -> None:
    lines = plain(undecided())
    shared = [line for line in lines if line.startswith(("kernel.unknown: ", "boot.unknown: "))]
    assert shared
    for line in shared:
        names, _, reason = line.partition(": ")[2].partition(" (")
        assert len(names.split(", ")) > 1
        assert sum(f"({reason}" in other for other in lines if other.startswith(line[:6])) == 1
