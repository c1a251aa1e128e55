"""How the kernel is started in one run: where, with which tables, CPU and initrd."""

from __future__ import annotations

from smecheck.emulation.entry_map import EntryMap
from smecheck.quantity import address_text, size_text
from smecheck.record import record
from smecheck.span import Span


@record
class Start:
    """The start of one run. Addresses are physical."""

    base: int
    """Of ``_text``."""
    levels: int
    """Of the page tables: 4 or 5."""
    encryption_bit: int
    """Position of the C-bit."""
    entries: EntryMap
    """What the page tables at entry map."""
    initrd: Span | None
    until_tables: bool = False
    """Stop where the new page tables are begun: the tables at entry show then how far the workarea
    is mapped, whatever the size of the initrd."""

    @property
    def text(self) -> str:
        """The start in a line."""
        initrd = "no initrd"
        if self.initrd is not None:
            initrd = f"initrd {size_text(self.initrd.size)} at {address_text(self.initrd.start)}"
        return (
            f"kernel at {address_text(self.base)}, {self.levels} levels, "
            f"tables of {self.entries.kind.value}, C-bit {self.encryption_bit}, {initrd}"
        )
