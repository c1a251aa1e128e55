"""Lines of a log by which a failure of a crash kernel is known, and who wrote them.

They are what people see of a crash kernel that failed after it had come up, or of a load that was
refused; the table says which line stands for what.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from smecheck.read.archive.kdump_settings import failure_of, state_of
from smecheck.read.kinds import BANNER_LINE
from smecheck.read.log.decompressor_lines import KASLR, STEP
from smecheck.record import record, replace
from smecheck.support_case.triage_report import FactName, SeenSign, Sign, TriageFact

_SIGNS: tuple[tuple[Sign, bytes, tuple[bytes, ...]], ...] = (
    (
        Sign.OUT_OF_MEMORY,
        rb"invoked oom-killer|Out of memory(?: and no killable|: Kill)",
        (b"oom-killer", b"Out of memory"),
    ),
    (
        Sign.OUT_OF_MEMORY,
        rb"Kernel panic - not syncing: (?:System is deadlocked on|Out of) memory",
        (b"Kernel panic",),
    ),
    (
        Sign.INITRAMFS,
        rb"Initramfs unpacking failed|junk (?:in|within) compressed archive",
        (b"nitramfs unpacking", b"compressed archive"),
    ),
    (Sign.INITRAMFS, rb"rootfs image is not initramfs", (b"not initramfs",)),
    (Sign.NO_ROOT, rb"VFS: (?:Unable to mount root|Cannot open root device)", (b"VFS: ",)),
    (Sign.INIT_KILLED, rb"Attempted to kill init! exitcode=", (b"kill init",)),
    (
        Sign.GARBAGE_POINTER,
        rb"general protection fault, (?:probably|maybe) for .{0,16}address",
        (b"general protection fault",),
    ),
    (
        Sign.UNPACKED,
        f"{STEP.begins.pattern}|{KASLR.begins.pattern}".encode(),
        (b"ooting the kernel", b"Decompressing Linux", b"KASLR disabled"),
    ),
    (
        Sign.DUMP_TARGET,
        rb"saving vmcore failed|dump target .{0,60}(?:failed|not)",
        (b"vmcore", b"dump target"),
    ),
    (
        Sign.DUMP_TARGET,
        rb"(?:kdump|dracut).{0,20}: .{0,20}(?:[Ff]ailed to mount|mount:|ssh: )",
        (b"kdump", b"dracut"),
    ),
    (
        Sign.DUMP_TARGET,
        rb"No space left on device|Entering emergency mode",
        (b"No space left on device", b"emergency mode"),
    ),
    (
        Sign.DUMP_SAVED,
        rb"saving vmcore complete|makedumpfile Completed",
        (b"vmcore", b"makedumpfile"),
    ),
    (
        Sign.CORRUPT_DUMP,
        rb"invalid freepointer|page excluded: kernel virtual address",
        (b"freepointer", b"page excluded"),
    ),
    (Sign.PURGATORY, rb"sha256 digests do not match", (b"sha256 digests",)),
    (
        Sign.CRASHED,
        rb"sysrq: Trigger a crash|Kernel panic - not syncing: ",
        (b"Trigger a crash", b"Kernel panic"),
    ),
    (Sign.LATE_ESRT, rb"esrt: Unsupported ESRT version [0-9]{6,}", (b"esrt: ",)),
)
"""What a line of each holds, and texts of which every such line holds one."""
_COMPILED = tuple((sign, re.compile(pattern)) for sign, pattern, _ in _SIGNS)
_EARLY_OOM = re.compile(rb"\bswapper/[0-9]+ invoked oom-killer")
"""Out of memory before there is any process: in a crash kernel, and nowhere else."""
_VERSION = re.compile(BANNER_LINE.encode())
_LAST_WORDS = (Sign.NO_ROOT, Sign.INIT_KILLED)
_BEFORE_A_KERNEL = (Sign.UNPACKED, Sign.PURGATORY)
"""Signs that are written before the kernel that is booted writes its first line."""
_SNP_HOST = re.compile(rb"SEV-SNP: RMP table physical|SEV-SNP (?:API|enabled|supported)|SNP: RMP")
_SNP_GUEST = re.compile(rb"Memory Encryption Features active:")
_OFFLINED = re.compile(rb"Offlined [Pp]ages [0-9]+|memory .{0,40}hot-?remove|offlining memory")
_LOADED = re.compile(rb"\bComm: \S{1,16} Kdump: loaded\b")
"""lib/dump_stack.c, dump_stack_print_info(): what every oops says of the crash kernel."""
_OF_KDUMP = re.compile(rb"[Kk]dump|kexec|crash kernel")
_CRASH_CMDLINE = re.compile(rb"\belfcorehdr=(?:0x)?[0-9a-fA-F]")
_BANNER, _CMDLINE = b"Linux version ", b"ommand line: "
_FACTS = (
    (_SNP_HOST, (b"SEV-SNP", b"SNP: RMP")),
    (_OFFLINED, (b"fflin", b"hot-remove", b"hotremove")),
    (_LOADED, (b"Kdump",)),
    (_OF_KDUMP, (b"Kdump", b"kdump", b"kexec", b"crash kernel")),
)
"""What else a line is looked at for, and texts of which every such line holds one."""
_NEEDLES = tuple(
    dict.fromkeys(
        needle
        for needles in (
            *(row[2] for row in _SIGNS),
            *(row[1] for row in _FACTS),
            (_BANNER, _CMDLINE),
        )
        for needle in needles
    )
)
"""Texts of which every line that matters here holds one. They are sought one after the other in
all of a log, which takes a twentieth of the time that one pattern for all of them takes."""
JOURNAL_NEEDLES = tuple(
    dict.fromkeys((b" kernel: ", *(needle for _, needles in _FACTS for needle in needles)))
)
"""Texts of which every line of a journal holds one that matters to any reader of it: what else a
running system logs says nothing of a crash kernel."""
_HITS_LIMIT = 5000
"""Places of one text in one log."""

_SIGNS_LIMIT = 20
"""Lines of one log that are kept for one sign."""
_TEXT_LIMIT = 300
_LINE_LIMIT = 8 << 10


@record
class LogSigns:
    """What the lines of a log show."""

    signs: tuple[SeenSign, ...]
    facts: tuple[TriageFact, ...]
    crash_kernel_began: bool
    """Whether a line of it shows that a crash kernel began to write."""


def log_signs(
    rows: Iterable[tuple[int, bytes]],
    member: str,
    *,
    is_crash_log: bool = False,
    is_console: bool = False,
) -> LogSigns:
    """Read the lines of a log.

    Args:
        rows: its lines, numbered; those that matter are enough.
        member: what the facts are from.
        is_crash_log: whether a crash kernel wrote all of it.
        is_console: whether it may end where a kernel died.
    """
    reader = _Reader(member, of_crash_kernel=is_crash_log)
    for number, line in rows:
        reader.feed(number, line)
    signs = _of_the_last_kernel(reader) if is_console else reader.signs
    return LogSigns(tuple(signs), tuple(reader.facts), reader.has_begun)


def _of_the_last_kernel(reader: _Reader) -> list[SeenSign]:
    """Take what a console ends with for the words of the kernel that was booted.

    A kernel that has no root or no init does not write a log that somebody could collect.
    """
    has_died = any(seen.sign in _LAST_WORDS for seen in reader.signs)
    return [
        replace(seen, of_crash_kernel=True)
        if (has_died and seen.sign in (*_LAST_WORDS, Sign.INITRAMFS))
        or (seen.sign in _BEFORE_A_KERNEL and seen.line > reader.last_begin)
        else seen
        for seen in reader.signs
    ]


class _Reader:
    def __init__(self, member: str, *, of_crash_kernel: bool) -> None:
        self.signs: list[SeenSign] = []
        self.facts: list[TriageFact] = []
        self.has_begun = False
        self.last_begin = 0
        """The last line by which a kernel shows that it has come up."""
        self._member = member
        self._is_all_of_crash_kernel = of_crash_kernel
        self._of_crash_kernel = of_crash_kernel
        self._has_crashed = False
        """Whether the lines are those between a crash and the next kernel's first ones."""
        self._counts: dict[object, int] = {}

    def feed(self, number: int, line: bytes) -> None:
        if _VERSION.search(line):
            self.last_begin = number
        if _CMDLINE in line:
            self._has_crashed = False
            is_crash = self._is_all_of_crash_kernel or _CRASH_CMDLINE.search(line) is not None
            self._of_crash_kernel = is_crash
            if is_crash:
                self.has_begun = True
                self._fact(FactName.SECOND_KERNEL, number, line)
        for sign, pattern in _COMPILED:
            if pattern.search(line):
                self._sign(sign, number, line)
                break
        if _SNP_HOST.search(line) and not _SNP_GUEST.search(line):
            self._fact(FactName.SNP_HOST, number, line)
        elif _OFFLINED.search(line):
            self._fact(FactName.MEMORY_OFFLINE, number, line)
        elif _LOADED.search(line):
            self._add(FactName.LOADED_AT_CRASH, "Kdump: loaded", number)
        elif _OF_KDUMP.search(line):
            self._on_kdump(number, line)

    def _on_kdump(self, number: int, line: bytes) -> None:
        text = _text(line)
        if failure := failure_of(text):
            self._add(FactName.LOAD_FAILED, failure, number)
        elif state := state_of(text):
            self._add(FactName.KDUMP_STATE, state, number)

    def _sign(self, sign: Sign, number: int, line: bytes) -> None:
        of_crash_kernel = self._of_crash_kernel or _EARLY_OOM.search(line) is not None
        if sign in _BEFORE_A_KERNEL:
            of_crash_kernel = of_crash_kernel or self._has_crashed
        elif sign is Sign.CRASHED or b"Kernel panic - " in line:
            self._has_crashed = not of_crash_kernel
        if self._is_one_more(sign):
            self.signs.append(SeenSign(sign, _text(line), self._member, number, of_crash_kernel))

    def _fact(self, name: FactName, number: int, line: bytes) -> None:
        self._add(name, _text(line), number)

    def _add(self, name: FactName, value: str, number: int) -> None:
        if self._is_one_more(name):
            self.facts.append(TriageFact(name, value, self._member, number))

    def _is_one_more(self, key: object) -> bool:
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._counts[key] <= _SIGNS_LIMIT


_STAMP = re.compile(
    r"^(?:[A-Z][a-z]{2} [ 0-9][0-9] [0-9:.]{8,15} \S{1,255} [^\s:]{1,80}: )?"  # syslog, journalctl
    r"(?:<[0-9]+>)?(?:\[[^\]]{1,40}\]\s*)*"
)


def _text(line: bytes) -> str:
    text = line.decode("utf-8", "replace").strip()
    return _STAMP.sub("", text)[:_TEXT_LIMIT]


def kept_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a text that matter here, numbered."""
    begins: set[int] = set()
    for needle in _NEEDLES:
        at = data.find(needle)
        left = _HITS_LIMIT
        while at >= 0 and left:
            begins.add(data.rfind(b"\n", 0, at) + 1)
            end = data.find(b"\n", at)
            at = data.find(needle, end) if end >= 0 else -1
            left -= 1
    number, counted = 1, 0
    for begin in sorted(begins):
        number += data.count(b"\n", counted, begin)
        counted = begin
        end = data.find(b"\n", begin)
        yield number, data[begin : len(data) if end < 0 else end][:_LINE_LIMIT]
