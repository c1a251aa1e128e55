"""What a dump says of the kernel whose memory it holds."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.constants import START_KERNEL_MAP
from smecheck.record import record


@record
class VmcoreNotes:
    """The notes of a vmcore, as far as they are about where the kernel was and what it was."""

    source: str
    release: Fact[str]
    sme_mask: Fact[int]
    """The C-bit; 0 where the kernel that crashed did not use SME."""
    phys_base: Fact[int]
    """What is added to an offset in the kernel's mapping for its physical address."""
    stext: Fact[int]
    """The virtual address of ``_stext``."""

    @property
    def text(self) -> Fact[int]:
        """The physical address of ``_text``: of the kernel that crashed."""
        # arch/x86/mm/physaddr.c, __phys_addr(): x - __START_KERNEL_map + phys_base.
        if isinstance(self.stext, Known) and isinstance(self.phys_base, Known):
            at = self.stext.value - START_KERNEL_MAP + self.phys_base.value
            if at >= 0:
                return Known(at, f"{self.stext.origin}, {self.phys_base.origin}")
            return Unknown(f"{self.phys_base.origin} contradicts {self.stext.origin}")
        return self.stext if isinstance(self.stext, Unknown) else Unknown("phys_base is not said")
