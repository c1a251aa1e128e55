"""Archives, folders and files of any kind: what is wanted is read, and nothing else happens."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from archive_writer import BLOCK, PACKERS, TarMember, archive, gnu_long, padded, pax

from smecheck.errors import InputError
from smecheck.read.archive.members import Member, Remarks, members_of
from smecheck.read.archive.tar_members import Interest

IOMEM = b"00100000-7ffdffff : System RAM\n"
TOP = b"sosreport-host/"


class Wanted:
    """Wants the files of some names, in the root of a machine's files."""

    def __init__(self, *names: str) -> None:
        self.patterns = names or ("proc/iomem",)
        self.asked: list[str] = []
        self.stop_at = ""

    def interest(self, name: str) -> Interest:
        self.asked.append(name)
        if name == self.stop_at:
            return Interest.STOP
        is_wanted = any(name == one or name.endswith(f"/{one}") for one in self.patterns)
        return Interest.READ if is_wanted else Interest.SKIP


def read(path: Path | str, wanted: Wanted | None = None) -> tuple[dict[str, bytes], list[str]]:
    """Return what is read of a source, and the remarks."""
    remarks = Remarks()
    members = members_of(str(path), wanted or Wanted(), remarks, lambda _: None)
    return {member.name: content(member) for member in members}, remarks.all


def content(member: Member) -> bytes:
    pieces: Iterable[bytes] = iter(lambda: member.content.read(1000), b"")
    return b"".join(pieces)


def written(tmp_path: Path, data: bytes, name: str = "report") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def sound() -> bytes:
    """Return an archive as the standard library writes it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in (("etc/fstab", b"x" * 700_000), ("proc/iomem", IOMEM), ("version", b"4")):
            info = tarfile.TarInfo(f"{TOP.decode()}{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


@pytest.mark.parametrize("ending", PACKERS)
def test_an_archive_is_told_by_its_content(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path, PACKERS[ending](sound()), "no-name-that-says-so")
    assert read(path) == ({"sosreport-host/proc/iomem": IOMEM}, [])


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_format_of_tar(tmp_path: Path, form: int) -> None:
    path = tmp_path / "report.tar"
    folder = "/".join(["a" * 60, "b" * 60])
    with tarfile.open(path, "w", format=form) as tar:
        for name, data in ((f"{folder}/{'c' * 20}", b"1" * 9000), (f"{folder}/proc/iomem", IOMEM)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    assert read(path) == ({f"{folder}/proc/iomem": IOMEM}, [])


def test_a_program_other_than_ours_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "iomem").write_bytes(IOMEM)
    command = ["tar", "--zstd", "-cf", "report.tar.zst", "--format=posix", "proc"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert read(tmp_path / "report.tar.zst") == ({"proc/iomem": IOMEM}, [])


def test_a_pipe(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_members as t; print(t.read('-'))"
    )
    for data in (sound(), PACKERS[".xz"](sound())):
        done = subprocess.run(
            [sys.executable, "-c", script, str(Path(__file__).parent)],
            input=data,
            capture_output=True,
            check=True,
        )
        assert done.stdout.decode().strip() == repr(({"sosreport-host/proc/iomem": IOMEM}, []))


def test_reading_stops_when_nothing_more_is_wanted(tmp_path: Path) -> None:
    wanted = Wanted()
    wanted.stop_at = "last"
    members = TarMember(b"proc/iomem", IOMEM), TarMember(b"last"), TarMember(b"proc/iomem", b"no")
    assert read(written(tmp_path, archive(*members)), wanted)[0] == {"proc/iomem": IOMEM}
    assert wanted.asked == ["proc/iomem", "last"]


def test_what_is_not_read_of_a_member_goes_by(tmp_path: Path) -> None:
    members = TarMember(b"a/proc/iomem", b"x" * 5000), TarMember(b"b/proc/iomem", IOMEM)
    path = written(tmp_path, PACKERS[".gz"](archive(*members)))
    found = members_of(str(path), Wanted(), Remarks(), lambda _: None)
    assert [member.content.read(7) for member in found] == [b"x" * 7, IOMEM[:7]]


GOOD = TarMember(TOP + b"proc/iomem", IOMEM)
READ = {"sosreport-host/proc/iomem": IOMEM}
SECRET = TarMember(TOP + b"proc/iomem", b"", b"2", b"/etc/shadow")
HOSTILE = {
    "a link out of it": (archive(SECRET), {}, "is a link to /etc/shadow, and not followed"),
    "a link to a parent": (
        archive(TarMember(b"proc", b"", b"2", b"../../../proc"), TarMember(b"proc/iomem", IOMEM)),
        {"proc/iomem": IOMEM},
        "",
    ),
    "a hard link": (
        archive(GOOD, TarMember(b"x/proc/iomem", b"", b"1", TOP + b"proc/iomem")),
        READ,
        "is a hard link to sosreport-host/proc/iomem, and not followed",
    ),
    "a link to itself": (
        archive(TarMember(b"proc/iomem", b"", b"2", b"iomem"), GOOD),
        READ,
        "is a link to iomem",
    ),
    "a path out of it": (archive(TarMember(b"../../proc/iomem", b"evil"), GOOD), READ, ""),
    "an absolute path": (
        archive(TarMember(b"/proc/iomem", IOMEM)),
        {"proc/iomem": IOMEM},
        "",
    ),
    "a device": (archive(TarMember(TOP + b"proc/iomem", b"", b"3"), GOOD), READ, "is a device"),
    "a FIFO": (archive(TarMember(b"proc/iomem", b"", b"6"), GOOD), READ, "is a FIFO"),
    "a link with a size": (
        archive(TarMember(b"x", b"", b"2", b"y", size=1 << 32), GOOD),
        READ,
        "",
    ),
    "a size of eight exabytes": (
        archive(GOOD, TarMember(b"x", size_field=b"\x80" + b"\xff" * 11)),
        READ,
        "a member has a size that no file has",
    ),
    "a negative size": (
        archive(GOOD, TarMember(b"x", size_field=b"-0000000001\0")),
        READ,
        "a member has a size that no file has",
    ),
    "a size that is none": (
        archive(GOOD, TarMember(b"x", size_field=b"9z\0\0\0\0\0\0\0\0\0\0")),
        READ,
        "a member has a size that no file has",
    ),
    "a member longer than the archive": (
        archive(TarMember(TOP + b"proc/iomem", IOMEM, size=1 << 32), end=b""),
        {"sosreport-host/proc/iomem": padded(IOMEM)},
        "it is cut off in member 1, sosreport-host/proc/iomem",
    ),
    "an archive cut in a member": (
        archive(GOOD, TarMember(b"x", b"y" * 9000))[: 4 * BLOCK],
        READ,
        "it is cut off in member 2, x",
    ),
    "an archive cut in a header": (
        archive(GOOD, TarMember(b"x"))[: 2 * BLOCK + 100],
        READ,
        "it is cut off past member 1",
    ),
    "an archive without an end": (
        archive(GOOD, end=b""),
        READ,
        "it has no end mark past member 1: it may be cut off",
    ),
    "a wrong checksum": (
        archive(GOOD, TarMember(b"x", checksum=b"000001\0 "), GOOD),
        READ,
        "it is damaged past member 1",
    ),
    "rubbish between members": (
        archive(GOOD, b"\xff" * BLOCK, GOOD),
        READ,
        "it is damaged past member 1",
    ),
    "a member that is there twice": (
        archive(TarMember(b"a/proc/iomem", b"1"), TarMember(b"b/proc/iomem", b"2")),
        {"a/proc/iomem": b"1", "b/proc/iomem": b"2"},
        "",
    ),
    "a name of a megabyte": (
        archive(GOOD, gnu_long(b"n" * (2 << 20), TarMember(b"x"))),
        READ,
        "has 2097153 bytes: no path has",
    ),
    "a chain of long names": (
        archive(TarMember(b"l", b"a\0", b"L").build() * 1000, GOOD),
        {"a": IOMEM},
        "",
    ),
    "pax records that lie": (
        archive(TarMember(b"p", b"99999999 path=evil\n", b"x"), GOOD),
        READ,
        "",
    ),
    "a pax size that is none": (
        archive(GOOD, pax({"size": "-1"}, TarMember(b"x"))),
        READ,
        "a member has a size that no file has",
    ),
    "a global pax header": (archive(pax({"path": "evil"}, GOOD, b"g")), READ, ""),
    "a sparse file": (
        archive(TarMember(b"proc/iomem", IOMEM, b"S", sparse_continues=True).build()[:BLOCK]
                + bytes(BLOCK) + padded(IOMEM), GOOD),
        READ,
        "is stored as a sparse file, and not read",
    ),
    "a sparse file without end": (
        archive(GOOD, TarMember(b"x", b"\xff" * (2 << 20), b"S", sparse_continues=True)),
        READ,
        "has no end of holes",
    ),
    "a sparse file of pax": (
        archive(pax({"GNU.sparse.major": "1", "GNU.sparse.name": "proc/iomem"},
                    TarMember(b"GNUSparseFile.0/iomem", b"1\n0\n" + IOMEM)), GOOD),
        READ,
        "proc/iomem is stored as a sparse file",
    ),
    "a type that nobody knows": (archive(TarMember(b"x", b"y" * 700, b"Q"), GOOD), READ, ""),
    "a name of control characters": (archive(TarMember(b"\x1b[2J\n", b"x"), GOOD), READ, ""),
    "nothing that is wanted": (archive(TarMember(b"x")), {}, ""),
}  # fmt: skip


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives(tmp_path: Path, kind: str, ending: str) -> None:
    data, expected, remark = HOSTILE[kind]
    wanted = Wanted("proc/iomem", "a")
    got, remarks = read(written(tmp_path, PACKERS[ending](data)), wanted)
    assert got == expected
    assert any(remark in said for said in remarks) if remark else not remarks
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report"]


def test_a_truncated_packing_gives_what_came_before(tmp_path: Path) -> None:
    noise = os.urandom(400_000)
    whole = archive(GOOD, TarMember(b"x", noise))
    for ending, pack in PACKERS.items():
        packed = pack(whole)
        got, remarks = read(written(tmp_path, packed[: len(packed) // 2]))
        assert got in (READ, {}), ending
        assert any("cut off" in remark for remark in remarks), ending


def test_damaged_packing(tmp_path: Path) -> None:
    for ending in (".gz", ".xz", ".bz2"):
        packed = bytearray(PACKERS[ending](archive(GOOD, TarMember(b"x", os.urandom(100_000)))))
        middle = len(packed) // 2
        packed[middle : middle + 8] = b"\xa5" * 8
        try:
            got, remarks = read(written(tmp_path, bytes(packed)))
        except InputError as error:
            got, remarks = {}, [error.message]
        assert got in (READ, {}), ending
        assert "damaged" in remarks[0], ending


def test_no_more_members_than_a_report_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten million empty members pack into a few MiB."""
    monkeypatch.setattr("smecheck.read.archive.tar_members.MEMBERS_LIMIT", 1000)
    data = archive(GOOD, TarMember(b"x").build() * 1000)
    path = written(tmp_path, PACKERS[".zst"](data))
    got, remarks = read(path)
    assert got == READ
    assert remarks == [f"{path}: it has more than 1,000 members: the rest is not read"]


def test_a_member_costs_little(tmp_path: Path) -> None:
    """A report has 50,000 of them, and no more than a second for all but its unpacking."""
    path = written(tmp_path, archive(TarMember(TOP + b"proc/1/status").build() * 100_000))
    before = resource.getrusage(resource.RUSAGE_SELF)
    assert read(path) == ({}, [])
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5


def test_a_folder_is_looked_into_not_walked(tmp_path: Path) -> None:
    report = tmp_path / "sosreport-host"
    (report / "proc").mkdir(parents=True)
    (report / "proc" / "iomem").write_bytes(IOMEM)
    (report / "proc" / "loop").symlink_to("..")
    assert read(report) == ({"proc/iomem": IOMEM}, [])
    assert read(tmp_path) == ({"sosreport-host/proc/iomem": IOMEM}, [])


def test_a_pattern_finds_several_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "var" / "crash" / name).mkdir(parents=True)
        (tmp_path / "var" / "crash" / name / "dmesg.txt").write_text(name)
    (tmp_path / "proc").mkdir()
    (tmp_path / "var" / "crash" / "two" / "dmesg.txt").chmod(0)
    got, remarks = read(tmp_path, Wanted("var/crash/*/dmesg.txt"))
    assert got["var/crash/one/dmesg.txt"] == b"one"
    if os.geteuid():
        assert "permission denied" in remarks[0]


@pytest.mark.parametrize(
    ("make", "remark"),
    [
        (lambda path: path.symlink_to("/etc/hostname"), "leads out of the folder"),
        (lambda path: path.symlink_to("nowhere"), "is a link to nowhere, which is not there"),
        (lambda path: path.symlink_to("iomem"), "symbolic links"),
        (os.mkfifo, "is not a regular file, and not read"),
        (lambda path: path.mkdir(), ""),
    ],
)
def test_hostile_folders(tmp_path: Path, make: object, remark: str) -> None:
    (tmp_path / "proc").mkdir()
    make(tmp_path / "proc" / "iomem")  # type: ignore[operator]
    got, remarks = read(tmp_path)
    assert got == {}
    assert any(remark in said for said in remarks) if remark else not remarks


def test_a_link_in_the_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "real").write_bytes(IOMEM)
    (tmp_path / "proc" / "iomem").symlink_to("../real")
    assert read(tmp_path) == ({"proc/iomem": IOMEM}, [])


def test_a_folder_of_several_reports_is_refused(tmp_path: Path) -> None:
    for host in ("a", "b"):
        (tmp_path / host / "proc").mkdir(parents=True)
    with pytest.raises(InputError, match="the files of 2 machines: a, b"):
        read(tmp_path)


def test_a_plain_folder_gives_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "boot1").mkdir()
    (tmp_path / "boot1" / "iomem.txt").write_bytes(IOMEM)
    (tmp_path / "note").write_text("x")
    assert read(tmp_path)[0] == {"note": b"x", "boot1/iomem.txt": IOMEM}


def test_a_single_file_packed_or_not(tmp_path: Path) -> None:
    path = written(tmp_path, IOMEM)
    assert read(path) == ({str(path): IOMEM}, [])
    path = written(tmp_path, PACKERS[".xz"](IOMEM))
    assert read(path) == ({str(path): IOMEM}, [])


@pytest.mark.parametrize("data", [b"", PACKERS[".gz"](b"")], ids=["bare", "packed"])
def test_an_empty_file(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match="is empty"):
        read(written(tmp_path, data))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "nothing")


def test_progress_is_told(tmp_path: Path) -> None:
    seen: list[int] = []
    path = written(tmp_path, PACKERS[".gz"](archive(GOOD, TarMember(b"x", os.urandom(300_000)))))
    list(members_of(str(path), Wanted(), Remarks(), seen.append))
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size
