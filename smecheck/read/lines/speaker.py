"""What stands before a message in a log, and whose message that makes it.

Only what the kernel says itself is evidence of the machine: a line with another program's tag, or a
guest's console inside its host's log, says nothing of it.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple


class Speaker(Enum):
    """Who wrote a line."""

    KERNEL = "kernel"
    PROGRAM = "program"
    """The line has a program's tag, or the facility of one."""
    HYPERVISOR = "hypervisor"
    """Xen, on the console that it shares with its first domain."""
    UNTAGGED = "untagged"
    """The line has no tag: a message as it was pasted, or after a date alone."""


class Prefix(NamedTuple):
    """What stands before a message."""

    end: int
    """Where the message begins."""
    speaker: Speaker
    tag: str = ""
    """Of a program: its name."""
    host: str = ""


# Of any language: journalctl and dmesg -T write the locale's (%b, %a), glibc's localedata/locales:
# "Okt", "févr.", "11月". For texts as for bytes, of which those above ASCII are parts of letters.
_LETTER = r"[^\x00-@\[-`{-\x7f]"
_MONTH = rf"(?:1?[0-9])?{_LETTER}{{1,18}}\.?"
_DAY = rf"{_LETTER}{{1,12}}\.?"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?"
_DATE = (
    rf"(?:{_MONTH} {{1,2}}[0-9]{{1,2}} (?:[0-9]{{4}} )?{_TIME}"  # syslog
    rf"|{_DAY} {_MONTH} {{1,2}}[0-9]{{1,2}} {_TIME}(?: [A-Z]{{3,4}})? [0-9]{{4}}"  # logread
    rf"|(?:{_DAY} )?[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_TIME}"  # ISO, journalctl
    r"(?:Z| ?[+-][0-9]{2}:?[0-9]{2}| [A-Z]{3,5})?"
    r"|[0-9]{9,10}\.[0-9]{3,6}(?= ))"  # journalctl -o short-unix
)
# printk.time, dmesg -d, dmesg -T, dmesg -e.
_RING = (
    r"\[ {0,12}[0-9]{1,10}\.[0-9]{1,9}(?: {0,2}<? {0,12}[0-9]{1,10}\.[0-9]{1,9} ?>?)?\]"
    rf"|\[{_DAY} {_MONTH} {{1,2}}[0-9]{{1,2}} {_TIME} [0-9]{{4}}\]"
    rf"|\[{_MONTH} ?[0-9]{{1,2}} [0-9]{{2}}:[0-9]{{2}}\]"
    r"|\[ {0,12}\+[0-9]{1,10}\.[0-9]{1,9}\]"
)
_FACILITY = (
    r"(?:kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local[0-7]) *"
    r":(?:emerg|alert|crit|err|warn|notice|info|debug) *:"  # dmesg -x
)
_KMSG = r"[0-9]{1,4},[0-9]{1,20},[0-9]{1,20},[-c+](?:,[^;\n]{0,80})?;"  # /dev/kmsg, netconsole
_PRIORITY = r"<[0-9]{1,3}>(?:1 (?=[0-9]{4}-))?"
_XEN = r"\((?:XEN|d[0-9]{1,5}(?:v[0-9]{1,4})?)\) ?"
# kexec -d says "kernel: 0x… kernel_size: …" and "segment[0].mem = …".
_OWN_TAG = r"(?:[^\s:]{1,64} )?kernel(?:\[[0-]\])?: (?!0x)"
_PROGRAM_TAG = r"(?:[^\s:\[\]]{1,64} )?(?!segment\[)[\w.@/()+-]{1,48}\[[0-9]{1,9}\]: "

OUTER = rf"(?:{_PRIORITY}|{_KMSG}|{_FACILITY}|{_XEN}|\[?{_DATE}|{_OWN_TAG}|{_PROGRAM_TAG})"
"""How a line begins in a log that was written by more than a kernel, as a regular expression."""
RING = f"(?:{_RING})"
"""How a line of the kernel's own ring buffer begins."""

KERNEL_TAG = re.compile(
    rb"<[0-7]>|[0-7],[0-9]+,|kern *:|[^\n]{0,300}?\bkernel(?:\[[0-]\]|(?= -))?(?::| - - )"
)
"""What shows that a line which begins as :data:`OUTER` does may be the kernel's."""

_GAP = re.compile(r"[ \t]*")
_PRIORITY_HERE = re.compile(r"<([0-9]{1,3})>(?:1 (?=[0-9]{4}-))?")
_KMSG_HERE = re.compile(rf"(?=([0-9]{{1,4}})){_KMSG}")
_FACILITY_HERE = re.compile(rf"(?=([a-z0-7]+)){_FACILITY}")
_XEN_HERE = re.compile(_XEN)
_RING_HERE = re.compile(rf"(?:{_RING})(?: ?\[ {{0,8}}[TC][0-9]{{1,9}}\])?")  # CONFIG_PRINTK_CALLER
_DATE_HERE = re.compile(rf"(\[?){_DATE}\]?")
_STAMPED_HERE = re.compile(
    rf"(?:{_MONTH} {{1,2}}[0-9]{{1,2}} {_TIME} (?P<host>[^\s\[\]:]{{1,253}}) kernel: )?"
    r"\[ {0,12}[0-9]{1,10}\.[0-9]{6}\] "
)
_TAG_HERE = re.compile(
    r"(?:(?P<host>[^\s\[\]]{1,253}) )??"
    r"(?:[a-z0-7]{3,8}\.[a-z]{3,7} )?"  # busybox: kern.info
    r"(?P<tag>[\w.@/()+-]{1,48})(?:\[(?P<pid>[0-9-]{1,9})\])?:(?= |$)"
)
_RFC5424_HERE = re.compile(
    r"(?P<host>\S{1,255}) (?P<tag>\S{1,48}) (?P<pid>\S{1,128}) \S{1,32} "
    r"(?:-|(?:\[[^\]]*\])+)(?= |$)"
)
_TAG_AFTER_RING = re.compile(
    r"(?:(?P<host>[^\s:\[\]]{1,253}) )?"
    r"(?:(?P<kernel>kernel)(?:\[[0-]\])?:(?= |$)|(?P<tag>[\w.@/()+-]{1,48})\[[0-9]{1,9}\]:(?= |$))"
)
_HOST_BEFORE_RING = re.compile(rf"(?P<host>[^\s:\[\]]{{1,253}}) (?={_RING})")
_KERNEL = 0
"""Of syslog's facilities; a number before a message is the facility times 8, plus the level."""


def prefix_of(text: str, begins: re.Pattern[str]) -> Prefix:
    """Say what stands before the message of a line.

    Args:
        text: the line, without the marks of a mail.
        begins: how a message may begin that a reader knows. What looks like a tag may be that.
    """
    stamped = _STAMPED_HERE.match(text)
    if stamped is not None and begins.match(text, stamped.end()):  # as most lines are
        return Prefix(stamped.end(), Speaker.KERNEL, "", stamped["host"] or "")
    found = _after_facility(text, begins)
    if found.speaker is Speaker.PROGRAM or begins.match(text, found.end):
        return found
    found = _after_date(text, found, begins)
    if found.speaker is Speaker.PROGRAM:
        return found
    if xen := _XEN_HERE.match(text, found.end):
        return Prefix(xen.end(), Speaker.HYPERVISOR, "", found.host)
    found = _after_ring(text, found)
    tag = None if begins.match(text, found.end) else _TAG_AFTER_RING.match(text, found.end)
    if tag is None:
        return found
    host, end = found.host or tag["host"] or "", _skip(text, tag.end())
    if tag["tag"]:
        return Prefix(end, Speaker.PROGRAM, tag["tag"], host)
    return _after_ring(text, Prefix(end, Speaker.KERNEL, "", host))


def _after_facility(text: str, begins: re.Pattern[str]) -> Prefix:
    """Pass over the number or the name of syslog's facilities, which says whose the message is."""
    at, speaker = _skip(text, 0), Speaker.UNTAGGED
    while not begins.match(text, at):
        found = (
            _PRIORITY_HERE.match(text, at)
            or _KMSG_HERE.match(text, at)
            or _FACILITY_HERE.match(text, at)
        )
        if found is None:
            break
        at = _skip(text, found.end())
        if _facility(found[1]) != _KERNEL:
            return Prefix(at, Speaker.PROGRAM, found[1])
        speaker = Speaker.KERNEL
    return Prefix(at, speaker)


def _after_date(text: str, before: Prefix, begins: re.Pattern[str]) -> Prefix:
    """Pass over a date, a host and a tag."""
    dated = _DATE_HERE.match(text, before.end)
    if dated is None:
        return before
    at = _skip(text, dated.end())
    if begins.match(text, at) or _RING_HERE.match(text, at):
        return before._replace(end=at)
    if found := _HOST_BEFORE_RING.match(text, at):
        return before._replace(end=found.end(), host=found["host"])
    found = _TAG_HERE.match(text, at) or _RFC5424_HERE.match(text, at)
    if found is None:
        return before._replace(end=at)
    at, host = _skip(text, found.end()), found["host"] or ""
    # A program that gives itself the kernel's name has a process number.
    if found["tag"] == "kernel" and found["pid"] in (None, "-", "0"):
        return Prefix(at, Speaker.KERNEL, "", host)
    return Prefix(at, Speaker.PROGRAM, found["tag"], host)


def _after_ring(text: str, before: Prefix) -> Prefix:
    """Pass over the stamps of the ring buffer: what has one was in it."""
    at, speaker = before.end, before.speaker
    while found := _RING_HERE.match(text, at):
        at, speaker = _skip(text, found.end()), Speaker.KERNEL
    return Prefix(at, speaker, before.tag, before.host)


def _skip(text: str, at: int) -> int:
    """Pass over blanks."""
    found = _GAP.match(text, at)
    return at if found is None else found.end()


def _facility(word: str) -> int:
    """Return the facility that a number, or a name of dmesg -x, stands for."""
    if word.isdecimal():
        return int(word) >> 3
    return _KERNEL if word == "kern" else 1
