"""Logs that several machines write to: what one kernel says is never taken for another's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commandline import SAMPLES, call

from smecheck.errors import MalformedInput, WrongKind
from smecheck.evidence import value_of
from smecheck.load.segments import SegmentRole
from smecheck.machine.kernel_log import KernelLog
from smecheck.read.load.segments import read_segments
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.source import NamedStream

SAMPLE = SAMPLES / "kdump-from-a-log"
ROWS = (SAMPLE / "dmesg.txt").read_text().splitlines()
AT = next(at for at, row in enumerate(ROWS) if "kexec_file" in row)
BOOT, LOAD = ROWS[:AT], ROWS[AT:]
OTHER = [row.replace("0x000000003ffdffff", "0x000000007ffdffff") for row in BOOT]
OTHER = [row.replace("Linux version 6.12.117+deb12", "Linux version 6.1.0-13") for row in OTHER]


def syslog(host: str, rows: list[str]) -> list[str]:
    return [f"Nov 28 01:05:00 {host} kernel: {row}" for row in rows]


def rfc5424(host: str, rows: list[str]) -> list[str]:
    return [f"<6>1 2025-11-28T01:05:00.000Z {host} kernel - - - {row}" for row in rows]


def monotonic(host: str, rows: list[str]) -> list[str]:
    return [row.replace("] ", f"] {host} kernel: ", 1) for row in rows]


def journal(host: str, rows: list[str]) -> list[str]:
    return [
        json.dumps({"_HOSTNAME": host, "_TRANSPORT": "kernel", "MESSAGE": row.partition("] ")[2]})
        for row in rows
    ]


FORMS = (syslog, rfc5424, monotonic, journal)
Form = Callable[[str, list[str]], list[str]]


def read(rows: list[str]) -> KernelLog:
    return read_dmesg(stream(rows))


def stream(rows: list[str]) -> NamedStream:
    return NamedStream.of("log", "\n".join(rows).encode() + b"\n")


def interleaved(*logs: list[str]) -> list[str]:
    longest = max(map(len, logs))
    return [log[at] for at in range(longest) for log in logs if at < len(log)]


@pytest.mark.parametrize("form", FORMS)
def test_lines_of_two_kernels_are_no_boot(form: Form) -> None:
    with pytest.raises(MalformedInput, match=r"host (a|b), and log:[0-9]+ is of host") as error:
        read(interleaved(form("a", BOOT), form("b", OTHER)))
    assert error.value.where is not None
    assert error.value.where.startswith("log:")
    assert "grep" in error.value.help_text


@pytest.mark.parametrize("form", FORMS)
def test_a_line_of_another_host_at_the_end(form: Form) -> None:
    reserved = "[ 0.000000] crashkernel reserved: 0x0000000020000000 - 0x0000000028000000 (128 MB)"
    with pytest.raises(MalformedInput, match="is a line of host b, and log:1 is of host a"):
        read([*form("a", BOOT), *form("b", [reserved])])


def test_the_boots_of_two_hosts_one_after_the_other() -> None:
    log = read([*syslog("a", BOOT), *syslog("b", OTHER)])
    assert value_of(log.boot.release) == "6.1.0-13-amd64"
    assert any(remark.endswith(f"from line {AT + 1}, of host b, counts") for remark in log.remarks)
    # Of one host, the name says nothing.
    log = read([*syslog("a", BOOT), *syslog("a", OTHER)])
    assert any(remark.endswith(f"from line {AT + 1}, counts") for remark in log.remarks)


@pytest.mark.parametrize(
    ("first", "then"),
    [("localhost", "epyc1"), ("(none)", "epyc1"), ("fedora", "epyc1"), ("epyc1", "EPYC1.lab.org")],
)
def test_a_host_that_gets_its_name_is_one(first: str, then: str) -> None:
    rows = [*syslog(first, BOOT), *syslog(then, LOAD)]
    log = read(rows)
    assert log.boot == read(syslog(first, BOOT)).boot
    load = read_segments(stream(rows), boot=log.boot)
    assert len(load.segments) == 5


@pytest.mark.parametrize("form", FORMS)
def test_the_load_of_another_host_is_not_this_ones(form: Form, tmp_path: Path) -> None:
    rows = [*form("a", BOOT), *form("b", LOAD)]
    # As segments alone it is one host's load; for the boot of the log it is another's.
    alone = read_segments(stream(rows))
    assert {segment.role for segment in alone.segments} >= {SegmentRole.KERNEL}
    with pytest.raises(MalformedInput, match="is a line of host b, and log:1 is of host a"):
        read_segments(stream(rows), boot=read(rows).boot)
    (tmp_path / "log").write_text("\n".join(rows) + "\n")
    found = call(
        *("analyze", str(SAMPLE / "kernel.yaml"), "--dmesg", str(tmp_path / "log")),
        *("--mode", "crash", "--cmdline", "mem_encrypt=on", "--format", "json"),
    )
    assert found.document["segments"] == []
    assert "host b" in found.raw.decode()


def test_loads_of_two_hosts() -> None:
    rows = [*syslog("a", LOAD), *syslog("b", LOAD)]
    with pytest.raises(MalformedInput, match=r"host b, and log:\d+ is of host a"):
        read_segments(stream(rows))


@pytest.mark.parametrize(
    ("one", "other"),
    [("node17| ", "node18| "), ("node-17: ", "node-18: "), ("10.0.0.7: ", "10.0.0.8: ")],
)
def test_consoles_of_two_nodes(one: str, other: str) -> None:
    """As ``pdsh`` and console servers write them: the name stands before every line."""
    first, second = [one + row for row in BOOT], [other + row for row in OTHER]
    assert read(first).boot == read(BOOT).boot
    with pytest.raises(WrongKind):
        read(interleaved(first, second))


@pytest.mark.parametrize(
    "number", [lambda at: f"{at:>5}  ", lambda at: f"#{at} ", lambda at: f"09:{at:02}:00 tty| "]
)
def test_marks_that_count(number: Callable[[int], str]) -> None:
    rows = [number(at) + row for at, row in enumerate(BOOT, 1)]
    assert read(rows).boot == read(BOOT).boot
