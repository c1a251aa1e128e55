"""Where reports go: files that appear whole or not at all, and only when there is an answer."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest
from commandline import FORMATS, PROGRAM, SAMPLES, environment, run, sample, start

from smecheck.cli.output_file import write_file
from smecheck.errors import OutputError

COLLISION = sample("founding-failure")
CLEAR = sample("founding-fixed")
WIDE = {"COLUMNS": "100"}


@cache
def printed(form: str) -> bytes:
    return run(*COLLISION, "--format", form, env=WIDE).raw


@pytest.mark.parametrize(
    ("option", "form"), [("-o", "text"), ("-o", "plain"), ("--output", "json")]
)
def test_output_is_what_would_be_printed(option: str, form: str, tmp_path: Path) -> None:
    found = run(*COLLISION, "--format", form, option, "report", cwd=tmp_path, env=WIDE)
    assert (found.status, found.raw, found.err) == (1, b"", "")
    assert (tmp_path / "report").read_bytes() == printed(form)
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_reports_are_written_beside_what_is_printed(tmp_path: Path) -> None:
    options = [f"--report={form}={tmp_path / form}" for form in FORMATS]
    found = run(*COLLISION, *options, "--report", f"json={tmp_path / 'more'}", env=WIDE)
    assert (found.status, found.err) == (1, "")
    assert found.raw == printed("plain")
    for form in FORMATS:
        assert (tmp_path / form).read_bytes() == printed(form)
    assert (tmp_path / "more").read_bytes() == (tmp_path / "json").read_bytes()


def test_quiet_still_writes_files(tmp_path: Path) -> None:
    found = run(*COLLISION, "-q", "-o", "plain", "--report", "json=json", cwd=tmp_path)
    assert (found.status, found.raw, found.err) == (1, b"", "")
    assert (tmp_path / "plain").read_bytes() == printed("plain")
    assert (tmp_path / "json").read_bytes() == printed("json")


def test_files_have_no_colors(tmp_path: Path) -> None:
    env = {"FORCE_COLOR": "1"}
    found = run(*COLLISION, "--format", "text", "--report", "text=report", cwd=tmp_path, env=env)
    assert b"\x1b" in found.raw
    assert b"\x1b" not in (tmp_path / "report").read_bytes()


@pytest.mark.parametrize("name", ["a=b", "[/x] -", "ümlaut \n\x1b[31m"])
def test_any_name_will_do(name: str, tmp_path: Path) -> None:
    target = tmp_path / name
    target.parent.mkdir(exist_ok=True)
    found = run(*CLEAR, "--report", f"json={target}")
    assert (found.status, found.err) == (0, "")
    assert json.loads(target.read_bytes())["verdict"] == "clear"


def test_a_name_may_be_as_long_as_names_are(tmp_path: Path) -> None:
    target = tmp_path / ("x" * 255)
    assert run(*CLEAR, "-o", str(target)).status == 0
    assert target.read_text().startswith("verdict: clear\n")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("analyze", "nosuch"), 3),
        ((*COLLISION[:2], "--iomem", "nosuch"), 3),
        ((*COLLISION[:2], "--segments", COLLISION[1]), 3),
        ((*COLLISION, "--load-address", "0x1000"), 2),
        ((*COLLISION, "--ignore", "SME999"), 2),
        ((*COLLISION, "--report", "xml=other"), 2),
        ((*COLLISION, "--report", "plain=new"), 2),
    ],
)
def test_without_an_answer_nothing_is_created_or_changed(
    arguments: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    (tmp_path / "old").write_text("the last answer\n")
    targets = ("-o", "old", "--report", "json=newer", "--report", "text=new")
    found = run(*arguments, *targets, cwd=tmp_path)
    assert found.status == status
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "the last answer\n"


def test_an_old_report_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "report"
    target.write_text("x" * 100_000)
    with target.open("rb") as reader:
        assert run(*COLLISION, "-o", str(target)).status == 1
        # Whoever reads the old one reads it to its end.
        assert reader.read() == b"x" * 100_000
    assert target.read_bytes() == printed("plain")


def test_a_report_that_does_not_fit_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "report"
    target.write_text("the last answer\n")
    limited = ("/bin/sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *PROGRAM)
    found = start(*COLLISION, "--explain", "-o", "report", cwd=tmp_path, program=limited)
    assert found.status == 2
    assert found.problem[0] == "report: cannot be written: file too large (no report was written)"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert target.read_text() == "the last answer\n"


@pytest.mark.parametrize("option", ["-o", "--report"])
@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("nosuch/report", "no such file or directory"),
        ("folder", "is a directory"),
        ("folder/", "is a directory"),
        ("file/report", "not a directory"),
        ("/dev/full", "no space left on device"),
        ("/proc/report", "no such file or directory"),
        ("x" * 256, "file name too long"),
    ],
)
def test_what_cannot_be_written_is_named(
    place: str, reason: str, option: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    value = place if option == "-o" else f"plain={place}"
    found = run(*COLLISION, option, value, cwd=tmp_path)
    assert (found.status, found.raw) == (2, b"")
    assert found.problem[0] == f"{place}: cannot be written: {reason} (no report was written)"
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_new_report_has_usual_permissions(tmp_path: Path) -> None:
    program = ("/bin/sh", "-c", 'umask 027; exec "$@"', "sh", *PROGRAM)
    assert start(*CLEAR, "-o", "report", cwd=tmp_path, program=program).status == 0
    assert (tmp_path / "report").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old\n")
    (tmp_path / "link").symlink_to("real")
    assert run(*CLEAR, "-o", "link", cwd=tmp_path).status == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text().startswith("verdict: clear\n")


def written_by(command: str, folder: Path) -> tuple[int, bytes]:
    """Run smecheck in a shell, and return its status and what is in ``log`` then."""
    (folder / "log").write_text("before\n")
    program = shlex.join([*PROGRAM, *COLLISION, "--format", "plain"])
    found = start("-c", f"{program} {command}", program=("/bin/sh",), cwd=folder)
    assert [path.name for path in folder.iterdir()] == ["log"]
    return found.status, (folder / "log").read_bytes()


@pytest.mark.parametrize(
    "command",
    [
        "-o /dev/stdout >> log",
        "-o /dev/fd/1 >> log",
        "-o /proc/self/fd/1 >> log",
        "-o /proc/thread-self/fd/1 >> log",
        "-o /dev/stderr 2>> log",
        "-o /dev/fd/3 3>> log",
        "-o log >> log",
        "-q --report plain=/dev/stdout >> log",
        "--report plain=- >> log",
        "-o - >> log",
    ],
)
def test_what_is_in_a_log_stays_there(command: str, tmp_path: Path) -> None:
    """A descriptor that is open for appending is no file to be replaced."""
    status, log = written_by(command, tmp_path)
    assert status == 1
    assert log == b"before\n" + printed("plain")


def test_several_reports_to_one_descriptor(tmp_path: Path) -> None:
    command = "--report json=/dev/stdout --report plain=/dev/fd/1 -o /dev/stdout >> log"
    assert written_by(command, tmp_path)[1] == b"before\n" + b"".join(
        map(printed, ("json", "plain", "plain"))
    )
    assert written_by("--report json=log > log", tmp_path)[1] == printed("json") + printed("plain")


def test_reports_on_standard_output(tmp_path: Path) -> None:
    """One that is asked for by name takes the place of the one that nobody asked for."""
    found = run(*COLLISION, "--report", "json=-", cwd=tmp_path)
    assert found.raw == printed("json")
    found = run(*COLLISION, "--report", "json=-", "--format", "json", cwd=tmp_path)
    assert found.raw == printed("json")
    found = run(*COLLISION, "--report", "json=-", "--format", "plain", cwd=tmp_path)
    assert found.raw == printed("plain") + printed("json")
    found = run(*COLLISION, "--report", "json=-", "-q", cwd=tmp_path)
    assert found.raw == printed("json")
    assert list(tmp_path.iterdir()) == []
    found = run(*COLLISION, "--report", "json=-", "-o", "report", cwd=tmp_path)
    assert found.raw == printed("json")
    assert (tmp_path / "report").read_bytes() == printed("plain")
    failed = run("analyze", "nosuch", "--report", "json=-", "-o", "other", cwd=tmp_path)
    assert failed.document["error"]["code"] == "unreadable"


def test_a_picture_on_standard_output(tmp_path: Path) -> None:
    found = run(*COLLISION, "-o", "report", "--save-svg", "-", cwd=tmp_path)
    assert found.raw.startswith(b"<svg")
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_permissions_are_kept(tmp_path: Path) -> None:
    for mode in (0o600, 0o664, 0o640):
        (tmp_path / "report").write_text("old\n")
        (tmp_path / "report").chmod(mode)
        assert run(*CLEAR, "-o", "report", cwd=tmp_path).status == 0
        assert (tmp_path / "report").stat().st_mode & 0o777 == mode
        assert (tmp_path / "report").read_text().startswith("verdict: clear\n")


def test_a_second_name_stays_one(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("x" * 100_000)
    (tmp_path / "other").hardlink_to(tmp_path / "one")
    assert run(*COLLISION, "-o", "one", cwd=tmp_path).status == 1
    assert (tmp_path / "one").samefile(tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == printed("plain")


def test_a_file_that_nothing_can_replace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bind mount: rename() fails with EBUSY."""
    (tmp_path / "report").write_text("x" * 100)

    def busy(source: Path, target: Path) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy", str(target))

    monkeypatch.setattr(Path, "replace", busy)
    write_file(str(tmp_path / "report"), "new\n")
    assert (tmp_path / "report").read_text() == "new\n"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_folder_that_takes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report").write_text("x" * 100)

    def refused(*, prefix: str, dir: Path) -> None:  # noqa: A002 - as tempfile has it
        raise PermissionError(errno.EACCES, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    write_file(str(tmp_path / "report"), "new\n")
    assert (tmp_path / "report").read_text() == "new\n"
    with pytest.raises(OutputError, match="permission denied"):
        write_file(str(tmp_path / "other"), "new\n")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root")
def test_a_bind_mount_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "inside").write_text("x" * 100_000)
    (tmp_path / "report").touch()
    script = 'mount --bind inside report || exit 77; exec "$@" -o report'
    program = ("unshare", "-m", "sh", "-c", script, "sh", *PROGRAM)
    found = start(*COLLISION, program=program, cwd=tmp_path)
    if found.status == 77:
        pytest.skip("mounting is forbidden here")
    assert (found.status, found.err) == (1, "")
    assert (tmp_path / "inside").read_bytes() == printed("plain")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("analyze", ""), "KERNEL"),
        (("describe", ""), "KERNEL"),
        (("gate", ""), "KERNEL..."),
        (("verify", ""), "KERNEL"),
        (("fleet", "--kernel", "", COLLISION[1]), "--kernel"),
        (("compare", COLLISION[1], ""), "NEW"),
        (("triage", COLLISION[1], ""), "PATH..."),
        ((*COLLISION, "-o", ""), "--output"),
        ((*COLLISION, "--save-html", ""), "--save-html"),
        *(
            ((*COLLISION[:2], option, ""), option)
            for option in ("--iomem", "--segments", "--dmesg", "--memmap", "--host", "--config")
        ),
        (("gate", COLLISION[1], "--policy", ""), "--policy"),
    ],
)
def test_an_empty_name_is_named(arguments: tuple[str, ...], name: str, tmp_path: Path) -> None:
    found = run(*arguments, cwd=tmp_path)
    assert found.status == 2
    assert found.problem[0] == f"{name} is empty (nothing was analyzed)"
    assert list(tmp_path.iterdir()) == []


def test_a_loop_of_links_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for options in (("-o", "a"), ("--report", "json=a"), ("--save-svg", "a")):
        found = run(*COLLISION, *options, cwd=tmp_path)
        assert found.status == 2
        assert "too many levels of symbolic links" in found.problem[0]
    assert run("analyze", "a", cwd=tmp_path).status == 3


def test_a_named_pipe_is_written_to(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(
        [*PROGRAM, *COLLISION, "-o", str(fifo)], stdin=subprocess.DEVNULL, env=environment()
    ) as process:
        assert fifo.read_bytes() == printed("plain")
    assert process.returncode == 1
    assert fifo.is_fifo()


@pytest.mark.parametrize(
    "target", ["report", "./report", "link", "kernel.yaml", "../iomem.txt", "kexec.log"]
)
def test_neither_inputs_nor_other_reports_are_overwritten(target: str, tmp_path: Path) -> None:
    for name in ("kernel.yaml", "kexec.log"):
        (tmp_path / name).write_bytes((SAMPLES / "founding-fixed" / name).read_bytes())
    (tmp_path / "link").symlink_to("report")
    before = sorted(tmp_path.iterdir())
    arguments = ["analyze", "kernel.yaml", "--segments", "kexec.log", "-o", "report"]
    if target == "../iomem.txt":
        (tmp_path.parent / "iomem.txt").write_bytes(
            (SAMPLES / "founding-fixed" / "iomem.txt").read_bytes()
        )
        arguments += ["--iomem", str(tmp_path.parent / "iomem.txt")]
    found = run(*arguments, "--report", f"json={target}", cwd=tmp_path)
    assert (found.status, found.raw) == (2, b"")
    assert found.problem[0].startswith(f"{target}: would overwrite ")
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "kernel.yaml").read_text().startswith("# ")


def test_minus_is_standard_output(tmp_path: Path) -> None:
    found = run(*COLLISION, "-o", "-", "--format", "json", cwd=tmp_path)
    assert (found.status, found.raw, found.err) == (1, printed("json"), "")
    assert list(tmp_path.iterdir()) == []
