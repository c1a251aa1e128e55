"""One run of the code: what it does is watched from the entry of the kernel to the last encryption.

The kernel is entered where boot loaders enter it, so that its own code finds out what CPU it runs
on, turns SME on and calls sme_encrypt_kernel(); no variable of it is set from outside. The page
tables that it makes are read when it begins to encrypt, and once more when it has come back.
"""

from __future__ import annotations

import struct
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from smecheck.emulation.emulator import Access, Arena, Copy, Cpu, Machine, Stop, StopKind
from smecheck.emulation.entry_map import LOADER_AREA, write_entry_map
from smecheck.emulation.guest_memory import GuestMemory, MemoryUsedUp
from smecheck.emulation.table_walk import TableReader, joined
from smecheck.kernel.constants import PAGE_SIZE, PMD_SIZE, START_KERNEL_MAP
from smecheck.kernel.verification import Aspect, Figures
from smecheck.record import record, replace
from smecheck.span import Span, SpanSet, align_down

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smecheck.emulation.start import Start
    from smecheck.kernel.verification import Mapping

_BOOT_PARAMS = LOADER_AREA.start
_CMDLINE = _BOOT_PARAMS + PAGE_SIZE
_LOADER_STACK = _CMDLINE + PAGE_SIZE
_TABLES = Span(_LOADER_STACK + PAGE_SIZE, LOADER_AREA.end)

_COMMAND_LINE = b"console=ttyS0 mem_encrypt=on\0"
_XLOADFLAGS = 0xFF
"""With XLF_MEM_ENCRYPTION, which the decompressor sets since v6.9 for mem_encrypt=on."""

_STACK_SIZE = 0x4000
"""arch/x86/include/asm/page_64_types.h, THREAD_SIZE without KASAN."""

_AREA = 64 << 20
"""How far past the kernel a workarea may be taken to reach."""

_ROUTINE_OFFSET = PAGE_SIZE
"""sme_encrypt_execute(): the routine is copied to the second page of the workarea."""

_REPEATED_MOVES = {b"\xf3\xa4": 1, b"\xf3\x48\xa5": 8}
"""rep movsb, rep movsq, and how many bytes each moves at a time."""

_REGISTERS = (
    *("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"),
    *(f"r{number}" for number in range(8, 16)),
)
"""In the order in which instructions number them."""

_IMMEDIATE = struct.pack("<i", -PMD_SIZE)
_ROUNDINGS = {
    b"\x48\x25" + _IMMEDIATE: "rax",
    **{
        bytes([0x48 | number >> 3, 0x81, 0xE0 | number & 7]) + _IMMEDIATE: name
        for number, name in enumerate(_REGISTERS)
    },
}
"""AND of a register with the immediate that rounds down to 2 MiB: REX.W 25, REX.W 81 /4."""

_NEAR_CALL = 0xE8
_NEAR_CALL_SIZE = 5


@record
class Entries:
    """Where the code is, physical and as linked."""

    entry: int
    encrypt_kernel: int
    encrypt_execute: int
    own: Span
    """The code of sme_encrypt_kernel() itself."""
    kernel: Span
    """All of the kernel, its workarea included."""
    enabled: int | None
    """sme_me_mask, which is not zero where SME is on; ``None`` where no symbol names it."""


@record
class Seen:
    """What one run came to."""

    figures: Figures
    places: tuple[tuple[Aspect, int], ...]
    """Physical addresses of the instructions that show them, as far as one does."""
    writers: tuple[tuple[int, int], ...]
    """Each page that was written, and the instruction that wrote to it first."""
    stop: Stop
    unrecognized: str = ""
    """Why what was seen means nothing; empty where it does."""
    path: tuple[int, ...] = ()
    """Where the last blocks of code begin that were run, if that was asked for."""


@record
class _Call:
    """A call of sme_encrypt_execute()."""

    encrypted: int
    length: int
    workarea: int
    top_table: int
    caller: int


class Observation:
    """Runs the code once and watches it.

    Args:
        arena: the memory to run it in.
        start: how the kernel is started.
        kernel: the physical range of the image.
        page_of_kernel: returns the page at an offset from the start of the image.
        entries: physical addresses of the code for that start.
        traced: whether the way of the code is to be kept.
    """

    def __init__(
        self,
        arena: Arena,
        start: Start,
        kernel: Span,
        page_of_kernel: Callable[[int], bytes],
        entries: Entries,
        *,
        traced: bool = False,
    ) -> None:
        self._start = start
        self._entries = entries
        self._memory = GuestMemory(arena.bytes, kernel, page_of_kernel)
        bit = 1 << start.encryption_bit
        self._tables = TableReader(
            self._memory.table, self._memory.quad, levels=start.levels, encryption_bit=bit
        )
        cpu = Cpu(start.encryption_bit, start.levels)
        self._machine = Machine(arena, self._memory, self._tables, cpu)
        self._path = self._machine.trace() if traced else ()
        self._calls: list[_Call] = []
        self._copies: list[Copy] = []
        self._mapped: tuple[Mapping, ...] | None = None
        self._first_table: int | None = None
        self._rounded: list[tuple[int, int]] = []
        self._stack = Span(0, 0)
        self._root = 0

    def run(self) -> Seen:
        """Run it to its end, whatever that is."""
        try:
            return replace(self._run(), path=tuple(self._path))
        except MemoryUsedUp:
            stop = Stop(StopKind.STUCK, 0, "refers to more memory than any such code does")
        return Seen(Figures(), (), (), stop, f"the code {stop.message}")

    def _run(self) -> Seen:
        self._prepare()
        entries, machine = self._entries, self._machine
        machine.root = self._root
        machine.code = SpanSet([entries.kernel])
        stop = machine.run(entries.entry, entries.encrypt_kernel)
        if stop.kind is not StopKind.REACHED:
            return self._before_encryption(stop)
        if entries.enabled is not None and not machine.memory.quad(entries.enabled):
            why = "the kernel's sme_enable() does not turn SME on for the CPU of the emulator"
            return Seen(Figures(), (), (), stop, why)
        return self._encryption()

    def _before_encryption(self, stop: Stop) -> Seen:
        """Say what it means that sme_encrypt_kernel() is not reached."""
        if stop.kind is StopKind.FAULT and not self._is_stray(stop):
            places = ((Aspect.FAULT, stop.instruction),)
            return Seen(Figures(fault=stop.address), places, (), stop)
        why = f"before it calls sme_encrypt_kernel(), the code {stop.message}"
        return Seen(Figures(), (), (), stop, why)

    def _encryption(self) -> Seen:
        machine, entries = self._machine, self._entries
        machine.root = None
        machine.written.clear()
        machine.set(cr3=self._root)  # so that every page that is written from now on is seen
        top = machine.get("rsp")
        self._stack = Span(top - _STACK_SIZE, top).aligned_out(PAGE_SIZE)
        machine.on_write = self._note_write
        for code, register in _ROUNDINGS.items():
            machine.intercept(code, partial(self._note_rounding, register))
        machine.at(entries.encrypt_execute, self._note_call)
        stop = machine.run(entries.encrypt_kernel, self._return_address())
        if self._first_table is None and self._is_first_table(stop):
            self._first_table = (stop.address or 0) // PAGE_SIZE * PAGE_SIZE
        return Seen(
            figures=self._figures(stop),
            places=tuple(self._places(stop)),
            writers=tuple(machine.written.items()),
            stop=stop,
            unrecognized=self._unrecognized(stop),
        )

    def _prepare(self) -> None:
        """Write what a boot loader leaves behind, and set the CPU as it does."""
        memory, start = self._memory, self._start
        for page in (_BOOT_PARAMS, _CMDLINE, _LOADER_STACK):
            memory.clear(page)
        memory.write(_CMDLINE, _COMMAND_LINE)
        initrd = start.initrd or Span(0, 0)
        # Documentation/arch/x86/zero-page.rst and boot.rst.
        for offset, size, value in (
            (0x0C0, 4, initrd.start >> 32),
            (0x0C4, 4, initrd.size >> 32),
            (0x202, 4, int.from_bytes(b"HdrS", "little")),
            (0x206, 2, 0x20F),
            (0x218, 4, initrd.start & 0xFFFF_FFFF),
            (0x21C, 4, initrd.size & 0xFFFF_FFFF),
            (0x228, 4, _CMDLINE),
            (0x236, 2, _XLOADFLAGS),
        ):
            memory.write(_BOOT_PARAMS + offset, value.to_bytes(size, "little"))
        self._root = write_entry_map(memory, start.entries, _TABLES, start.levels)
        self._machine.set(
            cr0=0x8000_0033,  # PG, NE, ET, MP, PE
            cr3=self._root,
            cr4=0x20 | (0x1000 if start.levels == 5 else 0),  # PAE, LA57
            rsi=_BOOT_PARAMS,
            rsp=_LOADER_STACK + PAGE_SIZE,
        )

    def _return_address(self) -> int:
        return int.from_bytes(self._machine.read(self._machine.get("rsp"), 8), "little")

    def _note_write(self, machine: Machine, page: int) -> None:
        if page in self._stack or page in _TABLES or self._calls or self._first_table is not None:
            return
        self._first_table = page
        if self._start.until_tables:
            machine.stop("begins the new page tables")

    def _note_rounding(self, register: str, machine: Machine, place: int) -> None:
        if not self._calls and place in self._entries.own:
            self._rounded.append((place, machine.get(register)))

    def _note_call(self, machine: Machine, _place: int) -> None:
        encrypted, length, workarea, top = machine.get_all("rdi", "rdx", "rcx", "r8")
        call = _Call(encrypted, length, workarea, top, self._caller())
        if not self._calls:
            self._mapped = self._tables.mappings(call.top_table)
            for code, unit in _REPEATED_MOVES.items():
                move = partial(self._see_move, len(code), unit)
                machine.intercept(code, move, call.workarea + _ROUTINE_OFFSET)
        self._calls.append(call)

    def _caller(self) -> int:
        """Return the address of the call that led here, or of what follows it."""
        after = self._return_address()
        before = after - _NEAR_CALL_SIZE
        return before if self._machine.read(before, 1) == bytes([_NEAR_CALL]) else after

    def _see_move(self, code_size: int, unit: int, machine: Machine, place: int) -> None:
        """Do all of a repeated move but the moving."""
        cr3, source, target, count = machine.get_all("cr3", "rsi", "rdi", "rcx")
        size = count * unit
        read = machine.memory_at(cr3, source, size, Access.READ)
        written = machine.memory_at(cr3, target, size, Access.WRITE)
        if read is None or written is None:
            return
        self._copies.append(Copy(read, written))
        machine.set(rsi=source + size, rdi=target + size, rcx=0, rip=place + code_size)

    def _figures(self, stop: Stop) -> Figures:
        call = self._calls[0] if self._calls else None
        rounding = self._rounding()
        figures = Figures(
            fault=stop.address,
            start=call.workarea if call else None,
            asked=self._asked(),
            tables_start=self._first_table,
            length=rounding[1] if rounding else None,
            mapped_end=self._mapped_end(),
            tables_added=self._tables_added(),
            live_tables=self._live_tables() if self._has_live_tables(stop) else None,
            mapped=self._mapped,
        )
        if stop.kind is not StopKind.REACHED or not self._calls:
            return figures
        at_the_end = self._tables.mappings(self._machine.get("cr3"))
        return replace(
            figures,
            written=self._written(),
            encrypted=self._encrypted(),
            mapped_at_end=at_the_end,
            unencrypted=SpanSet(m.memory for m in at_the_end if not m.encrypted),
        )

    def _places(self, stop: Stop) -> Iterator[tuple[Aspect, int]]:
        writers = self._machine.written
        if stop.kind is StopKind.FAULT:
            yield Aspect.FAULT, stop.instruction
        if self._first_table is not None:
            yield Aspect.TABLES_START, writers.get(self._first_table, stop.instruction)
        rounding = self._rounding()
        if rounding:
            yield Aspect.LENGTH, rounding[0]
        live = next((place for page, place in writers.items() if page in _TABLES), None)
        if live is not None:
            yield Aspect.LIVE_TABLES, live
            yield Aspect.MAPPED_END, live
        if self._calls:
            first, last = self._calls[0].caller, self._calls[-1].caller
            seen_at_call = (Aspect.START, Aspect.MAPPED_END, Aspect.TABLES_ADDED, Aspect.MAPPED)
            yield from ((aspect, first) for aspect in seen_at_call)
            yield from ((aspect, last) for aspect in (Aspect.ASKED, Aspect.ENCRYPTED))

    def _unrecognized(self, stop: Stop) -> str:
        if stop.kind in (StopKind.UNABLE, StopKind.STUCK) or self._is_stray(stop):
            return f"in sme_encrypt_kernel(), the code {stop.message}"
        if stop.kind is StopKind.REACHED:
            if not self._calls and self._entries.enabled is None:
                return (
                    "sme_encrypt_kernel() encrypts nothing, and no symbol sme_me_mask says whether "
                    "SME was on"
                )
            if self._calls and not self._copies:
                return "the loop that encrypts has an unknown form: no copy was seen"
        return ""

    def _is_first_table(self, stop: Stop) -> bool:
        """Return whether the fault is that of the first write to the new page tables."""
        if stop.access is not Access.WRITE or stop.address is None or self._calls:
            return False
        kernel = self._entries.kernel
        return stop.address in Span(kernel.start, kernel.end + _AREA) and (
            self._first_table in (None, stop.address // PAGE_SIZE * PAGE_SIZE)
        )

    def _is_stray(self, stop: Stop) -> bool:
        """Return whether the code jumped to an address that is none of the kernel at all."""
        if stop.access is not Access.EXECUTE or stop.address is None:
            return False
        return stop.address < START_KERNEL_MAP and stop.address not in self._entries.kernel

    def _rounding(self) -> tuple[int, int] | None:
        """Return the instruction that rounds the workarea's end, and the length before that."""
        end = self._mapped_end()
        start = self._calls[0].workarea if self._calls else None
        if start is None and self._live_tables():
            start = self._live_tables()[0].virtual.start
        if end is None or start is None:
            return None
        for place, value in self._rounded:
            before = value - (PMD_SIZE - 1)
            if align_down(value, PMD_SIZE) == end and before % PAGE_SIZE == 0 and before > start:
                return place, before - start
        return None

    def _mapped_end(self) -> int | None:
        """Return where the unencrypted mapping of the workarea onto itself ends."""
        if self._mapped is None:
            live = self._live_tables()
            return live[-1].virtual.end if self._start.until_tables and live else None
        start = self._calls[0].workarea
        for mapping in self._mapped:
            is_itself = mapping.virtual.start == mapping.physical and not mapping.encrypted
            if is_itself and start in mapping.virtual:
                return mapping.virtual.end
        return None

    def _tables_added(self) -> int | None:
        if not self._calls or self._first_table is None:
            return None
        return (self._calls[0].top_table - self._first_table) // PAGE_SIZE

    def _asked(self) -> tuple[Span, ...] | None:
        """Return what sme_encrypt_execute() was called for, call by call."""
        calls = self._calls
        return tuple(Span.sized(c.encrypted, c.length) for c in calls) if calls else None

    def _has_live_tables(self, stop: Stop) -> bool:
        """Return whether mapping the workarea in them was over when the run ended."""
        in_vain = self._is_first_table(stop)
        return bool(self._calls) or stop.kind is StopKind.ASKED or in_vain

    def _live_tables(self) -> tuple[Mapping, ...]:
        """Return what the tables that were there at entry map besides."""
        if not any(page in _TABLES for page in self._machine.written):
            return ()
        before = self._start.entries.mapped
        pieces = self._tables.pieces(self._root)
        return joined(piece for piece in pieces if before.holding(piece[0]) is None)

    def _written(self) -> SpanSet:
        pages = (
            Span.sized(page, PAGE_SIZE)
            for page in self._machine.written
            if page not in self._stack and page not in _TABLES
        )
        moved = {
            (span.start, span.end)
            for copy in self._copies
            for span, encrypted in copy.target
            if not encrypted
        }
        return SpanSet([*pages, *(Span(*ends) for ends in moved)])

    def _encrypted(self) -> SpanSet:
        """Return what was read without the C-bit and written back with it, move after move."""
        spans: list[Span] = []
        for read, written in pairwise(self._copies):
            plainly = all(not encrypted for _, encrypted in read.source)
            so_again = all(encrypted for _, encrypted in written.target)
            through, back = _memory(read.target), _memory(written.source)
            source, target = _memory(read.source), _memory(written.target)
            if plainly and so_again and through == back and source == target:
                spans += target
        return SpanSet(spans)


def _memory(pieces: tuple[tuple[Span, bool], ...]) -> SpanSet:
    return SpanSet(span for span, _ in pieces)
