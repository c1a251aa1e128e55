"""The logs among the members: what they say of the machine, of loads, and of failures."""

from __future__ import annotations

from collections.abc import Callable

from smecheck.errors import MalformedInput, WrongKind
from smecheck.evidence import value_of
from smecheck.kernel.cmdline import last_value
from smecheck.load.segments import Mode, SegmentList
from smecheck.machine.kernel_log import KernelLog, LoggedBoot
from smecheck.read.archive.log_signs import kept_lines, log_signs
from smecheck.read.archive.member_patterns import MemberKind
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.support_case.triage_report import FactName, LogEvidence, SeenSign, TriageFact

LOG_LIMIT = 16 << 20
"""Bytes of a kernel log that are read; the ring buffer has 16 MiB at most by default
(CONFIG_LOG_CPU_MAX_BUF_SHIFT), and a few in the field."""

_EARLIER_BOOT = "--boot_-"
"""What sos names the journal of an earlier boot by."""
_OF_RUNNING = (MemberKind.LOG, MemberKind.CONSOLE, MemberKind.JOURNAL)
_ABOUT_LOADS = (b"kexec_file: ", b"kexec-bzImage64: ", b"nr_segments", b"segment[", b"kexec_load")


class MemberLogs:
    """Reads logs, and keeps what they say."""

    def __init__(self, remark: Callable[[str], None]) -> None:
        self.signs: list[SeenSign] = []
        self.facts: list[TriageFact] = []
        self.loads: list[SegmentList] = []
        """Of texts that are not a kernel log beside that."""
        self._logs: list[LogEvidence] = []
        self._remark = remark

    @property
    def logs(self) -> tuple[LogEvidence, ...]:
        """The kernel logs; the kernel that crashed counts where no log of a running one is."""
        if any(log.is_running for log in self._logs):
            return tuple(self._logs)
        return tuple(replace(log, is_running=not log.is_crash) for log in self._logs)

    def read(self, kind: MemberKind, name: str, data: bytes) -> bool:
        """Read a log; return whether it said anything."""
        if not data.strip():
            return False
        log = None
        if kind is not MemberKind.JOURNAL or not self._has_whole_log():
            log = self._kernel_log(NamedStream.of(name, data))
        is_crash = kind is MemberKind.CRASH_LOG or (log is not None and _is_of_crash_kernel(log))
        signs = log_signs(
            kept_lines(data),
            name,
            is_crash_log=kind is MemberKind.CRASH_LOG,
            is_console=kind is MemberKind.CONSOLE,
        )
        self.signs += signs.signs
        self.facts += signs.facts
        if kind is MemberKind.CRASH_LOG and not signs.crash_kernel_began:
            self.facts.append(_first_line(name, data))
        loads: tuple[SegmentList, ...] = ()
        if log is not None or kind is not MemberKind.JOURNAL or not self._has_whole_log():
            loads = self.loads_in(name, data, None if log is None else log.boot)
        if log is None:
            self.loads += loads
            return bool(signs.signs or signs.facts or loads) or kind is MemberKind.CRASH_LOG
        is_running = kind in _OF_RUNNING and _EARLIER_BOOT not in name and not is_crash
        self._logs.append(LogEvidence(log, loads, is_crash, is_running))
        return True

    def loads_in(
        self, name: str, data: bytes, boot: LoggedBoot | None = None
    ) -> tuple[SegmentList, ...]:
        """Return the last load of each mode that a text shows, or one boot in it."""
        if not any(word in data for word in _ABOUT_LOADS):
            return ()
        from smecheck.read.load.segments import read_segments

        source = NamedStream.of(name, data)
        found: list[SegmentList] = []
        # The last load of all is of one of the modes: then there may be one of the other.
        for mode in (None, *Mode):
            if found and mode in (None, value_of(found[0].mode)):
                continue
            try:
                found.append(read_segments(source, mode, boot=boot))
            except WrongKind:
                if mode is None:
                    break
            except MalformedInput as error:
                self._remark(f"no segments are taken from {error.where}: {error.message}")
        return tuple(found)

    def _has_whole_log(self) -> bool:
        return any(log.is_running and log.log.boot.begins for log in self._logs)

    def _kernel_log(self, source: NamedStream) -> KernelLog | None:
        from smecheck.read.log.dmesg import read_dmesg

        try:
            return read_dmesg(source)
        except WrongKind:
            return None
        except MalformedInput as error:
            self._remark(f"{error.where}: {error.message}")
            return None


def _is_of_crash_kernel(log: KernelLog) -> bool:
    """Return whether a kernel that was given the headers of a crashed one's memory wrote it."""
    cmdline = value_of(log.boot.cmdline)
    return cmdline is not None and last_value(cmdline, "elfcorehdr") is not None


def _first_line(name: str, data: bytes) -> TriageFact:
    text = data.lstrip().split(b"\n", 1)[0][:200].decode("utf-8", "replace").strip()
    return TriageFact(FactName.SECOND_KERNEL, text, name, 1)
