from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from report_samples import BASE, SAMPLES, clear, collision, not_applicable, retold, undecided

from smecheck.answer import Report
from smecheck.errors import MalformedInput, SmecheckError, UsageError
from smecheck.record import replace
from smecheck.report.error_report import error_json, error_text
from smecheck.report.options import Format, RenderOptions
from smecheck.report.render import render

OPTIONS = RenderOptions(explain=False, color=False, width=80, unicode=True, exit_code=1)
HOSTILE = ("[/boot]", "\x1b[31mred", "x" * 10_000, "\u202eevil\u2066", "a\nb", "\udcff", "\u2028")


def schema(name: str) -> Any:
    return json.loads((files("smecheck") / "schemas" / f"{name}.json").read_text())


def checked(written: str, name: str = "report-v1") -> Any:
    document = json.loads(written)
    Draft202012Validator(schema(name)).validate(document)
    return document


def document(report: Report) -> Any:
    return checked(render(report, Format.JSON, OPTIONS))


@pytest.mark.parametrize("name", ["report-v1", "error-v1"])
def test_schemas_are_strict_everywhere(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    loose = []

    def walk(node: Any, place: str) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("required"), list):
                strict = node.get("additionalProperties") is False
                if not strict or set(node["required"]) != set(node["properties"]):
                    loose.append(place)
            for key, value in node.items():
                walk(value, f"{place}/{key}")
        elif isinstance(node, list):
            for index, value in enumerate(node):
                walk(value, f"{place}/{index}")

    walk(schema(name), name)
    assert loose == []


def test_the_decompressors_view() -> None:
    image = document(clear())["image"]
    assert image["needed_size"] == image["needed_size_most"] == 0x4000000
    assert image["init_size_from"] is None
    assert image["init_size_reason"] == "the sides are not known"
    assert image["section_in_init_size"] == {"covered": True, "margin": 0x598000}
    old = document(collision())["image"]
    assert (old["output_len"], old["needed_size"]) == (0xCF270C, 0xCF270C)
    assert (old["needed_size_most"], old["init_size_from"]) == (0xE00000, "payload")
    assert old["section_in_needed_size"] is None
    assert document(undecided())["image"] is None


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_verdict_follows_the_schema(sample: Callable[[], Report]) -> None:
    report = sample()
    found = document(report)
    assert found["verdict"] == report.verdict.value
    assert found["basis"] == report.basis.value
    assert found["exit_code"] == 1


def test_collision_says_where() -> None:
    found = document(collision())
    placement = found["placements"][0]
    assert placement["status"] == "placed"
    assert placement["start"] == "0x7de00000"
    assert placement["in_place"] == {"start": "0x7dc16000", "end": "0x7de00000"}
    assert placement["length"] == 0x22B000
    assert placement["offsets"]["start"] == "0xc00000"
    assert placement["derivation"][0]["value"] == "0x7de00000"
    assert found["boot"]["kernel_base"] == hex(BASE)
    assert found["boot"]["kaslr"] == "off"
    assert found["boot"]["initrd_size"] == 0xFD000
    assert found["segments"][0] == {
        "name": "initrd",
        "start": "0x7d100000",
        "end": "0x7d1fd000",
        "origin": "log",
    }
    assert found["load"] == {"accepted": True, "refusal": None}
    assert found["image"]["output_len"] == 0xCF270C
    assert found["proof"]["paths"][0]["margin"] == 0xD41000 - 0x1000000
    assert found["findings"][0]["confidence"] == "certain"
    assert found["findings"][0]["url"].endswith("sme001")
    assert found["findings"][-1]["confidence"] == "conditional"


def test_refused_load_is_not_accepted() -> None:
    report = collision()
    assert report.segments is not None
    refused = replace(report, segments=replace(report.segments, refusal="Could not find a hole"))
    assert document(refused)["load"] == {"accepted": False, "refusal": "Could not find a hole"}


def test_undecided_has_offsets_only() -> None:
    found = document(undecided())
    placement = found["placements"][0]
    assert placement["status"] == "undetermined"
    for key in ("start", "written_end", "worst_end", "mapped_end", "in_place", "length"):
        assert placement[key] is None
    assert placement["offsets"]["mapped_end"] == "0x1000000"
    assert found["boot"]["kaslr"] == "unknown"
    assert found["boot"]["paging"] == "unknown"
    assert found["image"] is None
    assert found["load"] is None
    assert found["proof"] is None
    assert found["segments"] == []
    assert found["findings"][0]["span"] is None


def test_not_applicable_and_clear() -> None:
    assert document(not_applicable())["kernel"]["scheme"] == "no-sme"
    assert document(not_applicable())["kernel"]["image_size"] is None
    section = document(clear())["kernel"]["section"]
    assert section == {
        "name": ".init.scratch",
        "start": "0xffffffff84600000",
        "size": 0x400000,
        "type": "PROGBITS",
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_survive_and_stay_escaped(text: str) -> None:
    written = render(retold(collision(), text), Format.JSON, OPTIONS)
    found = checked(written)
    assert found["kernel"]["source"] == text
    assert found["boot"]["cmdline"] == text
    assert not any(ord(character) < 0x20 for character in written.replace("\n", ""))
    written.encode()


def test_same_report_same_bytes() -> None:
    assert render(collision(), Format.JSON, OPTIONS) == render(collision(), Format.JSON, OPTIONS)


@pytest.mark.parametrize(
    "error",
    [
        UsageError("--mode contradicts --path"),
        MalformedInput("not a number", where="kernel.yaml:7:10", help_text="write 0x1000"),
        MalformedInput("\x1b[2J\n", where="\u202e/tmp/[bold]", help_text="\udcff"),
    ],
)
def test_errors_follow_their_schema(error: SmecheckError) -> None:
    found = checked(error_json(error), "error-v1")
    assert found["error"]["message"] == error.message
    assert found["error"]["where"] == error.where


def test_error_text_names_the_file_and_the_next_step() -> None:
    error = MalformedInput("broken\x1b[2J", where="a\nb", help_text="try\u202e again")
    assert error_text(error) == (
        "smecheck: error: a\\x0ab: broken\\x1b[2J (nothing was analyzed)\nhelp: try\\u202e again\n"
    )
    assert error_text(UsageError("no")) == "smecheck: error: no (nothing was analyzed)\n"


@pytest.mark.parametrize("chosen", [Format.JSON, Format.PLAIN])
def test_formats_for_programs_do_not_pay_for_rich(chosen: Format) -> None:
    tests = Path(__file__).parent
    code = f"""
import sys
sys.path[:0] = [{str(tests)!r}, {str(tests.parent)!r}]
from report_samples import collision
from smecheck.report.render import Format, RenderOptions, render
render(collision(), Format({chosen.value!r}), RenderOptions(True, False, 80, True, 1))
print([name for name in sys.modules if name.split(".")[0] in ("rich", "yaml", "elftools")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
