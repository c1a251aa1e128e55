"""The machine that the code runs on: unicorn's CPU, with memory and page tables of ours.

The only file that knows unicorn. The CPU asks for every page that it is about to touch; the answer
is a walk of the page tables in the guest's memory, as a CPU would do it. So what is not mapped is a
page fault, never served, and the first write to each page is seen with the instruction that does
it. Nothing in memory is patched: what has to be answered from outside (CPUID, two MSRs) or is seen
rather than done (the copy loop that encrypts) is intercepted at its instruction.

Nothing runs for ever: instructions, translations of pages and pages are counted.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any

from smecheck.emulation.guest_memory import ARENA_SIZE, GuestMemory, MemoryUsedUp
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.record import record
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from smecheck.emulation.table_walk import Leaf, TableReader

    Action = Callable[["Machine", int], None]
    """What to do at an instruction; it is given its address."""

INSTRUCTION_LIMIT = 1_000_000
"""Of one run; repetitions of a string instruction count. Debian's kernels need less than 250,000
where the initrd has 1 GiB. Code that writes where it runs takes 3 us for each."""

_TRANSLATION_LIMIT = 20_000
"""Of one run; real ones need a few hundred."""

_SPANS_LIMIT = 20_000
"""Physical spans of all copies of one run; real ones have one or two for each of 2 MiB."""

_BLOCKS_KEPT = 16
_CODE_CACHE = 1 << 20
_INSTRUCTION_SIZE = 15
_SME_LEAF = 0x8000_001F
_HALT = 0xF4
_UNDEFINED = (b"\x0f\x0b", b"\x0f\xb9", b"\x0f\xff")
"""ud2, ud1, ud0: what a compiler puts where nothing can go on, BUG() among it."""

_RAISED = {0: "a division error", 3: "a breakpoint (int3)"}
"""Exceptions that the code itself raises, which nothing handles at that time."""


_NOWHERE = 1 << 40
"""A place of the emulator's memory where there is none."""


class Access(Enum):
    """What is done to memory."""

    READ = "reads"
    WRITE = "writes"
    EXECUTE = "executes"


class StopKind(Enum):
    """How a run of the machine ended."""

    REACHED = "reached"
    """It came to where it was to stop."""
    ASKED = "asked"
    """An action stopped it."""
    FAULT = "fault"
    """It touched what is not mapped, or raised an exception; nothing handles either."""
    UNABLE = "unable"
    """The emulator cannot go on, whatever a CPU would do."""
    STUCK = "stuck"
    """It went on for longer than any such code does, or halts."""


@record
class Stop:
    """The end of a run."""

    kind: StopKind
    instruction: int
    """Its virtual address."""
    message: str = ""
    """What happened, as a clause with the code as its subject; empty where it was reached."""
    address: int | None = None
    """What was touched in vain."""
    access: Access | None = None


@record
class Cpu:
    """An AMD CPU as far as early code asks about it."""

    encryption_bit: int
    """The position of the C-bit; 47 or 51 in CPUs that exist."""
    levels: int
    """4, or 5 where LA57 is on."""

    def answer(self, leaf: int) -> tuple[int, int, int, int]:
        """Return EAX, EBX, ECX and EDX of CPUID.

        AMD64 Architecture Programmer's Manual, volume 3, appendix E. No hypervisor bit: in guests
        SME is never used.
        """
        vendor = (0x6874_7541, 0x444D_4163, 0x6974_6E65)  # AuthenticAMD: EBX, ECX, EDX
        physical_bits = 48 if self.encryption_bit < 48 else 52
        virtual_bits = 57 if self.levels == 5 else 48
        answers = {
            0x0000_0000: (0x10, *vendor),
            0x0000_0001: (0x0080_0F12, 0, 0x0080_2201, 0x178B_FBFF),
            0x0000_0007: (0, 0, 0x1_0000 if self.levels == 5 else 0, 0),
            0x8000_0000: (_SME_LEAF, *vendor),
            0x8000_0001: (0x0080_0F12, 0, 0x75, 0x2FD3_FBFF),
            0x8000_0008: (virtual_bits << 8 | physical_bits, 0, 0, 0),
            _SME_LEAF: (0b11, self.encryption_bit | 1 << 6, 0x10, 1),
        }
        return answers.get(leaf, (0, 0, 0, 0))


_MSRS = {
    0xC001_0010: 1 << 23,  # SYSCFG, MemEncryptionModEn: the firmware allows SME
    0xC001_0131: 0,  # SEV_STATUS: no guest with encrypted memory
}
"""The model-specific registers that early code asks for SME."""


@record
class Copy:
    """A repeated string move that was seen and not done.

    Of physical memory, in order, each span with whether it was mapped with the C-bit.
    """

    source: tuple[tuple[Span, bool], ...]
    target: tuple[tuple[Span, bool], ...]


class Arena:
    """The memory that machines share, one after the other."""

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, ARENA_SIZE)
        self.bytes = memoryview(self._map)
        self.pointer = ctypes.addressof(ctypes.c_char.from_buffer(self._map))


def emulator_version() -> str:
    """Return the version of unicorn.

    Raises:
        ImportError: it is not installed.
    """
    from unicorn import unicorn_const

    known = (unicorn_const.UC_VERSION_MAJOR, unicorn_const.UC_VERSION_MINOR)
    return ".".join(map(str, (*known, unicorn_const.UC_VERSION_PATCH)))


class Machine:
    """A CPU in 64-bit mode, with paging on.

    Args:
        arena: what ``memory`` is made in.
        memory: its physical memory.
        tables: how it reads page tables.
        cpu: what it says it is.
    """

    def __init__(self, arena: Arena, memory: GuestMemory, tables: TableReader, cpu: Cpu) -> None:
        import unicorn
        from unicorn import x86_const

        self._unicorn: Any = unicorn  # its names are not exported to type checkers
        self._constants = x86_const
        self.memory = memory
        self.tables = tables
        self.written: dict[int, int] = {}
        """Physical addresses of pages that were written to, and the first instruction that did."""
        self.on_write: Callable[[Machine, int], None] | None = None
        """Called with the physical address of each page that is written to first."""
        self.root: int | None = None
        """Stop when the page tables are others than these; ``None``: any will do."""
        self.code = SpanSet()
        """Where in physical memory code may be run: no other is known to be code."""
        self._cpu = cpu
        self._numbers: dict[str, int] = {}
        self._stop: Stop | None = None
        self._translations = 0
        self._spans = 0
        self._missing = (0, Access.READ)
        self._ranges: dict[tuple[int, int, int], tuple[tuple[Span, bool], ...]] = {}
        """What was asked of memory_at() since the CPU last looked at the page tables."""
        self._interceptions: list[tuple[bytes, Action, int | None]] = []
        self._hooked: set[tuple[bytes, int]] = set()
        self._engine = self._new_engine(arena)
        self.intercept(b"\x0f\x32", _answer_msr)

    def _new_engine(self, arena: Arena) -> Any:
        unicorn = self._unicorn
        engine = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        engine.ctl_set_tcg_buffer_size(_CODE_CACHE)
        engine.ctl_set_tlb_mode(unicorn.UC_TLB_VIRTUAL)
        engine.mem_map_ptr(0, ARENA_SIZE, unicorn.UC_PROT_ALL, arena.pointer)
        engine.hook_add(unicorn.UC_HOOK_TLB_FILL, self._translate)
        engine.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED, self._not_mapped)
        engine.hook_add(unicorn.UC_HOOK_INTR, self._interrupted)
        engine.hook_add(unicorn.UC_HOOK_INSN_INVALID, self._invalid)
        cpuid = self._constants.UC_X86_INS_CPUID
        engine.hook_add(unicorn.UC_HOOK_INSN, self._identify, None, 1, 0, cpuid)
        return engine

    def get(self, register: str) -> int:
        """Return a register by its name: ``rax``, ``cr3``."""
        value: int = self._engine.reg_read(self._number(register))
        return value

    def get_all(self, *registers: str) -> tuple[int, ...]:
        """Return several of them at once, which takes less."""
        return tuple(self._engine.reg_read_batch([self._number(name) for name in registers]))

    def set(self, **registers: int) -> None:
        """Set registers by their names; ``cr3`` forgets all translations, ``rip`` jumps."""
        for name, value in registers.items():
            self._engine.reg_write(self._number(name), value)

    def run(self, start: int, end: int) -> Stop:
        """Run from ``start`` until ``end`` is reached, or something else ends it."""
        self._stop = None
        self._translations = 0
        try:
            self._engine.emu_start(start, end, 0, INSTRUCTION_LIMIT)
        except self._unicorn.UcError as error:
            self._end(StopKind.UNABLE, f"makes the emulator stop: {error}")
        instruction = self.get("rip")
        halts = self.bytes_at(instruction - 1)[:1] == bytes([_HALT])
        message = "halts" if halts else f"runs for more than {INSTRUCTION_LIMIT} instructions"
        kind = StopKind.REACHED if instruction == end else StopKind.STUCK
        return self._stop or Stop(kind, instruction, "" if instruction == end else message)

    def at(self, address: int, action: Action) -> None:
        """Take an action whenever the instruction at a virtual address is about to run."""
        self._engine.hook_add(
            self._unicorn.UC_HOOK_CODE,
            lambda _engine, place, _size, _data: action(self, place),
            None,
            address,
            address,
        )

    def trace(self) -> deque[int]:
        """Keep where the blocks of code begin that are run; what is returned holds the last."""
        blocks: deque[int] = deque(maxlen=_BLOCKS_KEPT)
        self._engine.hook_add(
            self._unicorn.UC_HOOK_BLOCK, lambda _engine, place, _size, _data: blocks.append(place)
        )
        return blocks

    def intercept(self, code: bytes, action: Action, page: int | None = None) -> None:
        """Take an action whenever an instruction that begins with ``code`` is about to run.

        Args:
            code: its first bytes.
            action: what to do.
            page: the virtual address of the only page in which to look for it.
        """
        self._interceptions.append((code, action, page))

    def stop(self, message: str) -> None:
        """End the run; for actions."""
        self._end(StopKind.ASKED, message)

    def fault(self, address: int, access: Access) -> None:
        """End the run by a page fault; for actions that do what an instruction would."""
        place = self.get("rip")
        message = f"{access.value} {address:#x}, which the page tables in force do not map"
        self._finish(Stop(StopKind.FAULT, place, message, address, access))

    def translate(self, address: int) -> Leaf | None:
        """Return what a virtual address is mapped to by the tables in force."""
        return self.tables.walk(self.get("cr3"), address)

    def read(self, address: int, size: int) -> bytes:
        """Return bytes at a virtual address, as many of them as are mapped."""
        found = b""
        while len(found) < size:
            leaf = self.translate(address + len(found))
            if leaf is None:
                break
            found += self.memory.read(leaf.physical, min(size - len(found), leaf.room))
        return found

    def bytes_at(self, instruction: int) -> bytes:
        """Return the bytes of an instruction and what follows it."""
        try:
            return self.read(instruction, _INSTRUCTION_SIZE)
        except MemoryUsedUp:
            return b""

    def memory_at(
        self, cr3: int, address: int, size: int, access: Access
    ) -> tuple[tuple[Span, bool], ...] | None:
        """Return the physical spans of a virtual range, and whether each is mapped encrypted.

        Returns:
            ``None`` where a part is not mapped, which ends the run as a page fault does, or where
            there are too many pieces, which ends it as well.
        """
        asked = (cr3, address, size)
        if asked in self._ranges:
            return self._ranges[asked]
        spans: list[tuple[Span, bool]] = []
        while size:
            leaf = self.tables.walk(cr3, address)
            if leaf is None:
                self.fault(address, access)
                return None
            part = min(size, leaf.room)
            start = leaf.physical
            if spans and spans[-1][0].end == start and spans[-1][1] == leaf.encrypted:
                start = spans.pop()[0].start
            spans.append((Span(start, leaf.physical + part), leaf.encrypted))
            address, size = address + part, size - part
        self._spans += len(spans)
        if self._spans > _SPANS_LIMIT:
            self._end(StopKind.STUCK, "copies memory in more pieces than any such code does")
            return None
        self._ranges[asked] = tuple(spans)
        return self._ranges[asked]

    def _number(self, register: str) -> int:
        number = self._numbers.get(register)
        if number is None:
            number = getattr(self._constants, f"UC_X86_REG_{register.upper()}")
            self._numbers[register] = number
        return number

    def _translate(self, _engine: Any, address: int, access: int, entry: Any, _data: Any) -> bool:
        """Answer for a page that is not translated yet, or not for writing."""
        self._translations += 1
        self._ranges.clear()
        if self._translations > _TRANSLATION_LIMIT:
            self._end(StopKind.STUCK, "makes the CPU look up pages without end")
            return False
        cr3 = self.get("cr3")
        if self.root is not None and self.tables.root(cr3) != self.root:
            self._end(StopKind.ASKED, "switches to other page tables")
            return False
        kind = self._access(access)
        try:
            leaf = self.tables.walk(cr3, address)
            if leaf is None or (kind is Access.EXECUTE and not leaf.executable):
                # The access itself is then seen to fail, with its exact address.
                self._missing = (address // PAGE_SIZE * PAGE_SIZE, kind)
                entry.paddr, entry.perms = _NOWHERE, self._unicorn.UC_PROT_ALL
                return True
            if kind is Access.EXECUTE and self.code.holding(leaf.physical) is None:
                self._end(StopKind.UNABLE, f"jumps to {address:#x}, where there is no kernel code")
                return False
            entry.paddr = self.memory.place(leaf.physical)
        except MemoryUsedUp:
            self._end(StopKind.STUCK, "touches more memory than any such code does")
            return False
        protection = self._unicorn
        entry.perms = protection.UC_PROT_READ | protection.UC_PROT_EXEC
        if kind is Access.WRITE:
            entry.perms |= protection.UC_PROT_WRITE
            self._note_write(leaf.physical // PAGE_SIZE * PAGE_SIZE)
        elif kind is Access.EXECUTE:
            self._look_for_code(address // PAGE_SIZE * PAGE_SIZE)
        return self._stop is None

    def _not_mapped(
        self, _engine: Any, _access: int, place: int, _size: int, _value: int, _data: Any
    ) -> bool:
        page, access = self._missing
        self.fault(page + place % PAGE_SIZE, access)
        return False

    def _note_write(self, page: int) -> None:
        if page not in self.written:
            self.written[page] = self.get("rip")
            if self.on_write is not None:
                self.on_write(self, page)

    def _look_for_code(self, page: int) -> None:
        """Find the instructions to intercept on a page that is about to run.

        An instruction may end on the next page; one that only seems to begin here never runs.
        """
        content = self.read(page, PAGE_SIZE + _INSTRUCTION_SIZE)
        for code, action, only in self._interceptions:
            if only not in (None, page):
                continue
            at = content.find(code)
            while 0 <= at < PAGE_SIZE:
                if (code, page + at) not in self._hooked:
                    self._hooked.add((code, page + at))
                    self.at(page + at, action)
                at = content.find(code, at + 1)

    def _access(self, access: int) -> Access:
        unicorn = self._unicorn
        known = {
            unicorn.UC_MEM_READ: Access.READ,
            unicorn.UC_MEM_WRITE: Access.WRITE,
            unicorn.UC_MEM_FETCH: Access.EXECUTE,
        }
        return known.get(access, Access.READ)

    def _identify(self, _engine: Any, _data: Any) -> int:
        answer = self._cpu.answer(self.get("eax"))
        self.set(**dict(zip(("rax", "rbx", "rcx", "rdx"), answer, strict=True)))
        return 1

    def _interrupted(self, _engine: Any, vector: int, _data: Any) -> None:
        if vector in _RAISED:
            self._end(StopKind.FAULT, f"raises {_RAISED[vector]}")
        else:
            self._end(StopKind.UNABLE, f"raises exception {vector}")

    def _invalid(self, _engine: Any, _data: Any) -> bool:
        code = self.bytes_at(self.get("rip"))
        if code.startswith(_UNDEFINED):
            self._end(StopKind.FAULT, "executes an undefined instruction (ud2), as BUG() does")
        else:
            self._end(
                StopKind.UNABLE,
                f"executes an instruction that the emulator does not know: {code.hex()}",
            )
        return False

    def _end(self, kind: StopKind, message: str) -> None:
        self._finish(Stop(kind, self.get("rip"), message))

    def _finish(self, stop: Stop) -> None:
        if self._stop is None:
            self._stop = stop
        self._engine.emu_stop()


def _answer_msr(machine: Machine, place: int) -> None:
    """Answer RDMSR for the registers that say whether SME may be used."""
    value = _MSRS.get(machine.get("ecx"))
    if value is not None:
        machine.set(rax=value & 0xFFFF_FFFF, rdx=value >> 32, rip=place + 2)


def release() -> None:
    """Free the machines that are no longer used.

    They refer to themselves through their actions, and smecheck runs without the collector.
    """
    gc.collect()
