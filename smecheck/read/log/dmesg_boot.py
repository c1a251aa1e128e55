"""Where one boot ends in a kernel log and the next one begins, and which of them counts."""

from __future__ import annotations

import re

from smecheck.errors import WrongKind
from smecheck.evidence import value_of
from smecheck.kernel.cmdline import last_value
from smecheck.machine.kernel_log import Decompressor, Encryption, KernelLog, LoggedBoot
from smecheck.quantity import count_text
from smecheck.read.kinds import BANNER_LINE
from smecheck.read.lines.hosts import are_two
from smecheck.read.lines.known_lines import About, KnownLine
from smecheck.read.lines.messages import Message
from smecheck.read.log import decompressor_lines, dmesg_draft
from smecheck.read.log.dmesg_draft import BootDraft, broken
from smecheck.read.log.e820_lines import (
    FIRMWARE_TABLES,
    MAP_HEADING,
    OLD_TABLE,
    TABLE,
    E820Line,
    table_line,
)

VERSION = KnownLine(
    About.OTHER,
    ("Linux version",),
    BANNER_LINE,
    r"Linux version ([0-9]{1,3}\.[0-9]{1,4}[^\s(]{0,80})(?: \(.*|\s*)",
)
# mem_init() of arch/x86/mm/init_32.c and its neighbours; arch/arm64/kernel/setup.c.
HIGH_MEMORY = KnownLine(
    About.OTHER,
    ("LOWMEM available", "HIGHMEM available"),
    r"[0-9]{1,10}MB (?:LOW|HIGH)MEM available",
    r"[0-9]{1,10}MB (?:LOW|HIGH)MEM available.*",
)
ARM = KnownLine(
    About.OTHER,
    ("Booting Linux on physical CPU",),
    r"Booting Linux on physical CPU",
    r"Booting Linux on physical CPU.*",
)
_A_32_BIT_KERNEL = "a 32-bit kernel, and only 64-bit kernels have SME"
_AN_ARM_KERNEL = "an Arm kernel, and SME is AMD's"
_FOREIGN = {
    OLD_TABLE: "a kernel before v3.5, by the form of this line, and none before v4.14 has SME",
    HIGH_MEMORY: _A_32_BIT_KERNEL,
    ARM: _AN_ARM_KERNEL,
}
"""Lines that only kernels without SME print, and whose log that makes it."""
_FOREIGN_RELEASE = (
    # Debian's, Ubuntu's and Fedora's names.
    (re.compile(r"(?:[-.](?:i?[3456]86(?:[-+.]\w+)?|generic-pae))$"), _A_32_BIT_KERNEL),
    (
        re.compile(r"[-.+](?:arm64|armhf|armv?[5678]\w*|armmp|aarch64)(?:[-+.]\w+)*$"),
        _AN_ARM_KERNEL,
    ),
    (
        re.compile(
            r"[-.+](?:ppc64(?:le|el)?|powerpc64(?:le)?|s390x?|riscv64|loong(?:arch)?64|mips\w*"
            r"|loongson-3|sparc64(?:-smp)?|ia64|mckinley|itanium|alpha\w*|parisc\w*|m68k)$"
        ),
        "a kernel of another family of processors, and SME is AMD's",
    ),
)
"""Releases that name an architecture without SME, and whose log that makes it."""
LINES = (
    VERSION,
    HIGH_MEMORY,
    ARM,
    *decompressor_lines.LINES,
    *dmesg_draft.LINES,
)
"""The kinds of lines that :class:`BootReader` knows."""

_SHOWN_LINES = 6


class BootReader:
    """Reads a kernel log line by line; of all boots in it only the last one is kept."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._draft: BootDraft | None = None
        self._done: BootDraft | None = None
        """The last boot before the draft that shows anything."""
        self._lines: list[int] = []
        """Where the boots begin; of many, the first ones and the last one."""
        self._count = 0
        self._copies = 0
        """Boots that say the same as the one before: a supportconfig holds a boot twice."""
        self._sme: Encryption | None = None
        """What a boot before the last one said of SME being active."""
        self._decompressor: Decompressor | None = None
        self._is_of_many = False
        """Whether other hosts' boots are in the log as well."""

    @property
    def wants_next(self) -> bool:
        """Whether the next line matters, whatever it says."""
        return self._draft is not None and self._draft.wants_next

    def feed(self, message: Message) -> None:
        """Take in a message.

        Raises:
            MalformedInput: it is of the memory map, but broken.
        """
        line, kind, match = message.line, message.kind, message.match
        where = f"{self._name}:{line}"
        draft = self._draft
        if kind in decompressor_lines.LINES:
            self._decompressor = decompressor_lines.feed(self._decompressor, message, where)
        elif kind is VERSION and match:
            self._begin_release(where, message, match[1])
        elif kind is TABLE and match:
            row = table_line(match, where)
            if draft is None or self._is_another_map(draft, row):
                draft = self._begin(line, begins=False)
            draft.add_range(row)
        elif kind is TABLE:
            raise broken(where, message.text)
        elif kind is MAP_HEADING:
            if draft is None or draft.firmware:
                self._begin(line, begins=False)
        elif kind is not None and kind in _FOREIGN:
            if draft is None or kind is ARM:
                draft = self._begin(line, begins=False)
            draft.foreign = draft.foreign or (where, _FOREIGN[kind])
        else:
            (draft or self._begin(line, begins=False)).feed(where, message)
        if self._draft is not None:
            self._draft.hosts.hear(message, where)

    def _is_another_map(self, draft: BootDraft, row: E820Line) -> bool:
        """Return whether a firmware's map begins again; one of its lines may be quoted twice."""
        if row.table not in FIRMWARE_TABLES:
            return False
        known = draft.tables.get(row.table, [])
        if not known or row.range.span.start > known[-1].span.start:
            return False
        return not draft.repeats(row)

    def _begin(self, line: int, *, begins: bool) -> BootDraft:
        self._close()
        # What a decompressor wrote stands before the first line of its kernel.
        decompressor, self._decompressor = self._decompressor, None
        self._draft = BootDraft(self._name, line, decompressor, begins=begins)
        return self._draft

    def _begin_release(self, where: str, message: Message, release: str) -> None:
        foreign = None
        before = self._draft
        if before is not None and before.release is None and before.foreign is not None:
            # An Arm kernel names its CPU before itself.
            self._draft, foreign = None, before.foreign
        for architecture, whose in _FOREIGN_RELEASE:
            if architecture.search(release):
                foreign = foreign or (where, whose)
        draft = self._begin(message.line, begins=True)
        draft.release = (message.line, release)
        draft.foreign = foreign

    def _close(self) -> None:
        draft, self._draft = self._draft, None
        if draft is None or not draft.shows:
            return
        before, self._done = self._done, draft
        self._sme = self._sme if before is None else before.sme or self._sme
        if before is not None:
            one, other = before.hosts.first, draft.hosts.first
            self._is_of_many |= one is not None and other is not None and are_two(one, other)
            if before.signature() == draft.signature():
                self._copies += 1
                self._lines[-1] = draft.line
                return
        self._count += 1
        del self._lines[_SHOWN_LINES - 1 :]
        self._lines.append(draft.line)

    def finish(self) -> KernelLog | None:
        """Return what the log says, ``None`` if it says nothing.

        Raises:
            WrongKind: it is the log of a kernel that cannot have SME.
            MalformedInput: kernels of two hosts wrote what would be one boot.
        """
        self._close()
        done = self._done
        if done is not None:
            done.hosts.refuse_two()
        boot = None if done is None else done.finish()
        if boot is None and self._decompressor is not None:
            boot = LoggedBoot(self._decompressor.line, begins=False, is_up=False)
        if boot is None:
            return None
        if done is not None and done.foreign is not None:
            where, whose = done.foreign
            raise WrongKind(
                f"is the log of {whose}",
                where=where,
                help_text="give the log of a kernel that can use SME, or /proc/iomem (--iomem)",
            )
        return KernelLog(
            self._name,
            boot,
            unfinished=self._decompressor,
            sme_before=self._sme,
            remarks=tuple(self._remarks(boot)),
        )

    def _remarks(self, boot: LoggedBoot) -> list[str]:
        name, remarks = self._name, []
        if self._count > 1:
            shown = ", ".join(map(str, self._lines))
            host = boot.host if self._is_of_many else None
            whose = "," if host is None else f", of host {host.text},"
            remarks.append(
                f"{name}: the log holds {self._count} boots (from lines {shown}"
                f"{', and more' if self._count > len(self._lines) else ''}); the last one, from "
                f"line {boot.line}{whose} counts"
            )
        if self._copies:
            copies = count_text(self._copies, "boot")
            remarks.append(
                f"{name}: {copies} in the log {'says' if self._copies == 1 else 'say'} the same "
                "as the one that follows: a copy, or the same kernel started alike"
            )
        if last_value(value_of(boot.cmdline) or "", "elfcorehdr") is not None:
            remarks.append(
                f"{name}:{boot.line}: that boot is a crash kernel's: its memory map is what "
                "kexec left to it, not the machine's; to check the machine, give the log "
                "without that boot"
            )
        if not boot.begins:
            remarks.append(
                f"{name}: the first lines of the boot are missing (a ring buffer that wrapped, or "
                "a fragment), so some facts of it are unknown"
            )
        remarks += [f"{line.where} is broken: {line.text}" for line in boot.broken]
        if self._decompressor is not None:
            remarks.append(
                f"{name}:{self._decompressor.line}: after that boot a decompressor printed its "
                "lines, and its kernel printed nothing"
            )
        return remarks
