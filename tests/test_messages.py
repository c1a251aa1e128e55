"""What any reader of lines is fed with: whose a line is, where it goes on, whether it is whole."""

from __future__ import annotations

import base64
import json
import quopri
import textwrap

import pytest

from smecheck.errors import WrongKind
from smecheck.evidence import Unknown, value_of
from smecheck.machine.kernel_log import LoggedBoot
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.source import NamedStream

CMDLINE = "root=/dev/sda1 ro mem_encrypt=on crashkernel=256M console=ttyS0,115200 quiet"
MAP = (
    "BIOS-provided physical RAM map:",
    "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
    "BIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff] usable",
)
ROWS = (
    "Linux version 6.1.0-13-amd64 (x@y) (gcc) #1 SMP",
    f"Command line: {CMDLINE}",
    *MAP,
    "crashkernel reserved: 0x0000000060000000 - 0x0000000070000000 (256 MB)",
)
STAMPED = [f"[    0.000000] {row}" for row in ROWS]
SYSLOG = [f"Nov 28 01:05:00 host kernel: {row}" for row in STAMPED]


def boot(rows: list[str] | bytes) -> LoggedBoot:
    data = rows if isinstance(rows, bytes) else "\n".join(rows).encode() + b"\n"
    return read_dmesg(NamedStream.of("log", data)).boot


def told(rows: list[str] | bytes) -> tuple[object, ...]:
    """Return what a log tells, without where it tells it."""
    found = boot(rows)
    assert found.firmware_map is not None
    return (
        value_of(found.release),
        value_of(found.cmdline),
        [(entry.span, entry.type) for entry in found.firmware_map.ranges],
        [reservation.span for reservation in found.crash_reservations],
        bool(found.broken or found.broken_reservation),
    )


WHOLE = told(STAMPED)


def wrapped(rows: list[str], width: int) -> list[str]:
    """Wrap lines as a mail program does: at blanks."""
    return [part for row in rows for part in textwrap.wrap(row, width)]


def cut(rows: list[str], width: int) -> list[str]:
    """Wrap lines as a terminal does: wherever its last column is."""
    return [row[at : at + width] for row in rows for at in range(0, len(row), width)]


@pytest.mark.parametrize("width", [60, 72, 80, 100])
@pytest.mark.parametrize("rows", [STAMPED, SYSLOG], ids=["stamped", "syslog"])
def test_a_log_is_the_same_however_wide_it_was_pasted(rows: list[str], width: int) -> None:
    assert told(wrapped(rows, width)) == WHOLE
    found = boot(cut(rows, width))
    assert told(cut(rows, width))[2:] == WHOLE[2:]
    # Whether a break in a word that no answer hangs on was a blank does not matter.
    words = (value_of(found.cmdline) or "").split()
    assert "".join(words) == "".join(CMDLINE.split())
    assert {"mem_encrypt=on", "crashkernel=256M"} <= set(words)


@pytest.mark.parametrize("marks", ["> ", ">> ", "> > > ", "| ", "\u00a0", "    "])
def test_the_marks_of_a_quotation_are_no_part_of_it(marks: str) -> None:
    assert told([marks + row for row in wrapped(STAMPED, 76)]) == WHOLE


def test_a_line_that_lost_its_rest_is_named_and_tells_nothing() -> None:
    rows = [*STAMPED[:-1], STAMPED[-1][:60]]
    found = boot(rows)
    assert found.broken_reservation is not None
    assert found.broken_reservation.where == f"log:{len(rows)}"


def test_the_low_part_does_not_replace_a_broken_reservation() -> None:
    low = "[    0.000000] crashkernel low memory reserved: 0x10000000 - 0x20000000 (256 MB)"
    assert boot([*STAMPED[:-1], low, STAMPED[-1][:60]]).broken_reservation is not None


def test_a_command_line_that_printk_cut_is_not_known() -> None:
    long = "[    0.000000] Command line: root=/dev/sda1 " + "a=bcdefgh " * 120
    found = boot([STAMPED[0], long[: len("[    0.000000] ") + 972]])
    assert isinstance(found.cmdline, Unknown)
    assert "cut" in found.cmdline.reason


SAID_BY_OTHERS = (
    "Hypervisor detected: KVM",
    "Command line: mem_encrypt=off",
    "crashkernel reserved: 0x0000000010000000 - 0x0000000020000000 (256 MB)",
    "Booting Linux on physical CPU 0x0",
)


@pytest.mark.parametrize("said", SAID_BY_OTHERS)
@pytest.mark.parametrize("tag", ["sshd[99]", "logger", "vm7", "qemu-kvm[7]", "user@host"])
def test_what_other_programs_say_is_evidence_of_nothing(tag: str, said: str) -> None:
    for stamp in ("", "[    0.000000] "):
        line = f"Nov 28 01:05:00 host {tag}: {stamp}{said}"
        assert told([*SYSLOG, line]) == WHOLE
        assert boot([*SYSLOG, line]).hypervisor is None


def exported(rows: list[tuple[str, str]]) -> bytes:
    return b"".join(
        f"__CURSOR=s=1;i={at}\n_TRANSPORT={transport}\nMESSAGE={text}\n\n".encode()
        for at, (transport, text) in enumerate(rows)
    )


def verbose(rows: list[tuple[str, str]]) -> bytes:
    return b"".join(
        f"Sat 2026-11-28 01:05:00.{at:06} UTC [s=1;i={at};b=2]\n"
        f"    _TRANSPORT={transport}\n    MESSAGE={text}\n".encode()
        for at, (transport, text) in enumerate(rows)
    )


def in_json(rows: list[tuple[str, str]]) -> bytes:
    return b"".join(
        json.dumps({"_TRANSPORT": transport, "MESSAGE": text}).encode() + b"\n"
        for transport, text in rows
    )


@pytest.mark.parametrize("journal", [exported, verbose, in_json])
def test_of_a_journal_only_the_kernels_messages_count(journal: object) -> None:
    rows = [("kernel", row) for row in ROWS] + [("stdout", said) for said in SAID_BY_OTHERS]
    assert callable(journal)
    assert told(journal(rows)) == WHOLE
    assert boot(journal(rows)).hypervisor is None


def mail(encoding: str, body: bytes) -> bytes:
    head = (
        f"From: a@b\nDate: Sat, 28 Nov 2026 01:05:00 +0000\nMIME-Version: 1.0\n"
        f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n"
    )
    return head.encode() + body


def test_mail_is_decoded() -> None:
    body = "\n".join(STAMPED).encode() + b"\n"
    assert told(mail("quoted-printable", quopri.encodestring(body))) == WHOLE
    assert told(mail("base64", base64.encodebytes(body))) == WHOLE
    assert told(quopri.encodestring(body)) == WHOLE
    assert told(body.replace(b"=", b"=3D")) == WHOLE
    log = read_dmesg(NamedStream.of("log", mail("quoted-printable", quopri.encodestring(body))))
    assert any("quoted-printable mail" in remark for remark in log.remarks)


FOREIGN = {
    "before v3.5": ["[    0.000000]  BIOS-e820: 0000000000000000 - 000000000009f000 (usable)"],
    "32-bit": [STAMPED[0], "[    0.000000] 887MB LOWMEM available.", *STAMPED[2:]],
    "32-bit kernel": [STAMPED[0].replace("13-amd64", "13-686-pae"), *STAMPED[1:]],
    "Arm kernel": ["[    0.000000] Booting Linux on physical CPU 0x0", *STAMPED],
    "an Arm": [STAMPED[0].replace("amd64", "arm64"), *STAMPED[1:]],
    "Xen": ["(XEN) Xen version 4.17.2 (a@b) (gcc)", "(XEN) EFI RAM map:"],
}


@pytest.mark.parametrize("cause", FOREIGN)
def test_a_log_of_what_has_no_sme_is_refused_by_name(cause: str) -> None:
    with pytest.raises(WrongKind, match=cause):
        boot(FOREIGN[cause])
