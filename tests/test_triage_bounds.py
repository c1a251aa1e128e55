"""Whatever an archive holds: an answer or a refusal, in little memory, for little more than xz."""

from __future__ import annotations

import json
import lzma
import random
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from archive_writer import BLOCK, PACKERS, TarMember, archive
from collected import HOST, members
from commandline import PROGRAM, call, environment
from recorded import DATA
from test_members import HOSTILE
from test_triage import KERNEL, healthy

MEMORY_LIMIT = 128 << 20
FACTOR, SECONDS = 1.25, 1.0

# A process of its own measures: the peak of a child counts from that of its parent on.
MEASURE = """
import json, os, resource, subprocess, sys
done = subprocess.run(sys.argv[2:], timeout=60)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
os.write(int(sys.argv[1]), json.dumps(
    [done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss << 10]
).encode())
"""


def cost(*command: str) -> tuple[int, float, int]:
    """Return the exit status of a command, its CPU seconds and its peak of memory."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", MEASURE, "1", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        check=True,
    )
    begin = done.stdout.rindex(b"[")
    status, cpu, memory = json.loads(done.stdout[begin:])
    return status, cpu, memory


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_answered_or_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "hostile.tar"
    path.write_bytes(HOSTILE[kind][0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    done = call("triage", str(path), "--format", "json")
    assert done.status in (0, 3, 4)
    assert "Traceback" not in done.err
    assert done.document["schema"].startswith("smecheck/")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 2
    assert [one.name for one in tmp_path.iterdir()] == ["hostile.tar"]


def test_a_bomb_ends_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smecheck.read.archive.forward._BOMB_BEGINS", 1 << 20)
    zeros = TarMember(b"sos/var/log/zeros", bytes(64 << 20))
    first = TarMember(b"sos/proc/cmdline", b"root=/dev/sda1 ro\n")
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(PACKERS[".gz"](archive(first, zeros)))
    done = call("triage", str(path), "--format", "json")
    (remark,) = done.document["remarks"]
    assert "and it goes on" in remark
    assert [fact["name"] for fact in done.document["facts"]] == ["cmdline"]


def test_what_is_in_the_members_reaches_no_terminal(tmp_path: Path) -> None:
    evil = b"root=\x1b[2J\x1b]0;evil\x07 \xe2\x80\xae crashkernel=1M\n"
    path = tmp_path / "evil.tar"
    path.write_bytes(archive(TarMember(b"sos/proc/cmdline", evil)))
    for form in ("text", "plain", "markdown", "json"):
        out = call("triage", str(path), "--format", form).out
        assert "\x1b" not in out
        assert "\u202e" not in out


def test_members_of_another_machine_are_named_and_left(tmp_path: Path) -> None:
    one = TarMember(b"a/proc/cmdline", b"root=/dev/a ro\n")
    other = TarMember(b"b/proc/cmdline", b"root=/dev/b ro\n")
    path = tmp_path / "two.tar"
    path.write_bytes(archive(one, other))
    found = call("triage", str(path), "--format", "json").document
    assert [fact["value"] for fact in found["facts"]] == ["root=/dev/a ro"]
    assert found["remarks"] == [f"{path} holds files of other machines: b"]


def test_a_large_archive_costs_little_more_than_its_unpacking(tmp_path: Path) -> None:
    dice = random.Random(5)  # noqa: S311 - for compression, not for secrets
    words = (DATA / "machine-logs" / "k612-1g-bios-nokaslr-crash-s.boot1.dmesg.txt").read_text()
    text = " ".join(dice.choices(words.split(), k=40_000)).replace(" app", "\napp").encode()
    blocks = [bytes(dice.sample(list(text[:4096]), 4096)) + text for _ in range(8)]
    top = f"sosreport-{HOST}"
    begin = b"".join(
        TarMember(f"{top}/{name}".encode(), data).build()
        for name, data in members(healthy(), "4.9").items()
    )
    begin += b"".join(
        TarMember(f"{top}/sys/module/m{number}/x".encode(), b"1\n").build()
        for number in range(8000)
    )
    part = b"".join(dice.choice(blocks) for _ in range(30))
    part = part[: len(part) // BLOCK * BLOCK]
    begin += TarMember(f"{top}/sys/large".encode(), size=8 * len(part)).build()
    journal = f"{top}/sos_commands/logs/journalctl_--no-pager_--boot".encode()
    end = TarMember(journal, b"\n".join(blocks * 4)).build() + bytes(1024)
    # A file of xz may have several streams, of which one is packed once here.
    streams = [lzma.compress(data, preset=0) for data in (begin, part, end)]
    (tmp_path / "large.tar.xz").write_bytes(streams[0] + streams[1] * 8 + streams[2])
    path = str(tmp_path / "large.tar.xz")
    _, alone, _ = cost("xz", "-dc", path)
    status, cpu, memory = cost(*PROGRAM, "triage", path, "--kernel", KERNEL, "--format", "plain")
    assert status == 0
    assert cpu <= FACTOR * alone + SECONDS
    assert memory <= MEMORY_LIMIT
