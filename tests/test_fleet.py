"""Fleets: what their rows say is what analyze says, whoever asked first, however the run ended."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from commandline import PROGRAM, ROOT, call, environment, run, validator
from fleet_machines import KERNELS, LOADS, MIB, OLD, PROVEN, Layout, machines, write_inventory

import smecheck
from smecheck.asked import OPTIONS
from smecheck.case import Case
from smecheck.checks.tolerance import Tolerance
from smecheck.engine.run import FleetRun, Tally
from smecheck.engine.task import Asked
from smecheck.engine.workers import InThisProcess
from smecheck.fleets.classes import reason_of
from smecheck.fleets.row import Answer, Row
from smecheck.fleets.summary import Summary
from smecheck.read.case import SHORT_CUTS
from smecheck.read.fleet.described import Described, Said, case_of_described
from smecheck.read.fleet.machine import Machine
from smecheck.read.kernel.kernel import read_kernel
from smecheck.report.fleet_words import headline_of

ROW = validator("smecheck/fleet-row-v1")
MACHINE = validator("smecheck/fleet-machine-v1")
SMALL = (str(OLD[0]), str(PROVEN[0]))


def rows_of(text: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        ROW.validate(row)
    return rows


def described(found: Iterable[dict[str, Any]]) -> list[Machine]:
    return [Described(one["id"], "inventory", one, "") for one in found]


def asked(*kernels: Path) -> Asked:
    return Asked(tuple(read_kernel(str(path)) for path in kernels), Said(), Tolerance())


def answers(asking: Asked, found: list[Machine]) -> tuple[dict[str, tuple[Answer, ...]], Tally]:
    tally = Tally()
    run = FleetRun(asking, InThisProcess(), tally)
    return dict(run.answers(found)), tally


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "inventory.jsonl"
    found = list(machines(8, 300, seed=3, ranges=(64, 128)))
    write_inventory(path, iter([*found[:8], *found[:4]]))
    return path


# The rows are what analyze says ------------------------------------------------------------------


def test_rows_equal_what_analyze_says_for_500_random_pairs() -> None:
    """Machines of few layouts, so that most answers are another machine's."""
    chosen = random.Random(500)
    found = [
        {**one, "cmdline": chosen.choice(("ro quiet", "nokaslr mem_encrypt=on", "nokaslr"))}
        for one in machines(125, 14, seed=11, alike=0.7, ranges=(64, 160))
    ]
    kernels = (*OLD, *PROVEN)
    got, tally = answers(asked(*kernels), described(found))
    assert tally.questions < 125 * 0.9
    images = [smecheck.read_kernel(path) for path in kernels]
    pairs = 0
    for one in found:
        memory = smecheck.parse_iomem(one["iomem"])
        for image, row in zip(images, got[one["id"]], strict=True):
            report = smecheck.analyze(
                image,
                iomem=memory,
                loader=one["loader"],
                mode=one["mode"],
                initrd=one["initrd"],
                cmdline=one["cmdline"],
            )
            document = report.to_dict()
            assert row.verdict == document["verdict"]
            assert row.basis == document["basis"]
            assert row.exit_code == document["exit_code"]
            assert row.headline == report.headline
            assert row.rules == tuple(dict.fromkeys(f.rule for f in report.findings))
            pairs += 1
    assert pairs == 500


def test_machines_of_a_model_ask_the_same_question() -> None:
    layout = Layout(7, (70, 70))
    base = {"loader": "kexec_load", "mode": "crash", "initrd": "30M", "cmdline": "nokaslr"}
    found = [
        {"id": f"{number}", "iomem": layout.iomem(number, (number % 9 + 1) * 32 * MIB), **base}
        for number in range(1, 20)
    ]
    got, tally = answers(asked(OLD[0]), described(found))
    assert len({one["iomem"] for one in found}) == len(found)
    assert len(set(got.values())) == 1
    assert tally.questions == 1


def test_who_asks_first_does_not_matter() -> None:
    found = described(machines(40, 5, seed=2, alike=0.8, ranges=(64, 128)))
    forward, _ = answers(asked(OLD[0]), found)
    backward, _ = answers(asked(OLD[0]), found[::-1])
    assert forward == backward


@pytest.mark.parametrize(
    "changed",
    [
        {"mode": "load"},
        {"loader": "kexec_file_load"},
        {"initrd": "200M"},
        {"cmdline": "quiet"},
        {"cpus": 8000},
        {"host": {"kexec_tools": "2.0.18"}},
        {"sme": "off"},
    ],
)
def test_what_counts_is_another_question(changed: dict[str, Any]) -> None:
    base = {
        "id": "one",
        "iomem": Layout(3, (64, 64)).iomem(),
        "loader": "kexec_load",
        "mode": "crash",
        "initrd": "30M",
        "cmdline": "nokaslr",
    }
    _, tally = answers(asked(OLD[0]), described([base, {**base, "id": "two", **changed}]))
    assert tally.questions == 2


def test_a_first_boot_asks_where_the_kernel_runs() -> None:
    layout = Layout(3, (64, 64))
    found = [
        {"id": f"{at}", "iomem": layout.iomem(0, at * MIB), "path": "first-boot"}
        for at in (256, 512)
    ]
    got, tally = answers(asked(OLD[0]), described(found))
    assert tally.questions == 2
    assert {one[0].traits.path for one in got.values() if one[0].traits} == {"first-boot"}


def test_a_headline_that_quotes_a_finding_is_each_machines_own() -> None:
    """The log reserves elsewhere than iomem shows: the message names the line of each iomem."""
    layout = Layout(5, (64, 64))
    log = "[    0.000000] Reserving 256MB of memory at 64MB for crashkernel (System RAM: 4095MB)\n"
    base = {"mode": "crash", "loader": "kexec_load", "dmesg": log, "initrd": "8M"}
    one = layout.iomem(0)
    other = one.replace("000a0000-000fffff", "000a0000-000bffff : Video\n000c0000-000fffff")
    found = [{"id": "one", "iomem": one, **base}, {"id": "other", "iomem": other, **base}]
    got, _ = answers(asked(OLD[0]), described(found))
    for machine in found:
        report = smecheck.analyze(
            OLD[0],
            iomem=smecheck.parse_iomem(machine["iomem"]),
            dmesg=smecheck.parse_log(log),
            mode="crash",
            loader="kexec_load",
            initrd=8 * MIB,
        )
        assert report.verdict.value == got[machine["id"]][0].verdict
        assert report.headline == got[machine["id"]][0].headline
    assert got["one"][0].headline != got["other"][0].headline


def test_reasons_have_no_numbers() -> None:
    text = "at 100 of 32,332 places (0x1f) with 4.1 MiB (0x41b74c) to spare, cpus 8192, the 2nd"
    assert reason_of(text) == "at N of N places (N) with N to spare, cpus N, the 2nd"


# Inventories -------------------------------------------------------------------------------------


def fleet(tmp_path: Path, *lines: object, more: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    path = tmp_path / "inventory.jsonl"
    path.write_text("".join(f"{x if isinstance(x, str) else json.dumps(x)}\n" for x in lines))
    done = run("fleet", "--kernel", str(OLD[0]), str(path), "-q", *more)
    return rows_of(done.out)


def small(**more: object) -> dict[str, Any]:
    return {"id": "a", "iomem": Layout(1, (64, 64)).iomem(), "mode": "crash", **more}


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ('{"id": "a"', "malformed", "is not JSON"),
        ('{"id": "a", "mode": "crash", "mode": "load"}', "malformed", "'mode' is given twice"),
        ('{"id": "a", "host": {"cpus": 1, "cpus": 2}}', "malformed", "'cpus' is given twice"),
        ("[1, 2]", "malformed", "is not an object"),
        ({"iomem": "x"}, "malformed", "has no id"),
        ({"id": "a", "iomen": "x"}, "malformed", "unknown key 'iomen'; did you mean 'iomem'?"),
        ({"id": "a", "iomem": "/no/such/file"}, "unreadable", "no such file"),
        ({"id": "a", "iomem": ""}, "unreadable", "is empty"),
        ({"id": "a", "iomem": 5}, "malformed", "iomem: a text, or the name of a file"),
        ({"id": "a", "iomem": "0-0 : a\n00000000-00000000 : b\n"}, "wrong-kind", "without root"),
        (small(initrd="much"), "malformed", "initrd: 'much' is not a size"),
        (small(initrd=os.devnull), "malformed", "as a file: is not a regular file"),
        (small(loader="grub"), "malformed", "loader: unknown value 'grub'"),
        (small(host=[]), "malformed", "host: an object"),
        (small(host={"kexec_tool": "2"}), "malformed", "kexec_tool"),
        (small(mode="load", path="kdump"), "usage", "--mode load"),
        (small(e820="x\n", memmap="y\n"), "malformed", "two names"),
        (small(schema="smecheck/fleet-machine-v9"), "malformed", "fleet-machine-v9"),
        (small(cpus=-1), "malformed", "cpus: a number"),
        ('{"id": "a", "cpus": ' + "9" * 5000 + "}", "malformed", "is not JSON: exceeds the limit"),
        ("[" * 100_000, "malformed", "is not JSON: it is nested too deeply"),
        ('{"id": "a", "host": ' + "[" * 900 + "]" * 900 + "}", "malformed", "host: an object"),
    ],
)
def test_a_machine_that_cannot_be_asked_is_a_row(
    tmp_path: Path, line: object, code: str, message: str
) -> None:
    bad, good = fleet(tmp_path, line, small(id="b"))
    assert bad["error"]["code"] == code
    assert message in bad["error"]["message"]
    assert bad["error"]["help"]
    assert (bad["verdict"], bad["exit_code"]) == (None, 3)
    assert good["error"] is None


def test_the_command_line_hides_no_mistake(tmp_path: Path) -> None:
    """But the file of an initrd may be elsewhere, where it is said how large it is."""
    said = ("--mode", "crash", "--loader", "kexec_load", "--initrd", "1M")
    bad, good = fleet(
        tmp_path, small(mode="dump"), small(id="b", loader=None, initrd="/no/initrd"), more=said
    )
    assert bad["error"]["message"].startswith("mode: unknown value 'dump'")
    assert (good["error"], good["traits"]["path"]) == (None, "kdump")


SAID: dict[str, object] = {
    "path": "kdump",
    "loader": "kexec_load",
    "mode": "crash",
    "load_address": "16M",
    "initrd": 0,
    "cmdline": "",
    "kaslr": "off",
    "sme": "on",
    "paging": 5,
    "kexec_tools": "2.0.25",
    "running_kernel": "6.1.0",
    "cpus": 4,
    "mem_min": "1M",
    "mem_max": "2M",
}


@pytest.mark.parametrize("name", [*OPTIONS, *SHORT_CUTS])
def test_whatever_a_machine_says_is_asked(name: str) -> None:
    def asked_of(**words: object) -> Case:
        return case_of_described(Described("a", "i:1", {"id": "a", **words}, ""), image, Said())

    image = read_kernel(str(PROVEN[0]))
    assert asked_of(**{name: SAID[name]}) != asked_of()


def test_texts_may_be_in_files(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "a").write_text(small()["iomem"])
    (tmp_path / "maps" / "bad").write_text("00100000-00zz : System RAM\n")
    text, file, bad = fleet(
        tmp_path, small(), small(iomem="maps/a", id="b"), small(iomem="maps/bad", id="c")
    )
    assert {**text, "machine": ""} == {**file, "machine": ""}
    place = f"{tmp_path / 'inventory.jsonl'}:3: {tmp_path / 'maps' / 'bad'}:1"
    assert bad["error"]["where"] == place


def test_a_name_that_was_there_before_gets_a_number(tmp_path: Path) -> None:
    found = fleet(tmp_path, small(), small(initrd="900M"), small())
    assert [row["machine"] for row in found] == ["a", "a#2", "a#3"]
    assert found[0]["headline"] != found[1]["headline"]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "from-windows.txt"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(small()).encode() + b"\r\n")
    done = run("fleet", "--kernel", str(PROVEN[0]), str(path), "-q")
    assert [row["verdict"] for row in rows_of(done.out)] == ["clear"]


def test_what_is_circular_is_a_row() -> None:
    circle: dict[str, Any] = {}
    circle["circle"] = circle
    rows = list(smecheck.fleet([small(host=circle), small(id="b")], [PROVEN[0]]))
    assert [row["verdict"] for row in rows] == [None, "clear"]
    assert [row["exit_code"] for row in rows] == [3, 0]


def test_standard_output_by_its_name_is_that(tmp_path: Path) -> None:
    path, out = tmp_path / "i.jsonl", tmp_path / "out"
    path.write_text(json.dumps(small()) + "\n")
    with out.open("wb") as file:
        done = subprocess.run(
            [*PROGRAM, "fleet", "--kernel", str(PROVEN[0]), str(path), "-o", "/dev/stdout"],
            env=environment(),
            stdout=file,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert [row["verdict"] for row in rows_of(out.read_text())] == ["clear"]
    assert done.stderr.startswith(b"FLEET")


def test_options_count_more_than_what_machines_say(tmp_path: Path) -> None:
    own = fleet(tmp_path, small(mode="load", loader="kexec_load"))
    other = fleet(tmp_path, small(mode="load", loader="kexec_load"), more=("--mode", "crash"))
    assert own[0]["traits"]["path"] == "kexec"
    assert other[0]["traits"]["path"] == "kdump"


def test_an_inventory_may_come_through_a_pipe() -> None:
    line = json.dumps(small()).encode() + b"\n"
    done = run("fleet", "--kernel", str(PROVEN[0]), "-", stdin=line)
    assert done.status == 0
    assert [row["verdict"] for row in rows_of(done.out)] == ["clear"]
    assert "1 machine against 1 kernel" in done.err


def test_generated_machines_are_of_the_schema() -> None:
    for one in machines(20, 4):
        MACHINE.validate(one)


# The command -------------------------------------------------------------------------------------


def test_every_machine_has_a_row_for_each_kernel_in_order(inventory: Path) -> None:
    done = run("fleet", "--kernel", SMALL[0], "--kernel", SMALL[1], str(inventory), "--jobs", "2")
    rows = rows_of(done.out)
    assert [row["kernel"] for row in rows] == [*SMALL] * 12
    assert [row["machine"] for row in rows[::2]] == [
        *(json.loads(line)["id"] for line in inventory.read_text().splitlines()[:8]),
        *(f"{json.loads(line)['id']}#2" for line in inventory.read_text().splitlines()[8:]),
    ]
    for first, again in zip(rows[:8], rows[16:], strict=True):
        assert {**first, "machine": ""} == {**again, "machine": ""}
    assert "8 distinct cases analyzed; 4 machines are like another (33.3%)" in done.err
    assert "becomes clear" in done.err


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [((0,), 0), ((4, 0), 4), ((1, 4), 1), ((1, 3), 3), ((3, 70), 70), ((), 0)],
)
def test_the_worst_row_is_the_exit_status(statuses: tuple[int, ...], expected: int) -> None:
    summary = Summary(["k"])
    for number, status in enumerate(statuses):
        summary.add([Row(f"{number}", "k", Answer("clear", "proof", status, "", (), "clear-0"))])
    assert summary.status == expected


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        (("clear", None), "error"),
        (("undecided", None), "error"),
        ((None, "collision"), "collision"),
        (("clear", "undecided"), "undecided"),
        (("not-applicable", "clear"), "clear"),
    ],
)
def test_a_kernel_that_was_not_analyzed_is_worse_than_a_clear_one(
    verdicts: tuple[str | None, ...], worst: str
) -> None:
    summary = Summary([str(number) for number in range(len(verdicts))])
    answers = [Answer(verdict, None, 0, "", (), None) for verdict in verdicts]
    summary.add([Row("m", kernel, one) for kernel, one in zip("01", answers, strict=True)])
    assert summary.worst == {worst: 1}
    assert headline_of(summary) == f"1 machine against 2 kernels; at worst: {worst} 1"


def test_what_counts_as_failure_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    machine = small(mode="load", loader="kexec_load", cmdline="nokaslr mem_encrypt=on")
    collides = {**machine, "iomem": Layout(2, (64, 64)).iomem()}
    path.write_text(json.dumps(collides) + "\n")
    command = ("fleet", "--kernel", str(OLD[0]), str(path), "-q", "-o", str(tmp_path / "rows"))
    strict = run(*command)
    row = rows_of((tmp_path / "rows").read_text())[0]
    assert strict.status == row["exit_code"]
    assert run(*command, "--exit-zero").status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--shard", "3/2"), "is not I/N"),
        (("--shard", "0/2"), "is not I/N"),
        (("--resume", "a", "-o", "b"), "-o cannot be another"),
        (("--kernel", SMALL[0]), "is given twice"),
        (("-o", SMALL[0]), "would overwrite"),
        (("--ignore", "SME999"), "there is no such rule"),
        (("--resume", "a.parquet"), "not with Parquet"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    inventory: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run("fleet", "--kernel", SMALL[0], str(inventory), *arguments)
    assert done.status == 2
    assert message in done.err


def test_what_is_not_there_is_an_error() -> None:
    done = run("fleet", "--kernel", SMALL[0], "/no/such/*.jsonl")
    assert done.status == 3
    assert "finds nothing" in done.err
    assert run("fleet", "--kernel", "/no/such", str(KERNELS)).status == 3


def test_loads_are_all_asked_for() -> None:
    found = {(one["loader"], one["mode"]) for one in machines(60, 4)}
    assert found == set(LOADS)
    assert call("schema", "fleet-row-v1").status == 0
    assert (ROOT / "docs" / "fleet.md").exists()


# From Python -------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor, ProcessPoolExecutor])
def test_rows_from_python_are_those_of_the_command(
    inventory: Path, executor: Callable[[int], Executor] | None
) -> None:
    printed = run("fleet", "--kernel", SMALL[0], "--kernel", SMALL[1], str(inventory), "-q")
    with contextlib.ExitStack() as stack:
        working = stack.enter_context(executor(2)) if executor else None
        rows = list(smecheck.fleet([inventory], SMALL, executor=working))
    assert rows == rows_of(printed.out)


def test_machines_may_be_objects_as_they_come() -> None:
    taken = []

    def given() -> Iterator[dict[str, Any]]:
        for number in range(3):
            taken.append(number)
            yield small(id=number)

    rows = smecheck.fleet(given(), [smecheck.read_kernel(PROVEN[0])], mode="load")
    assert taken == []
    assert [row["machine"] for row in rows] == ["0", "1", "2"]
    broken = list(smecheck.fleet([{"iomem": "x"}, "/no/such"], [PROVEN[0]]))
    assert [row["machine"] for row in broken] == ["machines[0]", "/no/such"]
    with pytest.raises(smecheck.UsageError, match="twice"):
        smecheck.fleet([], [PROVEN[0], PROVEN[0]])
    with pytest.raises(smecheck.UsageError, match="no kernel"):
        smecheck.fleet([], [])
    with pytest.raises(smecheck.UsageError, match="'dump' is not a Mode"):
        smecheck.fleet([], [PROVEN[0]], mode="dump")


# The page ----------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.counts: dict[str, int] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.ids += [value for name, value in attrs if name == "id" and value]


def test_the_page_draws_the_memory_of_each_class(tmp_path: Path) -> None:
    path, html = tmp_path / "i.jsonl", tmp_path / "fleet.html"
    hostile = small(id="<script>alert(1)</script>")
    found = [*machines(12, 12, ranges=(64, 70)), *({**hostile, "id": f"{n}"} for n in range(16))]
    found = [hostile, {"id": "<b>", "iomem": "nothing"}, *found]
    write_inventory(path, iter(found))
    kernels = [word for kernel in SMALL for word in ("--kernel", kernel)]
    done = run("fleet", *kernels, str(path), "-o", str(tmp_path / "rows"), "--save-html", str(html))
    page = Page(html.read_text())
    classes = {(row["kernel"], row["class"]) for row in rows_of((tmp_path / "rows").read_text())}
    assert page.counts["figure"] == len(classes - {(kernel, None) for kernel in SMALL})
    assert len(page.ids) == len(set(page.ids))
    assert "script" not in page.counts
    assert "b" not in page.counts
    assert "Content-Security-Policy" in html.read_text()
    assert "What changes from" in html.read_text()
    assert "1 machine" in html.read_text()
    assert done.out.startswith("FLEET")
    again = tmp_path / "again.html"
    run("fleet", *kernels, str(path), "--resume", str(tmp_path / "rows"), "--save-html", str(again))
    assert Page(again.read_text()).counts["figure"] == page.counts["figure"]
    piped = tmp_path / "piped.html"
    command = (
        "fleet",
        *kernels,
        "-",
        "--resume",
        str(tmp_path / "rows"),
        "--save-html",
        str(piped),
    )
    text = path.read_text().replace('"nothing"', f'"{tmp_path / "nothing"}"')
    assert run(*command, stdin=text.encode()).status == 3
    assert 0 < Page(piped.read_text()).counts["figure"] < page.counts["figure"]
    assert "came through a pipe, in an earlier run" in piped.read_text()


def test_the_table_names_what_changes_for_whom(tmp_path: Path) -> None:
    path = tmp_path / "i.jsonl"
    write_inventory(path, machines(12, 12, ranges=(64, 70)))
    rows = tmp_path / "rows"
    old, new = SMALL
    for kernels, label in (((old, new), "BETTER"), ((new, old), "WORSE")):
        named = [word for kernel in kernels for word in ("--kernel", kernel)]
        done = run("fleet", *named, str(path), "-o", str(rows))
        verdicts = [row["verdict"] for row in rows_of(rows.read_text())]
        changed = sum(a != b for a, b in zip(verdicts[::2], verdicts[1::2], strict=True))
        counts = re.findall(rf"^  {label} +([0-9,]+)  \w+ becomes", done.out, re.MULTILINE)
        assert sum(map(int, counts)) == changed
        # Where it wraps depends on how long the names of the files are.
        assert f"unchanged on {12 - changed} machine" in " ".join(done.out.split())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("00000000-00000000 : System RAM\n" * 2, "was read without root: all addresses are zero"),
        ("schema: smecheck/kernel-v1\nrelease: 6.1.0\n", "holds nothing about a machine"),
    ],
)
def test_what_says_nothing_of_a_machine_is_a_row_with_its_error(
    text: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "machine").write_text(text)
    kernel = str(ROOT / "tests" / "data" / "kernels" / "6.1.0-56-cloud-amd64.yaml")
    found = run("fleet", "--kernel", kernel, "-q", "-o", "-", "machine", cwd=tmp_path)
    row = json.loads(found.out)
    assert (found.status, row["verdict"], row["error"]["message"]) == (3, None, why)
