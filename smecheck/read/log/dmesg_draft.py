"""One boot of a kernel log while it is being read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

from smecheck.errors import MalformedInput
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.cmdline import changes_of_memory
from smecheck.machine.firmware import (
    E820Type,
    EfiMap,
    EfiRange,
    FirmwareMap,
    FirmwareMapKind,
    FirmwareRange,
)
from smecheck.machine.kernel_log import (
    CrashReservation,
    Decompressor,
    E820Change,
    EfiTable,
    Encryption,
    LoggedBoot,
    LogLine,
    LogSpan,
)
from smecheck.machine.memory import Missing
from smecheck.read.lines.hosts import Hosts
from smecheck.read.lines.known_lines import ANNOTATED, About, KnownLine, Trait
from smecheck.read.lines.messages import Message
from smecheck.read.log import (
    contiguous_lines,
    crashkernel_lines,
    e820_lines,
    efi_lines,
    encryption_lines,
)
from smecheck.read.log.contiguous_lines import ContiguousMemory
from smecheck.read.log.e820_lines import FIRMWARE_TABLES, E820Line, mem_span
from smecheck.read.log.efi_lines import RANGES_LIMIT
from smecheck.read.log.encryption_lines import LoggedEncryption
from smecheck.read.log.logged_cmdline import CommandLines
from smecheck.span import Span

_ONLY_WITH_PREFIX = Trait.OF_KERNEL | Trait.WITH_PREFIX

CMDLINE = KnownLine(
    About.COMMAND_LINE,
    ("ommand line:",),
    r"(?:Kernel c|C)ommand line:(?: |$)",
    r"(Kernel command line|Command line):(.*)",
    Trait.OF_KERNEL | Trait.FREE,
)
RAMDISK = KnownLine(
    About.OTHER,
    ("RAMDISK:",),
    r"RAMDISK:(?: |$)",
    rf"RAMDISK: {e820_lines.MEM_RANGE}{ANNOTATED}",
)
# setup_nr_cpu_ids(); up to v6.8 and since v6.9: arch/x86/kernel/smpboot.c, cpu/topology.c.
CPU_IDS = KnownLine(
    About.OTHER,
    ("nr_cpu_ids:", "setup_percpu:"),
    r"setup_percpu: NR_CPUS",
    r"setup_percpu: NR_CPUS:[0-9]+ (?:nr_cpumask_bits:[0-9]+ )?nr_cpu_ids:([0-9]{1,6}) "
    rf"nr_node_ids:[0-9]+{ANNOTATED}",
)
ALLOWED = KnownLine(
    About.OTHER,
    ("Allowing ",),
    r"(?:smpboot|CPU topo): Allowing",
    r"(?:smpboot|CPU topo): Allowing ([0-9]{1,6}) (?:present )?CPUs(,| plus) ([0-9]{1,6}) "
    rf"hotplug CPUs{ANNOTATED}",
)
# mem_init_print_info(), mm/page_alloc.c, later mm_init.c: all pages that there are.
MEMORY = KnownLine(
    About.OTHER,
    ("K available",),
    r"Memory: [0-9]{1,12}K/",
    r"Memory: [0-9]{1,12}K/([0-9]{1,12})K available(?: \(.*)?",
)
UP = KnownLine(
    About.OTHER,
    ("smp: Brought up", "Freeing unused", "as init process"),
    r"smp: Brought up|Freeing unused|Run \S{1,100} as init process",
    r".*",
)
# drivers/acpi/tables.c, acpi_tb_print_table_header().
RSDP = KnownLine(
    About.OTHER,
    ("ACPI: RSDP",),
    r"ACPI: RSDP ",
    r"ACPI: RSDP (0x[0-9A-Fa-f]{1,16}) .*",
)
# kernel/crash_dump_dm_crypt.c, crash_load_dm_crypt_keys(): of the crash kernel loaded last.
KEYS = KnownLine(
    About.OTHER,
    ("dm crypt key", "dm-crypt keys"),
    r"(?:[\w-]{1,20}: )?(?:Loaded dm crypt keys to|No dm[ -]crypt key)",
    r"(?:[\w-]{1,20}: )?(?:(Loaded) dm crypt keys to kexec_buffer|No dm[ -]crypt keys?).*",
)
# arch/x86/kernel/cpu/hypervisor.c, init_hypervisor_platform(): the names of its list.
HYPERVISOR = KnownLine(
    About.HYPERVISOR,
    ("Hypervisor detected",),
    r"Hypervisor detected:",
    r"Hypervisor detected: (Microsoft Hyper-V|Xen [A-Z]{2,4}|[\w-]{1,20})" + ANNOTATED,
    _ONLY_WITH_PREFIX,
)
# native_smp_prepare_cpus(), arch/x86/kernel/smpboot.c, and print_cpu_info(), cpu/common.c.
CPU = KnownLine(
    About.OTHER,
    ("CPU0: ",),
    r"(?:smpboot: )?CPU0: (?:[\w.]{1,12} ){0,3}(?:Intel\(R\)|AMD |Hygon )",
    r"(?:smpboot: )?CPU0: (.{1,80}?) \(family: 0x[0-9a-f]{1,3}, model: .*",
    _ONLY_WITH_PREFIX,
)
# default_banner(), arch/x86/kernel/paravirt.c, and xen_banner(), arch/x86/xen/enlighten_pv.c.
PARAVIRTUALIZED = KnownLine(
    About.HYPERVISOR,
    ("paravirtualized",),
    r"Booting (?:para|$)",
    r"Booting paravirtualized kernel (?:with PVH extensions )?on (.{1,80})",
    _ONLY_WITH_PREFIX,
)
# xen_banner(), and what Xen's drivers say of themselves, which do nothing outside a domain:
# pr_fmt() of drivers/xen, "xen:" and the name of the module.
XEN = KnownLine(
    About.HYPERVISOR,
    ("Xen version", "xen:"),
    r"Xen version(?::? [0-9]|:?$)|(?i:xen):[a-z_]{2,20}: |xen: (?:Booting|--> )",
    r".*",
    _ONLY_WITH_PREFIX,
)
LINES = (
    CMDLINE,
    RAMDISK,
    CPU_IDS,
    ALLOWED,
    RSDP,
    KEYS,
    UP,
    HYPERVISOR,
    CPU,
    PARAVIRTUALIZED,
    XEN,
    MEMORY,
    *encryption_lines.LINES,
    *efi_lines.LINES,
    *contiguous_lines.LINES,
    *crashkernel_lines.LINES,
    *e820_lines.LINES,
)
"""The kinds of lines that say something of a boot."""

_ITEMS_LIMIT = 64
_QUOTE_LIMIT = 80
_HIGHEST_REMOVED = 1 << 63
"""mem= removes all that there may be above it, up to ULLONG_MAX."""


class BootDraft:
    """What the lines of one boot said so far."""

    def __init__(
        self, name: str, line: int, decompressor: Decompressor | None, *, begins: bool
    ) -> None:
        self.line = line
        self.release: tuple[int, str] | None = None
        self.foreign: tuple[str, str] | None = None
        """Where it shows that the kernel cannot have SME, and what it is."""
        self.hosts = Hosts()
        self.tables: dict[str, list[FirmwareRange]] = {}
        """The ranges of each printed table, in the order in which the tables were printed."""
        self._later: dict[str, set[tuple[Span, int]]] = {}
        """Of each table, all ranges but the first, with their types."""
        self._name = name
        self._begins = begins
        self._decompressor = decompressor
        self._cmdlines = CommandLines()
        self._cpus: Fact[int] = Unknown(f"{name} does not say how many CPUs are possible")
        self._changes: list[E820Change] = []
        self._setup_data: dict[Span, LogSpan] = {}
        self._buffers: list[LogSpan] = []
        self._efi: list[list[EfiRange]] = []
        self._efi_next = 0
        self._efi_tables: list[EfiTable] = []
        self._esrt: LogSpan | None = None
        self._reservations: dict[bool, CrashReservation] = {}
        self._broken_reservation: LogLine | None = None
        self._failures: list[LogLine] = []
        self._contiguous = ContiguousMemory()
        self._keys: Fact[bool] = Unknown(f"{name} does not mention keys of dm-crypt")
        self._rsdp: Fact[int] = Unknown(f"{name} has no line ACPI: RSDP")
        self._ramdisk: LogSpan | None = None
        self._encryption = LoggedEncryption()
        self._counted: Fact[int] = Unknown(f"{name} has no line Memory")
        self._hypervisor: LogLine | None = None
        self._intel: LogLine | None = None
        self._has_other_cpu = False
        self._xen: LogLine | None = None
        self._broken: list[LogLine] = []
        self._is_up = False
        self._ends_in_map = False
        """Whether nothing that is known came after the last line of a table."""

    @property
    def firmware(self) -> bool:
        """Whether a line of a firmware's map is there."""
        return not FIRMWARE_TABLES.isdisjoint(self.tables)

    @property
    def wants_next(self) -> bool:
        """Whether the list of encryption features may go on in the next line."""
        return self._encryption.wants_next

    @property
    def shows(self) -> bool:
        """Whether there is anything in it; ``/proc/version`` in a log is not a boot."""
        said = (
            self.tables,
            self._efi,
            self._efi_tables,
            self._reservations,
            self._failures,
            self._contiguous.areas,
            self._cmdlines.copies,
        )
        others = (
            self.foreign,
            self._ramdisk,
            self._encryption.found,
            self._esrt,
            self._broken_reservation,
            self._contiguous.crash,
            self._xen,
        )
        return any(said) or any(other is not None for other in others)

    def add_range(self, row: E820Line) -> None:
        """Add a line of a printed table; a table that begins again replaces what it was.

        Raises:
            MalformedInput: the table is far too long.
        """
        self._ends_in_map = True
        known = self.tables.get(row.table)
        is_next = known is not None and row.range.span.start > known[-1].span.start
        if known and not is_next and self.repeats(row):
            return
        if known is None or row.range.span.start <= known[0].span.start:
            self.tables.pop(row.table, None)
            known = self.tables[row.table] = []
            self._later[row.table] = set()
            # What was changed before is in the table that is printed now.
            self._changes.clear()
        if len(known) >= RANGES_LIMIT:
            raise MalformedInput(
                f"the memory map has more than {RANGES_LIMIT} entries",
                where=row.range.where,
                help_text="no kernel prints that many: is it the right file?",
            )
        if known:
            self._later[row.table].add((row.range.span, row.range.type))
        known.append(row.range)
        if row.table == "Xen":
            self._xen = self._xen or LogLine("Xen: [mem …]", row.range.where)

    def repeats(self, row: E820Line) -> bool:
        """Return whether a line is in its table already, and does not begin it."""
        return (row.range.span, row.range.type) in self._later.get(row.table, ())

    def feed(self, where: str, message: Message) -> None:
        """Take in a message that is of no table.

        Raises:
            MalformedInput: it is of the memory map, and broken.
        """
        self._ends_in_map = False
        self._encryption.pass_line()
        if message.kind is None:
            self._encryption.go_on(message.text)
        elif message.match is None:
            self._on_broken(where, message.kind, message.text)
        elif message.kind is UP:
            self._is_up = True
        elif message.kind is CMDLINE:
            self._cmdlines.add(where, message, message.match[1], message.match[2])
        elif message.kind in contiguous_lines.LINES:
            self._contiguous.feed(message.kind, where, message.match)
        elif message.kind in encryption_lines.LINES:
            self._encryption.feed(message.kind, where, message.match)
        elif message.kind in self._readers:
            self._readers[message.kind](self, where, message.match)

    def _on_broken(self, where: str, kind: KnownLine, text: str) -> None:
        """Take note of a line that is not whole, and of what is not known because of it."""
        quoted = text if len(text) <= _QUOTE_LIMIT else f"{text[:_QUOTE_LIMIT]}…"
        if kind.about is About.MEMORY:
            raise broken(where, quoted)
        line = LogLine(quoted, where)
        if kind.about is About.CRASH_KERNEL:
            self._broken_reservation = self._broken_reservation or line
        elif kind.about is About.ENCRYPTION:
            self._encryption.doubt(quoted, where)
        if len(self._broken) < _ITEMS_LIMIT:
            self._broken.append(line)

    def _on_update(self, where: str, match: re.Match[str]) -> None:
        change = e820_lines.update_line(match, where)
        if change.new == E820Type.RESERVED_KERN and len(self._setup_data) < _ITEMS_LIMIT:
            self._setup_data.setdefault(change.span, LogSpan(change.span, where))
        self._add_change(change)

    def _on_remove(self, where: str, match: re.Match[str]) -> None:
        self._add_change(e820_lines.remove_line(match, where))

    def _add_change(self, change: E820Change) -> None:
        if len(self._changes) >= RANGES_LIMIT:
            raise MalformedInput(
                f"the memory map is changed more than {RANGES_LIMIT} times",
                where=change.where,
                help_text="no kernel does that: is it the right file?",
            )
        self._changes.append(change)

    def _on_buffer(self, where: str, match: re.Match[str]) -> None:
        if len(self._buffers) < RANGES_LIMIT:
            self._buffers.append(LogSpan(mem_span(match[1], match[2], where), where))

    def _on_efi_range(self, where: str, match: re.Match[str]) -> None:
        numbered = efi_lines.efi_range(match, where)
        if numbered is None:
            return
        number, entry = numbered
        if not self._efi or number < self._efi_next:
            self._efi.append([])
            del self._efi[2:]
        if len(self._efi[-1]) < RANGES_LIMIT:
            self._efi[-1].append(entry)
        self._efi_next = number + 1

    def _on_efi_tables(self, where: str, match: re.Match[str]) -> None:
        tables = efi_lines.efi_tables(match, where)
        self._efi_tables = [*self._efi_tables, *tables][:_ITEMS_LIMIT]

    def _on_esrt(self, where: str, match: re.Match[str]) -> None:
        self._esrt = efi_lines.esrt_space(match, where) or self._esrt

    def _on_reserved_in_mib(self, where: str, match: re.Match[str]) -> None:
        self._add_reservation(crashkernel_lines.reserved_in_mib(match, where), where, match)

    def _on_reserved_by_address(self, where: str, match: re.Match[str]) -> None:
        self._add_reservation(crashkernel_lines.reserved_by_address(match, where), where, match)

    def _add_reservation(
        self, found: CrashReservation | None, where: str, match: re.Match[str]
    ) -> None:
        if found is None:
            self._on_broken(where, crashkernel_lines.IN_MIB, match[0])
            return
        before = self._reservations.get(found.is_low)
        if before is not None and not before.can_be(found):
            # A search through the logs of several boots, of which it shows nothing else.
            text = f"{match[0].strip()}, and {before.where} shows another reservation"
            self._broken_reservation = self._broken_reservation or LogLine(text, where)
        self._reservations[found.is_low] = found

    def _on_failure(self, where: str, match: re.Match[str]) -> None:
        failure = crashkernel_lines.failure(match, where)
        self._failures = [*self._failures, failure][:_ITEMS_LIMIT]

    def _on_ramdisk(self, where: str, match: re.Match[str]) -> None:
        self._ramdisk = LogSpan(mem_span(match[1], match[2], where), where)

    def _on_cpu_ids(self, where: str, match: re.Match[str]) -> None:
        self._cpus = Known(int(match[1]), f"{where}: nr_cpu_ids")

    def _on_allowed(self, where: str, match: re.Match[str]) -> None:
        if isinstance(self._cpus, Unknown):
            others = int(match[3]) if match[2] == " plus" else 0
            self._cpus = Known(int(match[1]) + others, f"{where}: CPUs allowed")

    def _on_keys(self, where: str, match: re.Match[str]) -> None:
        self._keys = Known(match[1] is not None, f"{where}: {match[0]}")

    def _on_rsdp(self, where: str, match: re.Match[str]) -> None:
        self._rsdp = Known(int(match[1], 16), f"{where}: ACPI: RSDP")

    def _on_memory(self, where: str, match: re.Match[str]) -> None:
        self._counted = Known(int(match[1]) << 10, f"{where}: Memory")

    def _on_hypervisor(self, where: str, match: re.Match[str]) -> None:
        self._hypervisor = LogLine(match[1], where)
        if match[1].startswith("Xen"):
            self._xen = self._xen or LogLine(match[0], where)

    def _on_cpu(self, where: str, match: re.Match[str]) -> None:
        if "Intel(R)" in match[1]:
            self._intel = LogLine(match[1], where)
        else:
            self._has_other_cpu = True

    def _on_paravirtualized(self, where: str, match: re.Match[str]) -> None:
        if match[1].startswith("Xen"):
            self._xen = LogLine(match[0], where)

    def _on_xen(self, where: str, match: re.Match[str]) -> None:
        self._xen = self._xen or LogLine(match[0].strip()[:_QUOTE_LIMIT], where)

    @property
    def sme(self) -> Encryption | None:
        """The line that says that SME is active."""
        return self._encryption.sme

    def signature(self) -> tuple[object, ...]:
        """Return what two boots must have in common to count as one."""
        table = next(
            (self.tables[one] for one in reversed(self.tables) if one in FIRMWARE_TABLES), []
        )
        return (
            self.release and self.release[1],
            tuple(copy.unspaced for copy in self._cmdlines.copies),
            tuple((entry.span, entry.type) for entry in table),
            tuple(reservation.span for reservation in self._reservations.values()),
        )

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
        self._doubt_reservation()
        cmdline = self._cmdlines.settled(Unknown(f"{name} has no line Command line"))
        reserved = [] if self._broken_reservation else sorted(self._reservations)
        if self._xen is not None:
            # What a domain of Xen takes for its memory is not the machine's.
            firmware = last = None
            self._changes.clear()
            self._buffers.clear()
        return LoggedBoot(
            line=self.line,
            begins=self._begins,
            is_up=self._is_up,
            host=self.hosts.first,
            release=release,
            cmdline=cmdline,
            cpus=self._cpus,
            firmware_map=self._map(firmware),
            kernel_map=self._map(last),
            changes=tuple(self._changes),
            counted=self._counted,
            ram_buffers=tuple(self._buffers),
            efi_map=efi[0] if efi else None,
            efi_runtime_map=efi[1] if len(efi) > 1 else None,
            efi_tables=tuple(self._efi_tables),
            esrt=self._esrt,
            crash_reservations=tuple(self._reservations[is_low] for is_low in reserved),
            unshown_map=self._unshown_map(cmdline),
            broken_reservation=self._broken_reservation,
            crash_failures=tuple(self._failures),
            acpi_rsdp=self._rsdp,
            dm_crypt_keys=self._keys,
            cma_areas=tuple(self._contiguous.areas),
            crash_cma=self._contiguous.crash,
            ignored_words=self._contiguous.ignored,
            ramdisk=self._ramdisk,
            setup_data=tuple(self._setup_data.values()),
            encryption=self._encryption.found,
            other_encryption=tuple(self._encryption.others),
            hypervisor=self._hypervisor,
            # Of a log that shows both, nobody knows which CPU the machine has.
            intel=None if self._has_other_cpu else self._intel,
            xen=self._xen,
            decompressor=self._decompressor,
            broken=tuple(self._broken),
        )

    def _doubt_reservation(self) -> None:
        """Take note that the low part of a reservation is logged, and not the one it belongs to."""
        low = self._reservations.get(True)
        if low is not None and False not in self._reservations:
            text = "only the low part of the crash reservation is given"
            self._broken_reservation = self._broken_reservation or LogLine(text, low.where)

    def _unshown_map(self, cmdline: Fact[str]) -> LogLine | None:
        """Return what changed the map, if no line shows what came of it.

        arch/x86/kernel/e820.c, parse_memopt() and e820__finish_early_params(): a map that mem= or
        memmap= changed is printed as "user"; what mem= removes is said in a line of its own.
        """
        if isinstance(cmdline, Unknown) or not self.firmware or "user" in self.tables:
            return None
        is_cut = any(
            change.new is None and change.span.end >= _HIGHEST_REMOVED for change in self._changes
        )
        for name, value in changes_of_memory(cmdline.value):
            if not (is_cut and name == "mem"):
                return LogLine(f"{name}={value}"[:_QUOTE_LIMIT], cmdline.origin)
        return None

    def _map(self, table: str | None) -> FirmwareMap | None:
        if table is None:
            return None
        is_last = table == next(reversed(self.tables))
        return FirmwareMap(
            self._name,
            FirmwareMapKind.E820_LOG,
            tuple(self.tables[table]),
            missing=Missing.END if self._ends_in_map and is_last else Missing.NOTHING,
        )

    _readers: ClassVar[dict[KnownLine, Callable[[BootDraft, str, re.Match[str]], None]]] = {
        e820_lines.UPDATE: _on_update,
        e820_lines.REMOVE: _on_remove,
        e820_lines.RAM_BUFFER: _on_buffer,
        efi_lines.RANGE: _on_efi_range,
        efi_lines.TABLES: _on_efi_tables,
        efi_lines.ESRT: _on_esrt,
        crashkernel_lines.IN_MIB: _on_reserved_in_mib,
        crashkernel_lines.BY_ADDRESS: _on_reserved_by_address,
        crashkernel_lines.FAILURE: _on_failure,
        RSDP: _on_rsdp,
        KEYS: _on_keys,
        RAMDISK: _on_ramdisk,
        CPU_IDS: _on_cpu_ids,
        ALLOWED: _on_allowed,
        MEMORY: _on_memory,
        HYPERVISOR: _on_hypervisor,
        CPU: _on_cpu,
        PARAVIRTUALIZED: _on_paravirtualized,
        XEN: _on_xen,
    }


def broken(where: str, text: str) -> MalformedInput:
    """Return the error for a line of the memory map that is not whole."""
    return MalformedInput(
        f"is broken: it is not a complete line of the memory map: {text}",
        where=where,
        help_text="capture the log again: sudo dmesg > dmesg.txt, and attach it as a file",
    )
