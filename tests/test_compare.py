"""Two builds compared: real numbers, held against what readelf says; what counts as worse."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from commandline import ROOT, Run, run
from elfwriter import vmlinux
from mutations import FRAME, MUTANTS, PAGE, Description, description, mutated
from recorded import DATA

from smecheck.report.options import Format
from smecheck.span import align_up

KERNELS = DATA / "kernels"
OLDER, NEWER = "6.1.0-56-cloud-amd64", "6.12.117+deb12-cloud-amd64"
OLD, NEW = (str(KERNELS / f"{name}.yaml") for name in (OLDER, NEWER))
FORMATS = tuple(form.value for form in Format)
MUTATE = {mutant.what: mutant.mutate for mutant in MUTANTS}


def compare(*arguments: str, form: str = "json") -> Run:
    return run("compare", *arguments, "--format", form)


def changes(found: Run) -> dict[str, Any]:
    return {change["name"]: change for change in found.document["changes"]}


def results(found: Run) -> dict[str, Any]:
    return {row["check"]: row for row in found.document["results"]}


def written(folder: Path, name: str, known: Description) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(known))
    return str(path)


class Layout:
    """What readelf and the bytes of the header say of a kernel."""

    def __init__(self, name: str) -> None:
        text = (DATA / "layouts" / f"{name}.txt").read_text()
        found = re.findall(r"^ *\d+: (\w{16}) .* (\w+)$", text, re.MULTILINE)
        self.symbols = {symbol: int(address, 16) for address, symbol in found}
        fields = re.findall(r"^(\w+) .*: (0x[0-9a-f]+)", text, re.MULTILINE)
        self.header = {field: int(value, 16) for field, value in fields}
        (section,) = re.findall(r"\.init\.scratch +(\w+) +(\w{16}) \w+ (\w+)", text)
        self.section_type, start, size = section
        self.section_start, self.section_size = int(start, 16), int(size, 16)
        self.text = self.symbols["_text"]


def test_every_number_of_two_real_builds() -> None:
    table = changes(compare(OLD, NEW))
    for side, name in (("old", OLDER), ("new", NEWER)):
        layout = Layout(name)
        told = {key: change[side] for key, change in table.items()}
        end = layout.symbols["_end"] - layout.text
        assert told.pop("release") == name
        assert told.pop("_end - _text") == end
        assert told.pop("workarea") == hex(layout.symbols["__init_scratch_begin"] - layout.text)
        assert told.pop("mapped end") == hex(layout.symbols["__init_scratch_end"] - layout.text)
        assert told.pop("section") == ".init.scratch"
        assert told.pop("section start") == hex(layout.section_start - layout.text)
        assert told.pop("section size") == layout.section_size
        assert told.pop("section type") == layout.section_type
        init_size = layout.header["init_size"]
        assert told.pop("init_size") == init_size
        assert told.pop("slack") == init_size - (layout.symbols["__init_scratch_end"] - layout.text)
        assert told.pop("output_len") == layout.header["z_output_len"]
        assert told.pop("kernel_alignment") == layout.header["kernel_alignment"]
        assert told.pop("pref_address") == hex(layout.header["pref_address"])
        assert told.pop("relocatable") == "yes"
        assert (told.pop("scheme"), told.pop("generation")) == ("init-scratch", "5.3+")
        assert (told.pop("verdict"), told.pop("basis")) == ("clear", "proof")
        assert told == {"build-id": None}


def test_deltas_are_new_minus_old() -> None:
    for change in changes(compare(OLD, NEW)).values():
        if change["kind"] == "text":
            assert change["delta"] is None
            continue
        old, new = (
            int(value, 16) if isinstance(value, str) else value
            for value in (change["old"], change["new"])
        )
        assert change["delta"] == new - old
        assert change["changed"] is (old != new)


def test_boundaries_that_end_crossed() -> None:
    ends = [Layout(name).symbols["_end"] - Layout(name).text for name in (OLDER, NEWER)]
    frames = (align_up(ends[1], FRAME) - align_up(ends[0], FRAME)) // FRAME
    assert frames == 2
    assert (
        "crosses 2 boundaries of 2 MiB upwards"
        in changes(compare(OLD, NEW))["_end - _text"]["note"]
    )
    back = changes(compare(NEW, OLD))["_end - _text"]
    assert "crosses 2 boundaries of 2 MiB downwards" in back["note"]
    assert back["delta"] == -0x400000


@pytest.mark.parametrize(
    ("end", "note"),
    [
        (0x2831000, "crosses no 2 MiB boundary; 1.8 MiB (0x1cf000) to the next"),
        (0x2A00000, "crosses no 2 MiB boundary; 0 B (0x0) to the next"),
        (0x2A01000, "crosses a 2 MiB boundary upwards; 1.9 MiB (0x1ff000) to the next"),
        (0x2800000, "crosses a 2 MiB boundary downwards; 0 B (0x0) to the next"),
    ],
)
def test_a_boundary(end: int, note: str, tmp_path: Path) -> None:
    known = description()
    known["symbols"]["_end"] = 0xFFFFFFFF81000000 + end
    found = compare(OLD, written(tmp_path, "new", known))
    assert changes(found)["_end - _text"]["note"] == note


def test_a_kept_report_serves_as_well_as_the_kernel(tmp_path: Path) -> None:
    direct = compare(OLD, NEW).document
    for command in (("analyze", OLD), ("gate", OLD), ("compare", NEW, OLD)):
        kept = str(tmp_path / f"{command[0]}.json")
        assert run(*command, "--format", "json", "-o", kept).status == 0
        assert compare(kept, NEW).document == direct
        assert compare(NEW, kept).document == compare(NEW, OLD).document


@pytest.mark.parametrize("name", ["5.0-old", "5.0-lucky", "5.0-rfc", "6.1.0-56-amd64"])
def test_kept_reports_of_other_kernels(name: str, tmp_path: Path) -> None:
    kernel, kept = str(KERNELS / f"{name}.yaml"), str(tmp_path / "kept.json")
    run("analyze", kernel, "--format", "json", "-o", kept)
    assert compare(kept, kernel).document["old"] == compare(kernel, kernel).document["old"]


def test_a_kept_report_comes_by_a_pipe(tmp_path: Path) -> None:
    kept = run("gate", OLD, "--format", "json").raw
    found = run("compare", "-", NEW, "--format", "json", stdin=kept)
    assert found.document == compare(OLD, NEW).document


def test_an_elf_with_its_bzimage_against_a_description(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(vmlinux().build())
    found = compare(OLD, str(tmp_path / "vmlinux"))
    assert found.status in (0, 1, 4)
    assert found.document["new"]["image_size"]
    complemented = compare(OLD, str(KERNELS / "5.0-old.yaml"), "--bzimage", OLD)
    assert complemented.status == 3
    assert "is not of the same build" in complemented.document["error"]["message"]


# What is worse


def test_the_same_build_is_no_worse() -> None:
    found = compare(OLD, OLD)
    assert found.status == 0
    assert not any(change["changed"] for change in changes(found).values())
    assert found.document["headline"].startswith("_end - _text is the same")


def test_what_is_as_bad_as_before_is_no_worse() -> None:
    bad = str(KERNELS / "5.0-old.yaml")
    assert compare(bad, bad).status == 0


@pytest.mark.parametrize(
    ("what", "rule", "severity", "status"),
    [
        ("init_size a page short", "SME007", "error", 1),
        ("section missing", "SME023", "error", 1),
        ("section inside the kernel", "SME014", "error", 1),
        ("section NOBITS", "SME013", "warning", 0),
    ],
)
def test_a_rule_that_is_newly_broken(
    what: str, rule: str, severity: str, status: int, tmp_path: Path
) -> None:
    old = written(tmp_path, "old", description())
    new = written(tmp_path, "new", mutated(MUTATE[what]))
    found = compare(old, new)
    assert found.status == status
    assert results(found)[rule]["severity"] == severity
    assert rule in {kept["rule"] for kept in found.document["appeared"]}
    back = compare(new, old)
    assert back.status == 0
    assert rule in {kept["rule"] for kept in back.document["vanished"]}


def test_a_section_that_vanished(tmp_path: Path) -> None:
    old = written(tmp_path, "old", description())
    new = written(tmp_path, "new", mutated(MUTATE["section missing"]))
    table = changes(compare(old, new))
    assert (table["section"]["old"], table["section"]["new"]) == (".init.scratch", None)
    assert table["section"]["note"] == "vanished"
    assert changes(compare(new, old))["section"]["note"] == "appeared"
    assert table["scheme"]["new"] == "after-end"


def test_a_verdict_that_is_open_now(tmp_path: Path) -> None:
    known = description()
    del known["setup_header"], known["program_headers"]
    next(s for s in known["sections"] if s["name"] == ".init.scratch").pop("type")
    headless = written(tmp_path, "new", known)
    found = compare(OLD, headless)
    assert (found.status, results(found)["verdict"]["outcome"]) == (4, "undecided")
    assert compare(OLD, headless, "--allow-undecided").status == 0
    assert compare(OLD, headless, "--exit-zero").status == 0
    assert compare(headless, OLD).status == 0


def test_a_severity_that_is_worse(tmp_path: Path) -> None:
    kept = json.loads(run("analyze", str(KERNELS / "5.0-old.yaml"), "--format", "json").raw)
    kept["findings"][0]["severity"] = "warning"
    path = tmp_path / "kept.json"
    path.write_text(json.dumps(kept))
    found = compare(str(path), str(KERNELS / "5.0-old.yaml"))
    assert found.status == 1
    assert results(found)["SME007"]["outcome"] == "failed"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (("--max-growth", "4M"), 0),
        (("--max-growth", "0x3fffff"), 1),
        (("--min-slack", "0x5dc000"), 0),
        (("--min-slack", "0x5dc001"), 1),
        (("--min-slack", "0x5dc001", "--exit-zero"), 0),
    ],
)
def test_thresholds(options: tuple[str, ...], status: int) -> None:
    for form in FORMATS:
        assert compare(OLD, NEW, *options, form=form).status == status


def test_a_threshold_that_lacks_a_fact(tmp_path: Path) -> None:
    known = description()
    del known["setup_header"]
    found = compare(OLD, written(tmp_path, "new", known), "--min-slack", "1M")
    assert (found.status, results(found)["slack"]["outcome"]) == (4, "undecided")


# What cannot be compared


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"schema": "smecheck/report-v1"', "is not JSON"),
        ('{"schema": "smecheck/report-v1"}', "kernel is missing"),
        ('{"schema": "smecheck/gate-v1", "build": []}', "build is no object"),
        ('{"schema": "smecheck/gate-v1", "build": null}', "build is no object"),
        ('{"schema": "smecheck/error-v1", "error": {}}', "is the report of a failure"),
        ('{"schema": "smecheck/gate-v1", "build": {"source": 5}}', "build.source is no text"),
        ('["smecheck/report-v1"]', ""),
        ('{"schema": "smecheck/gates-v1", "gates": []}', "is a report of several kernels"),
    ],
)
def test_what_is_no_kept_report(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text(content)
    found = compare(str(path), NEW)
    assert (found.status, found.document["schema"]) == (3, "smecheck/error-v1")
    assert said in found.document["error"]["message"]
    assert str(path) in found.document["error"]["where"]


@pytest.mark.parametrize(
    "key", ["release", "image_size", "section", "verdict", "findings", "slack"]
)
def test_a_kept_report_that_was_damaged(key: str, tmp_path: Path) -> None:
    kept = json.loads(run("gate", OLD, "--format", "json").raw)
    path = tmp_path / "kept.json"
    for damaged in ("unheard of", True, {"x": 1}, [1]):
        broken = {**kept, "build": {**kept["build"], key: damaged}}
        path.write_text(json.dumps(broken))
        found = compare(str(path), NEW)
        if key == "release" and damaged == "unheard of":
            assert found.status == 0
        else:
            assert (found.status, found.err.count("Traceback")) == (3, 0)
    del kept["build"][key]
    path.write_text(json.dumps(kept))
    assert compare(str(path), NEW).status == 3


def test_a_report_cannot_be_complemented(tmp_path: Path) -> None:
    kept = str(tmp_path / "kept.json")
    run("gate", OLD, "--format", "json", "-o", kept)
    found = compare(NEW, kept, "--bzimage", OLD)
    assert (found.status, "cannot be complemented" in found.err) == (2, True)


@pytest.mark.parametrize("missing", [("/no/such", NEW), (OLD, "/no/such"), (str(ROOT), NEW)])
def test_files_that_cannot_be_read(missing: tuple[str, str]) -> None:
    assert compare(*missing).status == 3


# For people


def test_markdown_is_one_table(tmp_path: Path) -> None:
    out = compare(OLD, NEW, form="markdown").out
    rows = [line for line in out.splitlines() if line.startswith("|")]
    assert {line.count("|") - line.count(r"\|") for line in rows} == {6}
    assert "| slack | 5.4 MiB (0x578000) | 5.8 MiB (0x5dc000) | \\+400 KiB (0x64000) |  |" in rows


def test_text_marks_what_differs() -> None:
    out = compare(OLD, NEW, "--min-slack", "1G", form="text").out
    assert out.startswith("COMPARE  _end - _text is 4 MiB (0x400000) larger; 1 thing got worse")
    assert re.search(r"^  slack +5\.4 MiB +5\.8 MiB +\+400 KiB$", out, re.MULTILINE)
    assert "section type PROGBITS" in " ".join(out.partition("\nSAME ")[2].split())
    assert "\nWORSE  1\n" in out
    in_full = run("compare", OLD, NEW, "--format", "text", "--details").out
    assert re.search(r"^  \*  slack +5\.4 MiB", in_full, re.MULTILINE)
    assert re.search(r"^     section type +PROGBITS", in_full, re.MULTILINE)


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    known = description()
    known["release"] = "6.1 | [x](http://y) <b>"
    path = written(tmp_path, "new", known)
    assert r"\|" in compare(OLD, path, form="markdown").out
    assert "[x\\](http\\://y) \\<b\\>" in compare(OLD, path, form="markdown").out
    assert PAGE == 0x1000


def test_text_fits_80_columns_with_every_value_whole() -> None:
    for old, new in ((OLD, NEW), (NEW, str(KERNELS / "5.0-old.yaml"))):
        found = run("compare", old, new, "--format", "text", env={"COLUMNS": "80"})
        lines = found.out.split("\n")
        assert max(map(len, lines)) <= 80
        text = found.out
        assert "6.12.117+deb12-cloud-amd64" in text
        assert "_text + 0x2e00000" in text
        assert "kernel_alignment 2 MiB" in text


def test_explain_says_what_was_asked_and_where_each_fact_is_from() -> None:
    plain = run("compare", OLD, NEW, "--min-slack", "1M", "--format", "plain")
    explained = run(*("compare", OLD, NEW, "--min-slack", "1M", "--format", "plain", "--explain"))
    assert explained.out.startswith(plain.out)
    assert "origin.slack: init_size - mapped end -> init_size - mapped end" in explained.out
    text = run(
        *("compare", OLD, NEW, "--min-slack", "1M", "--format", "text", "--explain"),
        env={"COLUMNS": "80"},
    ).out
    assert max(map(len, text.split("\n"))) <= 80
    for said in (
        "passed  slack    init_size leaves enough past the workarea",
        "_end - _text      symbol _end - symbol _text",
        "mapped end  where the workarea ends at worst, rounded up to 2 MiB",
    ):
        assert said in text
    assert "\\x0a" not in text
