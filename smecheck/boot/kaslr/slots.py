"""Physical KASLR: the places that a decompressor may choose from."""

from __future__ import annotations

from enum import Enum

from smecheck.evidence import Fact, Unknown
from smecheck.record import record


class LimitRule(Enum):
    """What ``mem=`` and ``memmap=nn`` do to the highest address."""

    LAST = "last"
    """The last one on the command line counts; without one there is no limit."""
    LOWEST = "lowest"
    """The lowest one counts, and never more than MAXMEM."""


class GiganticRule(Enum):
    """How memory for ``hugepagesz=1G hugepages=N`` is left alone."""

    NOT_KNOWN_TO_IT = "none"
    """The option means nothing to this decompressor."""
    KEEPS_LAST = "keeps-last"
    """Whole GiBs are skipped while more than 1 GiB is left: a last one of exactly 1 GiB stays."""
    SKIPS_ALL = "skips-all"
    """Every whole GiB is skipped, up to N."""


@record
class KaslrRules:
    """The variant of choose_random_location() that a kernel has."""

    rounds_size: bool
    """The size that is looked for is rounded up to 2 MiB."""
    keeps_exact_gap: bool
    """A gap in front of an avoided range is used even if it is exactly as large as the kernel."""
    limit: LimitRule
    gigantic: GiganticRule
    avoids_indirect: bool
    """Targets of SETUP_INDIRECT are avoided too."""
    reads_fake_mem: bool
    """``efi_fake_mem=`` with the attribute EFI_MEMORY_SP is avoided like ``memmap=``."""
    cuts_command_line: bool
    """Only COMMAND_LINE_SIZE - 1 bytes of the command line count."""
    wide_counts: bool
    """Slots of an area are counted in 64 bits, not in 32 with a sign."""
    reads_efi: bool
    """CONFIG_EFI: an EFI memory map takes the place of the e820 table."""
    skips_soft_reserved: bool
    """EFI ranges with the attribute EFI_MEMORY_SP are left out (CONFIG_EFI_SOFT_RESERVE)."""
    takes_unaccepted: bool
    """EFI ranges of the type "unaccepted" count as free (CONFIG_UNACCEPTED_MEMORY)."""
    filters_srat: bool
    """Regions are cut down to the memory of the SRAT (CONFIG_MEMORY_HOTREMOVE and CONFIG_ACPI)."""
    reads_handover: bool
    """After a kexec handover only its scratch areas are searched (CONFIG_KEXEC_HANDOVER)."""
    srat_capacity: int
    """That many memory ranges in the SRAT, or more, switch the filter off: 2 * MAX_NUMNODES."""


@record
class SlotArea:
    """Slots one after the other: ``count`` of them from ``start`` on, an alignment apart."""

    start: int
    count: int


@record
class Slots:
    """All slots that a decompressor chooses from, each as likely as the other."""

    areas: tuple[SlotArea, ...]
    """In the order in which it finds them; they may repeat each other."""
    alignment: int
    """Bytes from slot to slot: CONFIG_PHYSICAL_ALIGN."""
    image_size: int
    """Bytes that are reserved for the kernel from each slot on."""
    reason: str
    """Why there are none, or what they were found in."""

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(area.count for area in self.areas)

    @property
    def lowest(self) -> int | None:
        """The lowest slot."""
        return min((area.start for area in self.areas), default=None)

    @property
    def highest(self) -> int | None:
        """The highest slot."""
        return max((self.last_of(area) for area in self.areas), default=None)

    def last_of(self, area: SlotArea) -> int:
        """Return the last slot of an area."""
        return area.start + (area.count - 1) * self.alignment

    def __contains__(self, address: int) -> bool:
        return any(
            area.start <= address <= self.last_of(area)
            and (address - area.start) % self.alignment == 0
            for area in self.areas
        )


@record
class SlotRun:
    """Some of the slots: ``count`` of them from ``first`` on, ``step`` bytes apart."""

    first: int
    count: int
    step: int

    @property
    def last(self) -> int:
        """The last of them."""
        return self.first + (self.count - 1) * self.step


@record
class PossibleBases:
    """All places of ``_text``, by every variant of the search that the kernel may have."""

    slots: tuple[Slots, ...]
    unmoved: Fact[int]
    """Where the kernel stays if KASLR does not move it; where it is not known, that is anywhere."""
    may_stay: bool

    def __contains__(self, address: int) -> bool:
        if any(address in slots for slots in self.slots):
            return True
        if not self.may_stay and all(slots.count for slots in self.slots):
            return False
        return isinstance(self.unmoved, Unknown) or address == self.unmoved.value

    @property
    def count(self) -> int:
        """How many slots there are, by the likeliest variant."""
        return self.slots[0].count


@record
class SlotCollision:
    """What some of the slots collide with."""

    rule: str
    """The rule that has it: ``SME001``."""
    phrase: str
    """What that says of the workarea; empty: it collides with ``other``."""
    other: str
    """What is met: ``initrd``."""
    count: int
    lowest: int
    highest: int
    runs: tuple[SlotRun, ...] = ()
    """Exactly which slots: those next to each other as one run, ascending."""


@record
class Collisions:
    """The slots at which something is met; each counts once, whatever it meets."""

    count: int
    lowest: int | None
    highest: int | None
    by_rule: tuple[SlotCollision, ...]


@record
class KaslrSweep:
    """Where KASLR may put the kernel, and what it meets there."""

    slots: Slots
    collisions: Collisions | None
    """``None`` where the extents of the workarea are not known."""
    unmoved: Fact[int]
    """Where the kernel is unpacked, and stays if there are no slots."""
    minimum: int
    limit: int
    may_stay: str | None
    """Why the kernel may stay although there are slots; ``None`` where it cannot."""
    bounds: tuple[str, ...]
    """What is not known that could only take slots away."""
    differences: tuple[str, ...]
    """What other variants of the search would come to."""
    premises: tuple[str, ...]

    @property
    def clear_fraction(self) -> float | None:
        """How many of the slots are clear, from 0 to 1."""
        if self.collisions is None or not self.slots.count:
            return None
        return 1 - self.collisions.count / self.slots.count
