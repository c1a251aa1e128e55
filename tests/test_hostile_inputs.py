"""Inputs that are made to hurt: each refused in one line, within 2 s of CPU and 256 MiB.

What is refused in other files is not repeated: the headers of ELF files, bzImages and UKIs that lie
(test_elf, test_bzimage, test_uki), YAML with anchors and depth (test_yaml_document), hostile names
(test_cli_inputs), and whatever tests/fuzz makes.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
import os
import re
import shlex
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from bzimage_writer import BzImage, gzip_bomb, pack_gzip, pack_lz4_legacy, zstd
from commandline import PROGRAM, SAMPLES, Run, environment, run
from early_code_writer import EarlyKernel
from elfwriter import Elf, Load, Section, vmlinux
from recorded import DATA

from smecheck.read.lines.messages import RELEVANT_LIMIT
from smecheck.read.load.kexec_debug import COMMANDS_LIMIT
from smecheck.read.machine.iomem import LINES_LIMIT

CPU_LIMIT = 1.9
"""Seconds; the start, which a fork has done, takes the rest of the two."""
MEMORY_LIMIT = 256 << 20
KERNEL = SAMPLES / "founding-failure" / "kernel.yaml"
IOMEM = SAMPLES / "founding-failure" / "iomem.txt"
LOG = SAMPLES / "founding-failure" / "kexec.log"
OPTIONS = ("KERNEL", "--iomem", "--segments", "--symbols", "--config", "--bzimage", "--dmesg")
TERABYTES = 4 << 40
SMALL = vmlinux(stripped=True).build()


def bounded(
    command: str, *arguments: str, stdin: Path | None = None, cwd: Path, cpu: float = CPU_LIMIT
) -> Run:
    """Run smecheck, within the limits."""
    with (stdin or Path(os.devnull)).open("rb") as source:
        found = run(command, *arguments, stdin=source, cwd=cwd)
    assert found.cpu is not None
    assert found.cpu < cpu
    assert found.memory is not None
    assert found.memory < MEMORY_LIMIT
    return found


def refused(*arguments: str, words: str, stdin: Path | None = None, cwd: Path) -> None:
    found = bounded("analyze", *arguments, stdin=stdin, cwd=cwd)
    assert (found.status, found.raw) == (3, b""), found.err
    error, help_line = found.err.splitlines()
    named = "<stdin>" if "-" in arguments else "hostile"
    assert error.startswith(f"smecheck: error: {named}")
    assert words in error
    assert help_line.startswith("help: ")


def given(option: str, name: str = "hostile") -> tuple[str, ...]:
    return (name,) if option == "KERNEL" else (str(KERNEL), option, name)


@pytest.mark.parametrize("option", OPTIONS)
def test_a_sparse_file_of_terabytes(option: str, tmp_path: Path) -> None:
    with (tmp_path / "hostile").open("wb") as file:
        file.truncate(TERABYTES)
    refused(*given(option), words=": ", cwd=tmp_path)


@pytest.mark.parametrize("option", OPTIONS)
def test_zeros_without_end_on_standard_input(option: str, tmp_path: Path) -> None:
    refused(*given(option, "-"), words=": ", stdin=Path("/dev/zero"), cwd=tmp_path)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "is a FIFO that nobody writes to"),
        (os.mkdir, "is a directory"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device"),
        (lambda path: path.symlink_to(path), "too many levels of symbolic links"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(KERNEL.read_text().encode("utf-16")), "is UTF-16"),
    ],
    ids=["fifo", "directory", "device", "loop", "empty", "utf-16"],
)
def test_what_is_no_file_of_text(
    option: str, make: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    if option == "--bzimage" and words == "is UTF-16":
        words = ""  # a vmlinuz is no text: another reason will do
    make(tmp_path / "hostile")
    refused(*given(option), words=words, cwd=tmp_path)


def test_a_log_with_a_hole_of_terabytes(tmp_path: Path) -> None:
    with (tmp_path / "hostile").open("wb") as file:
        file.write(LOG.read_bytes())
        file.truncate(TERABYTES)
    words = "holds only zeros from byte"
    refused(*given("--segments"), words=words, cwd=tmp_path)
    refused(*given("--dmesg"), words=words, cwd=tmp_path)


@pytest.mark.parametrize("ends", [b"\r\n", b"\r\n\r\n"])
def test_line_ends_of_other_systems_are_taken(ends: bytes, tmp_path: Path) -> None:
    for name, path in (("kernel.yaml", KERNEL), ("iomem.txt", IOMEM), ("kexec.log", LOG)):
        (tmp_path / name).write_bytes(path.read_bytes().replace(b"\n", ends))
    arguments = ("kernel.yaml", "--iomem", "iomem.txt", "--segments", "kexec.log")
    found = run("analyze", *arguments, cwd=tmp_path)
    same = run("analyze", str(KERNEL), "--iomem", str(IOMEM), "--segments", str(LOG))
    assert (found.status, found.err) == (1, "")
    assert found.out.splitlines()[:4] == same.out.splitlines()[:4]


def test_a_fifo_that_somebody_writes_to_is_read() -> None:
    script = f"{shlex.join(PROGRAM)} analyze {KERNEL} --iomem <(sleep 0.5; cat {IOMEM})"
    for program in (script, script.replace("sleep 0.5; ", "")):
        done = subprocess.run(
            ["/bin/bash", "-c", program], capture_output=True, env=environment(), check=False
        )
        same = run("analyze", str(KERNEL), "--iomem", str(IOMEM))
        # The machine's memory is known, its load is not: an open question, and a warning.
        assert (done.returncode, done.stderr) == (same.status, b"") == (4, b"")
        assert re.sub(rb"/dev/fd/\d+", bytes(IOMEM), done.stdout) == same.raw


# Size alone: what is just small enough to be read.

TEXTS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "iomem above the limit": ("--iomem", lambda: b" " * (100 << 20), "larger than 16 MiB"),
    "YAML above the limit": ("KERNEL", lambda: b"a: 1\n" * (20 << 18), "too large"),
    "regions without end": (
        "--iomem",
        lambda: b"".join(
            b"%x-%x : System RAM\n" % (n << 32, (n << 32) + 9) for n in range(400_000)
        ),
        f"more than {LINES_LIMIT} lines",
    ),
    "lines without end": ("--iomem", lambda: b"\n" * (15 << 20) + b"x", "lines"),
    "a line without end": ("--iomem", lambda: b" " * ((16 << 20) - 2) + b"x\n", ":1: "),
    "addresses without end": ("--iomem", lambda: b"00000000-" * (1 << 20), ":1: "),
    "a text without end": (
        "--config", lambda: b'CONFIG_KASAN="' + b'\\"' * (7 << 20) + b'"\n', ":1:14: "
    ),
    "a name without end": ("--config", lambda: b"CONFIG_" + b"A" * (15 << 20), "is not"),
    "a bomb": ("--config", lambda: gzip_bomb(b"", 300), "above 16 MiB"),
    "a symbol without end": (
        "--symbols", lambda: b"ffffffff81000000 T _text\n" * 100_000, ":2: _text"
    ),
    "loads without end": (
        "--segments",
        lambda: b"segment[0].mem   = 0x100000\nsegment[0].mem   = 0x200000\n" * 250_000,
        f":{RELEVANT_LIMIT + 1}: ",
    ),
    "names of loads": (
        "--segments", lambda: b"# kexec -l a\n# kexec -l b\n" * 500_000, f":{COMMANDS_LIMIT + 1}: "
    ),
    "boots without end": (
        "--dmesg",
        lambda: b"".join(
            b"[    0.000000] Linux version 6.1.%d (x)\n[    0.000000] Command line: a=%d\n" % (n, n)
            for n in range(60_000)
        ),
        f":{RELEVANT_LIMIT + 1}: ",
    ),
    "commands without end": (
        "--segments",
        lambda: b"".join(
            b"# kexec -l --noefi -p --x%d -s%d vmlinuz --append=a\n" % (n, n) for n in range(60_000)
        ),
        f":{COMMANDS_LIMIT + 1}: ",
    ),
    "broken lines without end": (
        "--segments",
        lambda: b"".join(
            b"[    1.0] kexec_file: segment[0]: buf=0x0 bufsz=%#x\na\nb\nc\n" % n
            for n in range(60_000)
        ),
        "cannot be put together",
    ),
    "broken reservations without end": (
        "--dmesg",
        lambda: b"".join(
            b"[    0.0] crashkernel reserved: 0x%016x -\na\nb\nc\n" % n for n in range(60_000)
        ),
        "cannot be put together",
    ),
    "segments without end": (
        "--segments",
        lambda: b"schema: smecheck/segments-v1\nsegments:\n"
        + b"- {name: other, start: 4096, size: 1}\n" * 12_000,
        ":3:1: more than 64 segments",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_text_that_is_too_much(name: str, tmp_path: Path) -> None:
    option, make, words = TEXTS[name]
    (tmp_path / "hostile").write_bytes(make())
    refused(*given(option), words=words, cwd=tmp_path)


def test_the_most_regions_and_segments_that_are_read(tmp_path: Path) -> None:
    regions = (
        b"%x-%x : System RAM\n" % (n << 13, (n << 13) + 0xFFF) for n in range(1, LINES_LIMIT)
    )
    (tmp_path / "iomem").write_bytes(b"".join(regions))
    segments = b"schema: smecheck/segments-v1\nloader: kexec_load\nmode: load\nsegments:\n"
    segments += b"- {name: kernel, start: 0x10000000, size: 0xd41000}\n"
    segments += b"".join(
        b"- {name: other, start: %#x, size: 0x5000}\n" % (0x4000000 + n * 0x10000)
        for n in range(63)
    )
    (tmp_path / "segments").write_bytes(segments)
    arguments = (str(KERNEL), "--iomem", "iomem", "--segments", "segments")
    assert bounded("analyze", *arguments, cwd=tmp_path).status == 1


# Compressed: bounded by what the payload says of itself, and by 512 MiB.


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
    "bzip2": lambda data: bz2.compress(data, 1),
    "zstd": lambda data: zstd.compress(data, 1),
    "lz4": pack_lz4_legacy,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_in_a_vmlinuz_stops_at_output_len(name: str, tmp_path: Path) -> None:
    image = BzImage(BOMBS[name](SMALL + bytes(64 << 20)), len(SMALL)).build()
    (tmp_path / "hostile").write_bytes(image)
    refused("hostile", words="of output_len", cwd=tmp_path)


def test_a_bomb_of_the_ceiling(tmp_path: Path) -> None:
    (tmp_path / "hostile").write_bytes(gzip_bomb(SMALL, 520))
    found = bounded("analyze", "hostile", cwd=tmp_path, cpu=math.inf)
    assert (found.status, found.raw) == (3, b"")
    assert "unpacks to more than 512 MiB" in found.err


def test_a_terabyte_that_a_vmlinuz_promises(tmp_path: Path) -> None:
    image = BzImage(pack_gzip(SMALL)[:-4] + b"\xff\xff\xff\xff", None).build()
    (tmp_path / "hostile").write_bytes(image)
    refused("hostile", words="output_len at ", cwd=tmp_path)


def test_names_are_shown_not_obeyed(tmp_path: Path) -> None:
    name = "\x1b[31m.te\u202ext[/bold]\n"
    text = Section(".text", address=0xFFFFFFFF81000000, data=b"\xcc" * 64)
    hostile = Section(name, address=0xFFFFFFFF81001000, offset=1 << 60, size=64)
    elf = Elf([text, hostile], None, [Load(0xFFFFFFFF81000000, 0x1000000, 64, 64)])
    # With a type whose bytes are read: the name is in the error then.
    hostile.type = "NOTE"
    (tmp_path / "hostile").write_bytes(elf.build())
    found = run("analyze", "hostile", cwd=tmp_path)
    assert found.status == 3
    assert r"\x1b[31m.te" in found.err
    assert {character for character in found.err if not character.isprintable()} == {"\n"}
    assert len(found.err.splitlines()) == 2


TOKENS = b"".join(
    (bytes([byte]) if chr(byte).isdigit() else b"T" if byte == ord("T") else b"y" * 60) + b"\0"
    for byte in range(256)
)
"""A token table, of tokens as long as they can be."""


def token_table() -> bytes:
    index, at = b"", 0
    for token in TOKENS.split(b"\0")[:256]:
        index += struct.pack("<H", at)
        at += len(token) + 1
    return TOKENS + bytes(-len(TOKENS) % 8) + index


def early_tables(count: int) -> bytes:
    """Return the tables of a 5.10 of that many symbols, each name of them as long as can be."""
    names = b"\x03T\x80\x81" * count
    tables = struct.pack("<i", -1) * count + bytes(-4 * count % 8)
    tables += struct.pack("<QQ", 0xFFFFFFFF81000000, count) + names + bytes(-len(names) % 8)
    markers = b"".join(struct.pack("<I", 4 * at) for at in range(0, count, 256))
    return tables + markers + bytes(-len(markers) % 8) + token_table() + bytes(8)


RODATA = {
    "texts that begin no table": lambda: (
        b"".join(b"%d\0" % digit for digit in range(10)) * (3 << 20)
    ),
    "token tables alone": lambda: token_table() * 5000,
    "bases": lambda: (
        (bytes(8) + struct.pack("<QQ", 0xFFFFFFFF81000000, 700_000) + b"\xff" * 8) * 500_000
        + bytes(4 << 20)
        + token_table()
    ),
    "counts": lambda: struct.pack("<II", 200, 0x01010101) * 50_000 + bytes(8) + token_table(),
    "a million names": lambda: early_tables(1_000_000),
}


@pytest.mark.parametrize("kind", RODATA)
def test_tables_of_symbols_that_lie(kind: str, tmp_path: Path) -> None:
    elf = vmlinux(stripped=True)
    rodata = next(section for section in elf.sections if section.name == ".rodata")
    rodata.data += bytes(-len(rodata.data) % 8) + RODATA[kind]()
    (tmp_path / "hostile").write_bytes(elf.build())
    found = bounded("analyze", "hostile", "--format", "plain", cwd=tmp_path)
    assert found.status in (0, 1, 4), found.err
    is_read = b"kernel.symbols: embedded kallsyms (1000000 symbols" in found.raw
    assert is_read == (kind == "a million names")


def test_code_that_leads_in_circles_and_everywhere(tmp_path: Path) -> None:
    functions = {"sme_enable": "ebfe", "sme_encrypt_kernel": "call f0;ebf0"}
    functions |= {
        f"f{number}": f"jz f{number * 7 % 300};jz f{number * 11 % 300};call f{number + 1};ebd0"
        for number in range(300)
    }
    (tmp_path / "hostile").write_bytes(EarlyKernel(functions).build(stripped=True).build())
    found = bounded("analyze", "hostile", "--format", "plain", cwd=tmp_path)
    assert found.status in (0, 1, 4), found.err


def test_code_that_copies_memory_in_a_million_pieces(tmp_path: Path) -> None:
    """As fuzzing found: tables of garbage, and a copy through them, took 550 MiB and 15 s."""
    packed = DATA / "sme-program" / "copies-in-pieces.elf.gz"
    (tmp_path / "kernel").write_bytes(gzip.decompress(packed.read_bytes()))
    assert bounded("verify", "kernel", cwd=tmp_path, cpu=2 * CPU_LIMIT).status == 1
