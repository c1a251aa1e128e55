"""Dumps: what their notes say of the kernel that crashed, in each of three forms."""

from __future__ import annotations

import io
import struct

import pytest
from recorded import DATA

from smecheck.errors import InputError
from smecheck.evidence import Known, Unknown, value_of
from smecheck.machine.vmcore import VmcoreNotes
from smecheck.read.archive.vmcore_notes import is_vmcore, read_vmcore_notes

ELF = DATA / "vmcores" / "k61-2g-ovmf-kaslr-crash-s-biginitrd.head"
OTHER = DATA / "vmcores" / "mix-k510cloud-to-k73cloud-2g-bios-kaslr-crash-s.head"
INFO = (
    b"OSRELEASE=6.1.0-56-amd64\nBUILD-ID=EB4FBCD0\nSYMBOL(_stext)=ffffffffb5000000\n"
    b"NUMBER(phys_base)=-16777216\nKERNELOFFSET=34000000\nNUMBER(sme_mask)=140737488355328\n"
)


def notes(data: bytes) -> VmcoreNotes:
    assert is_vmcore(data[:64])
    return read_vmcore_notes(io.BytesIO(data), "vmcore")


def compressed(info: bytes = INFO, version: int = 6, block: int = 4096, at: int = 0) -> bytes:
    """Return the headers of makedumpfile's compressed format."""
    header = bytearray(block if block > 0 else 512)
    header[0:12] = b"KDUMP   " + struct.pack("<i", version)
    header[142:161] = b"6.1.0-56-amd64".ljust(19, b"\0")
    struct.pack_into("<i", header, 428, block)
    sub = bytearray(block if block > 0 else 512)
    struct.pack_into("<qQ", sub, 32, at or 2 * block, len(info))
    return bytes(header + sub) + info + bytes(100)


def flattened(data: bytes, piece: int = 1000) -> bytes:
    """Return a dump as it goes through a pipe, its pieces in no order."""
    pieces = [(at, data[at : at + piece]) for at in range(0, len(data), piece)][::-1]
    body = b"".join(struct.pack(">qq", at, len(part)) + part for at, part in pieces)
    head = b"makedumpfile\0\0\0\0" + struct.pack(">qq", 1, 1)
    return head.ljust(4096, b"\0") + body + struct.pack(">qq", -1, -1)


def test_proc_vmcore_of_a_guest() -> None:
    said = notes(ELF.read_bytes())
    assert value_of(said.release) == "6.1.0-56-amd64"
    assert value_of(said.sme_mask) == 0
    # "Kernel code" began there in the crashed kernel's /proc/iomem.
    assert value_of(said.text) == 0x2A00000


def test_another_kernel_than_the_one_that_dumps() -> None:
    said = notes(OTHER.read_bytes())
    assert value_of(said.release) == "5.10.0-32-cloud-amd64"
    assert value_of(said.text) == 0x51200000


@pytest.mark.parametrize("data", [compressed(), flattened(compressed())], ids=["whole", "flat"])
def test_makedumpfiles_formats(data: bytes) -> None:
    said = notes(data)
    assert said.sme_mask == Known(1 << 47, "vmcore: vmcoreinfo NUMBER(sme_mask)")
    assert value_of(said.text) == 0x34000000


def test_an_old_header_says_the_release_alone() -> None:
    said = notes(compressed(version=2))
    assert said.release == Known("6.1.0-56-amd64", "vmcore: header")
    assert isinstance(said.sme_mask, Unknown)
    assert isinstance(said.text, Unknown)


@pytest.mark.parametrize("at", [-1, 1 << 62, 5 << 20])
def test_notes_that_lie_elsewhere(at: int) -> None:
    assert isinstance(notes(compressed(at=at)).sme_mask, Unknown)


@pytest.mark.parametrize("data", [compressed(block=-5), b"KDUMP   ", compressed(block=1 << 20)])
def test_a_damaged_header(data: bytes) -> None:
    with pytest.raises(InputError):
        notes(data)


def test_a_value_that_is_not_one() -> None:
    broken = INFO.replace(b"-16777216", b"x")
    said = notes(compressed(broken))
    assert isinstance(said.text, Unknown)


def test_a_vmlinux_is_no_dump() -> None:
    assert not is_vmcore(b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack("<HH", 2, 62))
    assert not is_vmcore(b"plain text")
