"""What happens to a text on its way into a ticket, and whether all that it said is still there.

A change takes a text and gives another one. Where the words of the kernel are all there, the answer
must be the same; where some were lost, it may be undecided or refused, and never better.
"""

from __future__ import annotations

import base64
import json
import quopri
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

_STAMPED = re.compile(r"\[ *([0-9]+\.[0-9]+)\] ?(.*)")


@dataclass(frozen=True)
class Line:
    """A line of a log: when, whose, and what."""

    stamp: str
    text: str
    tag: str = "kernel"


@dataclass(frozen=True)
class Text:
    """A text on its way: the lines of a log as long as nothing else was made of them."""

    lines: tuple[Line, ...] | None
    """``None`` for a text that is no log whose every line has a stamp."""
    raw: str
    whole: bool = True
    """Whether everything that it said is still there."""
    data: bytes | None = None
    """What it was encoded to at last."""

    @classmethod
    def of(cls, raw: str) -> Text:
        rows = raw.splitlines()
        found = [_STAMPED.fullmatch(row) for row in rows if row.strip()]
        if not found or not all(found):
            return cls(None, raw)
        return cls(tuple(Line(match[1], match[2]) for match in found if match), raw)

    def with_rows(self, rows: list[str], *, whole: bool | None = None) -> Text:
        text = "\n".join(rows) + "\n"
        return replace(self, lines=None, raw=text, whole=self.whole if whole is None else whole)


# Line by line: before anything else is made of a log.

_OF_OTHERS = (
    ("sshd", "Invalid user x Hypervisor detected: KVM"),
    ("sshd", "Hypervisor detected: KVM"),
    ("logger", "Memory Encryption Features active: AMD SEV"),
    ("virtlogd", "guest7: [    0.000000] Hypervisor detected: KVM"),
    ("conserver", "vm7: [    0.120000] Memory Encryption Features active: AMD SEV SEV-ES"),
    ("virtlogd", "guest7: [    0.000000] Command line: root=/dev/vda mem_encrypt=off nokaslr"),
    ("qemu-kvm", "[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000fffffff] usable"),
    (
        "virtlogd",
        "[    0.000000] crashkernel reserved: 0x0000000001000000 - 0x0000000002000000 (16 MB)",
    ),
    ("systemd", "Started Daily apt download activities."),
    ("libvirtd", "guest7: kexec_file: nr_segments = 2"),
)


def interleave(text: Text, random: Random) -> Text:
    """Put lines of other programs, and of guests' consoles, between the lines."""
    if text.lines is None:
        rows = text.raw.splitlines()
        for _ in range(random.randint(1, 4)):
            tag, said = random.choice(_OF_OTHERS)
            at = random.randint(0, len(rows))
            rows.insert(at, f"Nov 28 01:05:00 host {tag}[{random.randint(2, 9999)}]: {said}")
        return text.with_rows(rows)
    lines = list(text.lines)
    for _ in range(random.randint(1, 6)):
        tag, said = random.choice(_OF_OTHERS)
        at = random.randint(0, len(lines))
        stamp = lines[max(0, at - 1)].stamp
        lines.insert(at, Line(stamp, said, f"{tag}[{random.randint(2, 9999)}]"))
    return replace(text, lines=tuple(lines))


def drop(text: Text, random: Random) -> Text:
    """Lose a line or a few in a row."""
    count = random.choice((1, 1, 1, 2, 3))
    if text.lines is None:
        rows = text.raw.splitlines()
        at = random.randrange(len(rows))
        return text.with_rows(rows[:at] + rows[at + count :], whole=False)
    at = random.randrange(len(text.lines))
    return replace(text, lines=text.lines[:at] + text.lines[at + count :], whole=False)


def double(text: Text, random: Random) -> Text:
    """Say a line twice."""
    if text.lines is None:
        rows = text.raw.splitlines()
        at = random.randrange(len(rows))
        return text.with_rows([*rows[: at + 1], *rows[at:]])
    at = random.randrange(len(text.lines))
    return replace(text, lines=(*text.lines[: at + 1], *text.lines[at:]))


# The ways in which programs write a log.

_DATE = "Nov 28 01:01:00"
_ISO = "2025-11-28T01:01:00.000000+01:00"
_STYLES: dict[str, Callable[[Line], str]] = {
    "dmesg": lambda one: f"[{one.stamp:>12}] {_in_ring(one)}",
    "dmesg -T": lambda one: f"[Fri Nov 28 01:01:00 2025] {_in_ring(one)}",
    "dmesg -x": lambda one: f"{_facility(one)}[{one.stamp:>12}] {_in_ring(one)}",
    "dmesg -r": lambda one: f"<{_number(one)}>[{one.stamp:>12}] {_in_ring(one)}",
    "caller": lambda one: f"[{one.stamp:>12}][    T0] {_in_ring(one)}",
    "kmsg": lambda one: f"{_number(one)},12,{one.stamp.replace('.', '')},-;{_in_ring(one)}",
    "syslog": lambda one: f"{_DATE} host {one.tag}: {one.text}",
    "imklog": lambda one: f"{_DATE} host {_stamped(one)}",
    "busybox": lambda one: (
        f"{_DATE} host {'kern' if _is_kernel(one) else 'user'}.info {_stamped(one)}"
    ),
    "iso": lambda one: f"{_ISO} host {_stamped(one)}",
    "rfc5424": lambda one: f"<{_number(one)}>1 {_ISO} host {_fields(one)} - - {one.text}",
    "monotonic": lambda one: f"[{one.stamp:>12}] host {one.tag}: {one.text}",
    "full": lambda one: f"Fri 2025-11-28 01:01:00 CET host {one.tag}: {one.text}",
    "export": lambda one: (
        f"__CURSOR=s=1\n_TRANSPORT={_transport(one)}\nSYSLOG_IDENTIFIER={_name(one)}\n"
        f"MESSAGE={one.text}\n"
    ),
    "verbose": lambda one: (
        f"Fri 2025-11-28 01:01:00.000000 CET [s=1;i=2]\n    _TRANSPORT={_transport(one)}\n"
        f"    SYSLOG_IDENTIFIER={_name(one)}\n    MESSAGE={one.text}"
    ),
    "json": lambda one: json.dumps(
        {"_TRANSPORT": _transport(one), "SYSLOG_IDENTIFIER": _name(one), "MESSAGE": one.text}
    ),
    "grep -n": lambda one: f"[{one.stamp:>12}] {_in_ring(one)}",
    "console": lambda one: f"node17| [{one.stamp:>12}] {_in_ring(one)}",
}
_RECORDS = ("export", "verbose", "json")


def _is_kernel(line: Line) -> bool:
    return line.tag == "kernel"


def _name(line: Line) -> str:
    return line.tag.partition("[")[0]


def _transport(line: Line) -> str:
    return "kernel" if _is_kernel(line) else "syslog"


def _number(line: Line) -> int:
    return 6 if _is_kernel(line) else 30


def _facility(line: Line) -> str:
    return "kern  :info  : " if _is_kernel(line) else "daemon:info  : "


def _fields(line: Line) -> str:
    return "kernel -" if _is_kernel(line) else f"{_name(line)} 99"


def _in_ring(line: Line) -> str:
    """Return what stands behind the stamp of the ring buffer, which has no tag for the kernel."""
    return line.text if _is_kernel(line) else f"{line.tag}: {line.text}"


def _stamped(line: Line) -> str:
    return (
        f"{line.tag}: [{line.stamp:>12}] {line.text}"
        if _is_kernel(line)
        else f"{line.tag}: {line.text}"
    )


def restyle(text: Text, random: Random) -> Text:
    """Have another program write the log."""
    return styled(text, random.choice(sorted(_STYLES)))


def styled(text: Text, style: str) -> Text:
    """Write the lines in one of the styles; a text that is no log is numbered at most."""
    if text.lines is None:
        if style != "grep -n":
            return text
        return text.with_rows([f"{n}:{row}" for n, row in enumerate(text.raw.splitlines(), 1)])
    rows = [_STYLES[style](line) for line in text.lines]
    if style == "grep -n":
        rows = [f"{number}:{row}" for number, row in enumerate(rows, 1)]
    return text.with_rows("\n".join(rows).split("\n"))


def bare(text: Text, random: Random) -> Text:
    """Write the messages alone, as journalctl -o cat does: whose they are is lost."""
    if text.lines is None:
        return text
    known = [line for line in text.lines if _is_kernel(line)]
    return text.with_rows([line.text for line in known])


# What mail programs, terminals and web pages do to the rows.


def wrap(text: Text, random: Random) -> Text:
    """Break rows at the last blank before a column, as mail programs do."""
    width = random.randint(60, 100)
    rows = [part for row in text.raw.split("\n") for part in _filled(row, width)]
    return text.with_rows(rows[:-1])


def _filled(row: str, width: int) -> list[str]:
    parts = []
    while len(row) > width:
        at = row.rfind(" ", 1, width + 1)
        if not row[:at].strip() or at < 0:
            at = row.find(" ", width)
        if at < 0:
            break
        parts.append(row[:at])
        row = row[at + 1 :]
    return [*parts, row]


def cut_rows(text: Text, random: Random) -> Text:
    """Break rows at a column, as a terminal does: between words and in them."""
    width = random.randint(60, 100)
    rows = [
        row[at : at + width]
        for row in text.raw.split("\n")
        for at in range(0, max(1, len(row)), width)
    ]
    return text.with_rows(rows[:-1], whole=False)


def quote(text: Text, random: Random) -> Text:
    """Quote the rows as a mail does."""
    mark = random.choice(("> ", ">", ">> ", "> > ", "> > > ", "  ", "\t"))
    return text.with_rows([f"{mark}{row}" for row in text.raw.splitlines()])


def colour(text: Text, random: Random) -> Text:
    """Colour words, as dmesg and grep do."""
    rows = [re.sub(r"(\S+)", "\x1b[32m\\1\x1b[0m", row, count=1) for row in text.raw.splitlines()]
    if random.random() < 0.5:
        rows = [row.replace("crash", "\x1b[01;31m\x1b[Kcrash\x1b[m\x1b[K") for row in rows]
    return text.with_rows(rows)


def no_break(text: Text, random: Random) -> Text:
    """Put no-break spaces for blanks, as web pages do."""
    blank = random.choice(("\xa0", "\u2007", "\u202f"))
    rows = text.raw.splitlines()
    if random.random() < 0.5:
        return text.with_rows([row.replace(" ", blank) for row in rows])
    return text.with_rows(
        [re.sub(" (?=.*)", lambda _: random.choice((" ", blank)), row) for row in rows]
    )


def carriage_returns(text: Text, random: Random) -> Text:
    """End lines as other systems do."""
    return replace(text, data=text.raw.replace("\n", "\r\n").encode())


def cut_end(text: Text, random: Random) -> Text:
    """Lose the end of the text."""
    kept = text.raw[: random.randint(len(text.raw) // 2, len(text.raw))]
    return replace(text, lines=None, raw=kept, whole=False)


# Mail as archives keep it.

_HEAD = (
    "From: a@example.org\nTo: b@example.org\nDate: Fri, 28 Nov 2025 01:01:00 +0100\n"
    "Subject: kdump\nMIME-Version: 1.0\nMessage-ID: <1@example.org>\n"
)


def quoted_printable(text: Text, random: Random) -> Text:
    """Encode a mail's text, with its head or without."""
    body = quopri.encodestring(text.raw.encode()).decode()
    if random.random() < 0.3 and "=\n" in body:
        return replace(text, data=body.encode())
    kind = (
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
    )
    return replace(text, data=(_HEAD + kind + body).encode())


def in_base64(text: Text, random: Random) -> Text:
    """Encode a mail's text as it is done for what is not ASCII."""
    kind = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    body = base64.encodebytes(text.raw.encode()).decode()
    return replace(text, data=(_HEAD + kind + body).encode())


def attached(text: Text, random: Random) -> Text:
    """Attach the text to a mail in an mbox."""
    body = base64.encodebytes(text.raw.encode()).decode()
    return replace(
        text,
        data=(
            "From a@example.org Fri Nov 28 01:01:00 2025\n"
            + _HEAD
            + 'Content-Type: multipart/mixed; boundary="x"\n\n--x\n'
            "Content-Type: text/plain\n\nHello,\n\nthis is the log.\n\n--x\n"
            "Content-Type: text/plain; name=log.txt\nContent-Transfer-Encoding: base64\n\n"
            f"{body}\n--x--\n"
        ).encode(),
    )


Change = Callable[[Text, Random], Text]
STAGES: tuple[tuple[Change, ...], ...] = (
    (interleave, drop, double),
    (restyle, restyle, restyle, bare),
    (colour,),
    (wrap, wrap, cut_rows),
    (quote,),
    (no_break,),
    (cut_end,),
    (carriage_returns, quoted_printable, in_base64, attached),
)
"""What can happen, in the order in which it does; of each stage one change at most."""


def changed(raw: str, random: Random) -> tuple[bytes, bool, list[str]]:
    """Send a text through one to four changes.

    Returns:
        What arrives, whether all that it said is still there, and what happened to it.
    """
    text = Text.of(raw)
    stages = sorted(random.sample(range(len(STAGES)), random.choice((1, 1, 2, 2, 3, 4))))
    happened = []
    for stage in stages:
        change = random.choice(STAGES[stage])
        text = _written(text) if stage > 1 else text
        text = change(text, random)
        happened.append(change.__name__)
    text = _written(text)
    whole = text.whole and not {"bare", "wrap"} <= set(happened)
    return text.data if text.data is not None else text.raw.encode(), whole, happened


def _written(text: Text) -> Text:
    return text if text.lines is None else styled(text, "dmesg")
