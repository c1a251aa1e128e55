"""What the page tables map that a kernel finds in force when it is started in a run.

Each kind stands for what some way of booting leaves behind. All of them map the kernel, the tables
themselves, boot_params and the command line one to one, and nothing at the kernel's link address.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from smecheck.emulation.table_walk import entry_offset, entry_size, identity_entry, table_entry
from smecheck.kernel.constants import PAGE_SIZE, PMD_SIZE, PUD_SIZE
from smecheck.record import record
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from smecheck.emulation.guest_memory import GuestMemory

LOADER_AREA = Span.sized(0xE000_0000, PMD_SIZE)
"""Where boot_params, the command line and the tables lie in a run: away from everything else."""

_BELOW_4G = Span(0, 4 << 30)
_FIRMWARE_BLOCK = 4 << 30


class EntryKind(Enum):
    """Whose tables they are."""

    STARTUP_32 = "startup_32"
    """arch/x86/boot/compressed/head_64.S: 0 to 4 GiB in 2 MiB pages."""
    DECOMPRESSOR = "decompressor"
    """arch/x86/boot/compressed/ident_map_64.c: what it unpacked, and nothing else."""
    KEXEC = "kexec"
    """machine_kexec_64.c, init_pgtable(): memory in 2 MiB pages."""
    KEXEC_GIGANTIC = "kexec, 1 GiB pages"
    """The same where the CPU has 1 GiB pages and the kernel uses them."""
    EFI_STUB = "EFI stub"
    """The firmware's own: all memory in 2 MiB pages."""
    EFI_STUB_GIGANTIC = "EFI stub, 1 GiB pages"
    KERNEL_ALONE = "kernel alone"
    """From _text to _end and nothing else: the least that a kernel can be started with."""

    @property
    def page_size(self) -> int:
        """How much an entry of these tables maps."""
        gigantic = (EntryKind.KEXEC_GIGANTIC, EntryKind.EFI_STUB_GIGANTIC)
        return PUD_SIZE if self in gigantic else PMD_SIZE


@record
class EntryMap:
    """What the tables of one run map, one to one."""

    kind: EntryKind
    mapped: SpanSet
    """In whole pages of the kind's size."""


def entry_map(kind: EntryKind, *, kernel: Span, image: Span, around: SpanSet) -> EntryMap | None:
    """Return what tables of that kind map; ``None`` where the kernel cannot be started so.

    Args:
        kind: whose tables.
        kernel: the physical range from ``_text`` to ``_end``.
        image: all that is unpacked.
        around: the workarea and the initrd, which lie in memory.
    """
    whole = around | SpanSet([kernel, image])
    match kind:
        case EntryKind.STARTUP_32:
            if not all(_BELOW_4G.covers(span) for span in whole):
                return None
            spans = SpanSet([_BELOW_4G])
        case EntryKind.DECOMPRESSOR:
            spans = SpanSet([image])
        case EntryKind.KERNEL_ALONE:
            spans = SpanSet([kernel])
        case EntryKind.KEXEC | EntryKind.KEXEC_GIGANTIC:
            spans = _blocks(whole, PUD_SIZE) | SpanSet([_BELOW_4G])
        case EntryKind.EFI_STUB | EntryKind.EFI_STUB_GIGANTIC:
            spans = _blocks(whole, _FIRMWARE_BLOCK) | SpanSet([_BELOW_4G])
    return EntryMap(kind, _blocks(spans | SpanSet([LOADER_AREA]), kind.page_size))


def write_entry_map(memory: GuestMemory, entries: EntryMap, at: Span, levels: int) -> int:
    """Write the tables, and return the address of the top-level one.

    Args:
        memory: where to write them.
        entries: what they map.
        at: the pages that may be taken for them.
        levels: 4 or 5.
    """
    free = iter(range(at.start, at.end, PAGE_SIZE))
    root = next(free)
    memory.clear(root)
    page_size = entries.kind.page_size
    leaf_level = next(level for level in (2, 3) if entry_size(level) == page_size)
    frame_size = entry_size(leaf_level + 1)
    for span in entries.mapped:
        for frame in span.frames(frame_size):
            part = span & Span.sized(frame * frame_size, frame_size)
            table = root
            for level in range(levels, leaf_level, -1):
                place = table + entry_offset(part.start, level)
                if not memory.quad(place):
                    made = next(free)
                    memory.clear(made)
                    memory.write_quad(place, table_entry(made))
                table = memory.quad(place) // PAGE_SIZE * PAGE_SIZE
            first, end = (identity_entry(address, leaf_level) for address in (part.start, part.end))
            memory.write_quads(
                table + entry_offset(part.start, leaf_level), range(first, end, page_size)
            )
    return root


def _blocks(spans: SpanSet, size: int) -> SpanSet:
    return SpanSet(span.aligned_out(size) for span in spans)
