"""One boot of a kernel log while it is being read."""

from __future__ import annotations

import re

from smecheck.errors import MalformedInput
from smecheck.evidence import Fact, Known, Unknown
from smecheck.inputs import crashkernel_lines
from smecheck.inputs.e820_lines import (
    BOUNDARY,
    FIRMWARE_TABLES,
    E820Line,
    buffer_line,
    change_line,
    mem_span,
)
from smecheck.inputs.efi_lines import RANGES_LIMIT, efi_range, efi_tables, esrt_space
from smecheck.model.firmware import (
    E820Type,
    EfiMap,
    EfiRange,
    FirmwareMap,
    FirmwareMapKind,
    FirmwareRange,
)
from smecheck.model.kernel_log import (
    CrashReservation,
    Decompressor,
    E820Change,
    EfiTable,
    Encryption,
    LoggedBoot,
    LogLine,
    LogSpan,
)

_CMDLINE = re.compile(rf"{BOUNDARY}(Kernel c|C)ommand line: (.*)")
# setup_nr_cpu_ids(); up to v6.8 and since v6.9: arch/x86/kernel/smpboot.c, cpu/topology.c.
_CPU_IDS = re.compile(r"\bnr_cpu_ids:([0-9]{1,6})\b")
_ALLOWED = re.compile(r"Allowing ([0-9]{1,6}) (?:present )?CPUs(,| plus) ([0-9]{1,6}) hotplug CPUs")
_UP = re.compile(r"smp: Brought up|Freeing unused|Run \S{1,100} as init process")
# arch/x86/kernel/cpu/hypervisor.c, init_hypervisor_platform().
_HYPERVISOR = re.compile(r"\bHypervisor detected: ([ -~]{1,40}?)\s*$")
_OLD_FEATURE = re.compile(r"AMD Secure .{1,30} \((SME|SEV)\) active")
_FEATURES = re.compile(r"Memory Encryption Features active:(.*)")
_CONTINUED = re.compile(
    r"(?:^|\]|: )\s*((?:AMD|Intel|TDX|SME|SEV(?:-ES|-SNP)?)(?: [A-Z-]{2,8})*)\s*$"
)
_NO_FEATURES = frozenset({"AMD", "Intel"})
_CONTINUATION_LINES = 3
_MESSAGE_LIMIT = 1024 - 48 - 1
"""kernel/printk: a message is cut at LOG_LINE_MAX, 1024 bytes less the longest prefix."""
_ITEMS_LIMIT = 64


class BootDraft:
    """What the lines of one boot told so far."""

    def __init__(
        self, name: str, line: int, decompressor: Decompressor | None, *, begins: bool
    ) -> None:
        self.line = line
        self.release: tuple[int, str] | None = None
        self.tables: dict[str, list[FirmwareRange]] = {}
        """The ranges of each printed table, in the order in which the tables were printed."""
        self._name = name
        self._begins = begins
        self._decompressor = decompressor
        self._cmdline: Fact[str] = Unknown(f"{name} has no line Command line")
        self._cpus: Fact[int] = Unknown(f"{name} does not tell how many CPUs are possible")
        self._changes: list[E820Change] = []
        self._setup_data: dict[LogSpan, None] = {}
        self._buffers: list[LogSpan] = []
        self._efi: list[list[EfiRange]] = []
        self._efi_next = 0
        self._efi_tables: list[EfiTable] = []
        self._esrt: LogSpan | None = None
        self._reservations: dict[bool, CrashReservation] = {}
        self._failures: list[LogLine] = []
        self._ramdisk: LogSpan | None = None
        self._encryption: Encryption | None = None
        self._other_encryption: list[Encryption] = []
        self._hypervisor: LogLine | None = None
        self._open_lines = 0
        self._is_up = False

    @property
    def firmware(self) -> bool:
        """Whether a line of a firmware's map is there."""
        return not FIRMWARE_TABLES.isdisjoint(self.tables)

    @property
    def wants_next(self) -> bool:
        """Whether the list of encryption features may go on in the next line."""
        return self._open_lines > 0

    @property
    def tells(self) -> bool:
        """Whether there is anything in it; ``/proc/version`` in a log is no boot."""
        told = self.tables, self._efi, self._efi_tables, self._reservations, self._failures
        others = self._ramdisk, self._encryption, self._esrt
        return (
            any(told)
            or any(other is not None for other in others)
            or isinstance(self._cmdline, Known)
        )

    def add_range(self, row: E820Line) -> None:
        """Add a line of a printed table; a table that begins again replaces what it was.

        Raises:
            MalformedInput: the table is far too long.
        """
        known = self.tables.get(row.table)
        is_next = known is not None and row.range.span.start > known[-1].span.start
        if known and not is_next and any(entry.span == row.range.span for entry in known[1:]):
            return
        if known is None or row.range.span.start <= known[0].span.start:
            self.tables.pop(row.table, None)
            known = self.tables[row.table] = []
            # What was changed before is in the table that is printed now.
            self._changes.clear()
        if len(known) >= RANGES_LIMIT:
            raise MalformedInput(
                f"the memory map has more than {RANGES_LIMIT} entries",
                where=row.range.where,
                help_text="no kernel prints that many: is it the right file?",
            )
        known.append(row.range)

    def feed(self, where: str, text: str) -> None:
        """Take in a line that is of no table."""
        _ = (
            self._continue_features(text)
            or self._on_change(where, text)
            or self._on_efi(where, text)
            or self._on_crash_kernel(where, text)
            or self._on_kernel(where, text)
            or self._on_encryption(where, text)
        )

    def _on_change(self, where: str, text: str) -> bool:
        if change := change_line(text, where):
            if change.old == E820Type.RAM and change.new == E820Type.RESERVED_KERN:
                known = {entry.span for entry in self._setup_data}
                if change.span not in known and len(known) < _ITEMS_LIMIT:
                    self._setup_data[LogSpan(change.span, where)] = None
            if len(self._changes) < RANGES_LIMIT:
                self._changes.append(change)
            return True
        buffer = buffer_line(text, where)
        if buffer is not None and len(self._buffers) < RANGES_LIMIT:
            self._buffers.append(buffer)
        return buffer is not None

    def _on_efi(self, where: str, text: str) -> bool:
        if numbered := efi_range(text, where):
            number, entry = numbered
            if not self._efi or number < self._efi_next:
                self._efi.append([])
                del self._efi[2:]
            if len(self._efi[-1]) < RANGES_LIMIT:
                self._efi[-1].append(entry)
            self._efi_next = number + 1
            return True
        if tables := efi_tables(text, where):
            self._efi_tables = [*self._efi_tables, *tables][:_ITEMS_LIMIT]
            return True
        esrt = esrt_space(text, where)
        self._esrt = esrt or self._esrt
        return esrt is not None

    def _on_crash_kernel(self, where: str, text: str) -> bool:
        if "crashkernel" not in text:
            return False
        if found := crashkernel_lines.reservation(text, where):
            self._reservations[found.is_low] = found
            return True
        if failure := crashkernel_lines.failure(text, where):
            self._failures = [*self._failures, failure][:_ITEMS_LIMIT]
            return True
        return False

    def _on_kernel(self, where: str, text: str) -> bool:
        if match := _CMDLINE.search(text):
            if isinstance(self._cmdline, Unknown):
                self._cmdline = Known(match[2].strip(), f"{where}: {match[1]}ommand line")
        elif span := mem_span(text, "RAMDISK:", where):
            self._ramdisk = LogSpan(span, where)
        elif match := _CPU_IDS.search(text):
            self._cpus = Known(int(match[1]), f"{where}: nr_cpu_ids")
        elif match := _ALLOWED.search(text):
            if isinstance(self._cpus, Unknown):
                others = int(match[3]) if match[2] == " plus" else 0
                self._cpus = Known(int(match[1]) + others, f"{where}: CPUs allowed")
        elif match := _HYPERVISOR.search(text):
            self._hypervisor = LogLine(match[1], where)
        elif _UP.search(text):
            self._is_up = True
        else:
            return False
        return True

    def _on_encryption(self, where: str, text: str) -> bool:
        if match := _OLD_FEATURE.search(text):
            self._list_encryption(Encryption((match[1],), match[0], where))
        elif match := _FEATURES.search(text):
            words = tuple(word for word in match[1].split() if word not in _NO_FEATURES)
            self._list_encryption(Encryption(words, match[0].strip(), where))
            # Printed in pieces: another message may have come between them.
            self._open_lines = 0 if words else _CONTINUATION_LINES
        else:
            return False
        return True

    def _list_encryption(self, found: Encryption) -> None:
        before = self._encryption
        is_new = before is not None and before.features != found.features
        if before is not None and is_new and len(self._other_encryption) < _ITEMS_LIMIT:
            self._other_encryption.append(before)
        self._encryption = found

    def _continue_features(self, text: str) -> bool:
        if not self._open_lines or self._encryption is None:
            return False
        self._open_lines -= 1
        match = _CONTINUED.search(text)
        if match is None:
            return False
        words = tuple(word for word in match[1].split() if word not in _NO_FEATURES)
        before = self._encryption
        self._encryption = Encryption(
            (*before.features, *words), f"{before.text} {match[1]}", before.where
        )
        return True

    def finish(self) -> LoggedBoot:
        """Return the boot."""
        name = self._name
        release: Fact[str] = Unknown(f"{name} has no line Linux version")
        if self.release is not None:
            release = Known(self.release[1], f"{name}:{self.release[0]}: Linux version")
        firmware = next(
            (table for table in reversed(self.tables) if table in FIRMWARE_TABLES), None
        )
        last = next(reversed(self.tables), None)
        efi = [EfiMap(name, tuple(ranges)) for ranges in self._efi]
        return LoggedBoot(
            line=self.line,
            begins=self._begins,
            is_up=self._is_up,
            release=release,
            cmdline=self._cmdline,
            cpus=self._cpus,
            firmware_map=self._map(firmware),
            kernel_map=self._map(last),
            changes=tuple(self._changes),
            ram_buffers=tuple(self._buffers),
            efi_map=efi[0] if efi else None,
            efi_runtime_map=efi[1] if len(efi) > 1 else None,
            efi_tables=tuple(self._efi_tables),
            esrt=self._esrt,
            crash_reservations=tuple(
                self._reservations[is_low] for is_low in sorted(self._reservations)
            ),
            crash_failures=tuple(self._failures),
            ramdisk=self._ramdisk,
            setup_data=tuple(self._setup_data),
            encryption=self._encryption,
            other_encryption=tuple(self._other_encryption),
            hypervisor=self._hypervisor,
            decompressor=self._decompressor,
        )

    def _map(self, table: str | None) -> FirmwareMap | None:
        if table is None:
            return None
        return FirmwareMap(self._name, FirmwareMapKind.E820_LOG, tuple(self.tables[table]))
