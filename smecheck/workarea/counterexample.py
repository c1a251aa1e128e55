"""Where a proof fails: a machine and a load in which the workarea surely collides.

The loader keeps its word there. It reserves for the kernel what that way of loading reserves, and
puts the next thing directly after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.kaslr.variants import kaslr_variants
from smecheck.evidence import Known, Unknown, value_of, why
from smecheck.kernel.constants import PAGE_SIZE, PMD_SIZE
from smecheck.kernel.generations import GENERATION_RULES
from smecheck.load.segments import Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.machine.memory import Region
from smecheck.record import record
from smecheck.span import Span, align_up
from smecheck.workarea.decompressor_view import decompressor_view
from smecheck.workarea.placement import Extents
from smecheck.workarea.proven import Counterexample, Way

if TYPE_CHECKING:
    from smecheck.case import Located

_PLACE = 0x10000000
"""256 MiB: RAM on every machine, above every default of CONFIG_PHYSICAL_START."""

_LOW_RAM = Span(PAGE_SIZE, 0xA0000)
"""Conventional memory without its first page, as /proc/iomem shows it."""

_LOW_BOOT_PARAMS = Span.sized(0x98000, 2 * PAGE_SIZE)
"""Where kexec_file_load of v6.1 puts boot_params: out of the way."""


@record
class Failing:
    """A kernel whose proof fails."""

    located: Located
    extents: Extents
    """Offsets from ``_text``, of any machine."""

    def counterexample(self, way: Way, reserved_end: int) -> Counterexample | None:
        """Return a load in which ``way`` reserves no more than ``reserved_end``.

        ``None`` where the place of the kernel is not known, or where only such memory is left open
        as is mapped and nothing more.
        """
        base = self._base(way, reserved_end)
        if base is None:
            return None
        condition, first_free = None, reserved_end
        if way.rules.looks_for_slots:
            condition, first_free = self._beyond_needed_size(reserved_end)
            first_free += self._refused_gap()
        elif way.rules.has_decompressor and self.located.reserved.init_size_is_bound:
            condition = "init_size is no more than the least it can be"
        victim = self._victim(base, first_free)
        if victim is None:
            return None
        segments = self._load(way, base, reserved_end, victim)
        return Counterexample(
            load_address=base,
            segments=SegmentList(
                source="counterexample",
                segments=tuple(sorted(segments, key=lambda segment: segment.span)),
                loader=Unknown("a counterexample"),
                mode=Unknown("a counterexample"),
                cmdline=Known(_cmdline(way), "counterexample"),
            ),
            memory=_memory(max(segment.span.end for segment in segments), self.extents, base),
            condition=condition,
        )

    def _base(self, way: Way, reserved_end: int) -> int | None:
        if not way.rules.has_decompressor:
            return min((load.paddr for load in self.located.image.loads), default=None)
        lowest = self.located.rules.load_physical_address
        if isinstance(lowest, Unknown):
            return None
        if not self.located.rules.relocatable.value:
            return lowest.value
        alignment = self.located.rules.alignment.value
        packed = 0
        if way.rules.unpacks_elsewhere:
            packed = align_up(lowest.value, alignment) + self._segment_size(reserved_end)
        return align_up(max(_PLACE, lowest.value, packed), alignment)

    def _beyond_needed_size(self, needed_size: int) -> tuple[str | None, int]:
        """Return where KASLR reserves nothing any more, and on what condition."""
        located = self.located
        view = decompressor_view(located.image, located.facts, located.reserved).needed_size
        most = view.value.most if isinstance(view, Known) else None
        is_exact = isinstance(view, Known) and view.value.value == most
        if most is not None and (is_exact or self._offers_harm(most)):
            return None, most
        return f"needed_size is the least it can be: {why(view)}", needed_size

    def _refused_gap(self) -> int:
        """Return how far beyond the kernel something must lie for the place to be a slot."""
        rules = kaslr_variants(self.located.image, self.located.facts).rules
        return 0 if all(rule.keeps_exact_gap for rule in rules) else PAGE_SIZE

    def _offers_harm(self, first_free: int) -> bool:
        """Return whether something that begins at ``first_free`` would be harmed."""
        generations = self.located.facts.generations
        encrypts_initrd = any(GENERATION_RULES[g].encrypts_initrd for g in generations)
        end = self.extents.mapped_end if encrypts_initrd else self.extents.written_end
        return first_free < end

    def _victim(self, base: int, first_free: int) -> Segment | None:
        """Return what lies directly after what is reserved: boot_params, or else the initrd.

        boot_params is harmed where the workarea is surely written. An initrd is harmed wherever it
        shares a mapped 2 MiB frame that it does not cover as a whole.
        """
        if not self._offers_harm(first_free):
            return None
        whole_pages = align_up(first_free, PAGE_SIZE)
        if self._offers_harm(whole_pages):
            first_free = whole_pages
        start = max(first_free, self.extents.start)
        if start < self.extents.written_end:
            return _segment(SegmentRole.BOOT_PARAMS, Span.sized(base + start, PAGE_SIZE))
        if (base + start) % PMD_SIZE == 0:
            start += PAGE_SIZE
        size = self.located.boot.initrd.size or PAGE_SIZE
        return _segment(SegmentRole.INITRD, Span.sized(base + start, size), size)

    def _load(self, way: Way, base: int, reserved_end: int, victim: Segment) -> list[Segment]:
        """Return the whole load: the kernel, the victim, and boot_params and initrd if others."""
        after = align_up(max(base + self.extents.mapped_end, victim.span.end), PMD_SIZE)
        segments = [victim]
        if victim.role is SegmentRole.INITRD:
            segments.append(_segment(SegmentRole.BOOT_PARAMS, _LOW_BOOT_PARAMS))
        elif self.located.boot.initrd.size:
            initrd = Span.sized(after, self.located.boot.initrd.size)
            segments.append(_segment(SegmentRole.INITRD, initrd, self.located.boot.initrd.size))
            after = align_up(initrd.end, PMD_SIZE)
        if not way.rules.has_decompressor:
            loads = (Span.sized(load.paddr, load.memsz) for load in self.located.image.loads)
            kernel = [span.aligned_out(PAGE_SIZE) for span in loads]
        elif way.rules.unpacks_elsewhere:
            # The packed kernel and its buffer stay where the loader put them: KASLR goes no lower.
            rules = self.located.rules
            lowest = align_up(value_of(rules.load_physical_address) or 0, rules.alignment.value)
            kernel = [Span.sized(lowest, self._segment_size(reserved_end))]
        else:
            kernel = [Span.sized(base, max(PAGE_SIZE, align_up(reserved_end, PAGE_SIZE)))]
        return segments + [_segment(SegmentRole.KERNEL, span) for span in kernel]

    def _segment_size(self, needed_size: int) -> int:
        init_size = self.located.reserved.init_size
        size = init_size.value if isinstance(init_size, Known) else needed_size
        return max(PAGE_SIZE, align_up(size, PAGE_SIZE))


def _cmdline(way: Way) -> str:
    return "mem_encrypt=on" if way.rules.unpacks_elsewhere else "nokaslr mem_encrypt=on"


def _segment(role: SegmentRole, span: Span, size: int | None = None) -> Segment:
    return Segment(role, span, size, SegmentOrigin.DESCRIPTION, "counterexample")


def _memory(load_end: int, extents: Extents, base: int) -> tuple[Region, ...]:
    """Return the least machine on which all that lies in memory."""
    ram_end = align_up(max(load_end, base + extents.mapped_end), PMD_SIZE)
    spans = (
        ("Reserved", Span(0, _LOW_RAM.start)),
        ("System RAM", _LOW_RAM),
        ("System RAM", Span(0x100000, ram_end)),
    )
    return tuple(Region(name, span, 0, line) for line, (name, span) in enumerate(spans, 1))
