"""The firmware's memory map, in the forms in which people copy it."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest
from recorded import DATA

from smecheck.errors import InputError, MalformedInput, UnreadableInput, WrongKind
from smecheck.machine.firmware import UNNAMED_TYPE, E820Type, FirmwareMapKind
from smecheck.read.machine.memmap import read_memmap
from smecheck.span import Span

LOGS = DATA / "machine-logs"
BOOTS = sorted(path.name.removesuffix(".memmap.txt") for path in LOGS.glob("*.memmap.txt"))
ENTRIES = [(0, 0x9FBFF, "System RAM"), (0x9FC00, 0x9FFFF, "Reserved")] + [
    (n << 20, (n << 20) + 0xFFFFF, "System RAM") for n in range(1, 12)
]
EXPECTED = [Span(start, end + 1) for start, end, _ in ENTRIES]
# A shell lists folder 10 before folder 2.
SHELL_ORDER = sorted(range(len(ENTRIES)), key=str)
FILES = [
    (f"/sys/firmware/memmap/{n}/{file}", text)
    for n in SHELL_ORDER
    for file, text in zip(
        ("end", "start", "type"),
        (f"{ENTRIES[n][1]:#x}", f"{ENTRIES[n][0]:#x}", ENTRIES[n][2]),
        strict=True,
    )
]
FORMS = {
    "grep": "".join(f"{path}:{text}\n" for path, text in FILES),
    "grep -n": "".join(f"{path}:1:{text}\n" for path, text in FILES),
    "grep in the folder": "".join(f"{path.split('memmap/')[1]}:{text}\n" for path, text in FILES),
    "quoted": "".join(f"> {path}:{text}\n" for path, text in FILES),
    "head": "\n".join(f"==> {path} <==\n{text}\n" for path, text in FILES),
    "numbered rows": "".join(
        f"{n} {start:#x} {end:#x} {name}\n" for n, (start, end, name) in enumerate(ENTRIES)
    ),
    "rows": "".join(f"{start:#x} {end:#x} {name}\n" for start, end, name in ENTRIES),
    "dashed rows": "".join(f"{start:#x}-{end:#x} : {name}\r\n" for start, end, name in ENTRIES),
    "in a report": "# grep . /sys/firmware/memmap/*/*\n"
    + "".join(f"{path}:{text}\n" for path, text in FILES)
    + "\n#==[ Command ]=====#\n# /bin/uname -a\n",
}


def write(folder: Path, text: str) -> str:
    path = folder / "memmap.txt"
    path.write_text(text, newline="")
    return str(path)


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, tmp_path: Path) -> None:
    found = read_memmap(write(tmp_path, FORMS[form]))
    assert found.kind is FirmwareMapKind.SYSFS
    assert [entry.span for entry in found.ranges] == EXPECTED
    assert all(":" in entry.where for entry in found.ranges)


def test_the_folder_itself(tmp_path: Path) -> None:
    for path, text in FILES:
        file = tmp_path / path.split("memmap/")[1]
        file.parent.mkdir(exist_ok=True)
        file.write_text(text + "\n")
    found = read_memmap(str(tmp_path))
    assert [entry.span for entry in found.ranges] == EXPECTED
    assert found.ranges[1].where == f"{tmp_path}/1"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("System RAM", E820Type.RAM),
        ("Reserved", E820Type.RESERVED),
        ("reserved", E820Type.RESERVED),
        ("ACPI Tables", E820Type.ACPI),
        ("ACPI Non-volatile Storage", E820Type.NVS),
        ("Unusable memory", E820Type.UNUSABLE),
        ("Persistent Memory (legacy)", E820Type.PRAM),
        ("Persistent Memory", E820Type.PMEM),
        ("Soft Reserved", E820Type.SOFT_RESERVED),
        ("Unknown E820 type", UNNAMED_TYPE),
    ],
)
def test_types(name: str, number: int, tmp_path: Path) -> None:
    (entry,) = read_memmap(write(tmp_path, f"0 0x0 0xfff {name}\n")).ranges
    assert entry.type == number


@pytest.mark.parametrize("boot", BOOTS)
def test_a_log_tells_the_same_map(boot: str) -> None:
    listed = read_memmap(str(LOGS / f"{boot}.memmap.txt"))
    logged = read_memmap(str(LOGS / f"{boot}.dmesg.txt"))
    assert logged.kind is FirmwareMapKind.E820_LOG
    assert [(e.span, e.type) for e in logged.ranges] == [(e.span, e.type) for e in listed.ranges]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", UnreadableInput, "is empty"),
        ("call the vendor\n", WrongKind, "holds no firmware map"),
        ("00100000-7ffdffff : System RAM\n", WrongKind, "is an iomem dump, and holds no firmware"),
        ("[    0.0] Linux version 6.1.0\n", WrongKind, "is a kernel log, and holds no firmware"),
        ("/sys/firmware/memmap/0/start:0x0\n", MalformedInput, "entry 0 has no end"),
        ("0/start:0x0\n0/start:0x1000\n", MalformedInput, "two listings in one file"),
        ("0 0x2000 0xfff Reserved\n", MalformedInput, "ends before it starts"),
        ("0 0x0 0xfff Reserved\n1 0x1000 0x2", MalformedInput, "not a complete entry"),
        ("0/start:0x0\n0/end:4095\n0/type:Reserved\n", MalformedInput, "is broken"),
    ],
)
def test_what_is_no_map(text: str, error: type[InputError], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message) as caught:
        read_memmap(write(tmp_path, text))
    assert caught.value.help_text


@pytest.mark.parametrize("by_stub", [False, True])
@pytest.mark.parametrize("in_base64", [False, True])
def test_boot_params(in_base64: bool, by_stub: bool, tmp_path: Path) -> None:
    data = bytearray(4096)
    if by_stub:  # as in guests that OVMF booted: no header, an EFI signature, type_of_loader
        data[0x1C0:0x1C4], data[0x210] = b"EL64", 0x21
    else:
        data[0x202:0x206] = b"HdrS"
    data[0x1E8] = 2
    struct.pack_into("<QQIQQI", data, 0x2D0, 0, 0x9FC00, 1, 0x100000, 0x7FEE0000, 1)
    path = tmp_path / "data"
    path.write_bytes(base64.encodebytes(data) if in_base64 else data)
    found = read_memmap(str(path))
    assert found.kind is FirmwareMapKind.BOOT_PARAMS
    assert [entry.span for entry in found.ranges] == [Span(0, 0x9FC00), Span(0x100000, 0x7FFE0000)]


def test_another_folder(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="is a directory, and not that of a firmware map"):
        read_memmap(str(tmp_path))


def test_a_listing_without_end_is_refused(tmp_path: Path) -> None:
    text = "".join(f"{n} {n << 12:#x} {(n << 12) + 0xFFF:#x} Reserved\n" for n in range(4097))
    with pytest.raises(MalformedInput, match="more than 4096 entries"):
        read_memmap(write(tmp_path, text))
