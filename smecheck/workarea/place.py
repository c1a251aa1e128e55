"""The workarea under both schemes: what this kernel does, and what the other one would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.boot.boot import ANY_INITRD, NO_INITRD_ASSUMED, Boot, Initrd
from smecheck.evidence import Fact, Known, Step, Unknown, value_of
from smecheck.kernel.constants import PAGE_SIZE, PMD_SIZE, SECTION_SIZE
from smecheck.kernel.generations import (
    GENERATION_RULES,
    GenerationRules,
    generations_of,
)
from smecheck.kernel.identity import is_since
from smecheck.kernel.image import Scheme
from smecheck.load.segments import SegmentRole
from smecheck.quantity import size_text
from smecheck.record import record, replace
from smecheck.remembered import remembered
from smecheck.span import Span
from smecheck.workarea.arithmetic import KernelLayout, Reach, reach_anywhere, reach_at
from smecheck.workarea.entry_tables import reached, tables_at_entry
from smecheck.workarea.ownership import moved_by_kaslr, owner_by_image, owner_by_load
from smecheck.workarea.placement import Extents, Owner, Placement, TablesAtEntry

if TYPE_CHECKING:
    from smecheck.case import Located
    from smecheck.kernel.facts import KernelFacts

_FROM_THE_LEAST = ("pgtable_pages", "written_end")
"""Steps of a derivation that come from the candidate that writes least."""

_LANDING = "arch/x86/boot/compressed/head_64.S, or where the kernel was seen to run"


def place(located: Located, *, derives: bool = True) -> Placement:
    """Place the workarea under the kernel's own scheme; where that is not known, after its end.

    Args:
        located: the kernel, and where it runs.
        derives: whether to say how the numbers follow.
    """
    if located.scheme is None:
        return _place(located, Scheme.AFTER_END, actual=False, derives=derives)
    return _place(located, located.scheme, actual=True, derives=derives)


def place_both(located: Located, placement: Placement) -> tuple[Placement, Placement]:
    """Return the workarea under the after-end scheme and under the section scheme, in this order.

    Args:
        located: the kernel.
        placement: as :func:`place` returns it.
    """
    if placement.scheme.rules.is_section:
        return _place(located, Scheme.AFTER_END, actual=False), placement
    return placement, _place(located, Scheme.INIT_SCRATCH, actual=False)


@record
class Reached:
    """How far the workarea of a kernel reaches that runs at one place."""

    extents: Extents
    """Physical."""
    is_exact: bool
    """Whether nothing after ``written_end`` is written."""
    tables: TablesAtEntry


def reached_at(located: Located, base: int) -> Reached:
    """Say how far the workarea of the kernel's own scheme reaches from a ``_text`` at ``base``.

    It is what a placement there would say, without the words.

    Raises:
        ValueError: the scheme of the kernel, or its size, is not known.
    """
    scheme = located.scheme
    candidates = None if scheme is None else _candidates(located, scheme, actual=True)
    if candidates is None or isinstance(candidates, Unknown):
        raise ValueError("nothing shows where the workarea of this kernel lies")
    where = Known(base, "an address that was asked for")
    boot = replace(located.boot, kernel_base=where, base_is_certain=True)
    reaches = candidates.reaches(base)
    tables = _tables_at_entry(replace(located, boot=boot), _of_all(reaches), base, candidates)
    extents, _ = _with_added(_of_all(reaches), tables)
    is_exact = isinstance(_exactness(boot.initrd, reaches, candidates, tables), Known)
    return Reached(extents, is_exact, tables)


def decisive_for_reach(located: Located) -> tuple[object, ...]:
    """Return all that :func:`reached_at` goes by, but for the address.

    What is the same object, or equal if it is small, is the same. Page tables at entry map whole
    2 MiB frames, so where in its frame a segment begins does not matter.
    """
    boot, segments = located.boot, located.segments
    initrd = boot.initrd
    numbers = [value_of(boot.paging) or 0, value_of(boot.load_address) or 0, initrd.size]
    numbers += (-1, -1) if initrd.span is None else (initrd.span.start, initrd.span.end)
    for segment in segments.segments if segments is not None else ():
        frames = segment.span.aligned_out(PMD_SIZE)
        own_table = _OWN_TABLES.index(segment.role) if segment.role in _OWN_TABLES else -1
        numbers += (frames.start, frames.end, own_table)
    return (
        located.image,
        located.facts,
        located.reserved,
        located.rules,
        located.host,
        located.memory,
        boot.path,
        isinstance(boot.load_address, Known),
        located.without_decompressor,
        None if segments is None else value_of(segments.loader),
        tuple(numbers),
    )


_OWN_TABLES = (SegmentRole.KERNEL, SegmentRole.BOOT_PARAMS)
"""What a decompressor maps by itself."""


@record
class _Candidates:
    """The combinations of generation and paging that the evidence leaves open."""

    layout: KernelLayout
    rules: tuple[GenerationRules, ...]
    levels: tuple[int, ...]
    """Of the page tables."""
    initrd: Initrd

    def anywhere(self) -> list[Reach]:
        """Return the extents of each combination as offsets from ``_text``."""
        return [
            reach_anywhere(self.layout, rules, levels=levels, initrd=self.initrd)
            for rules in self.rules
            for levels in self.levels
        ]

    def reaches(self, base: int) -> list[Reach]:
        """Return the physical extents of each combination."""
        return [
            reach_at(base, self.layout, rules, levels=levels, initrd=self.initrd)
            for rules in self.rules
            for levels in self.levels
        ]


def _of_all(reaches: list[Reach]) -> Extents:
    """Return what holds for all candidates.

    Surely written is what all of them write, at worst is what any of them may.
    """
    least = _least(reaches).extents.written_end
    return replace(_worst(reaches).extents, written_end=least)


def _steps_of_all(reaches: list[Reach]) -> tuple[Step, ...]:
    """Return how that follows."""
    worst, least = _worst(reaches).steps, _least(reaches).steps
    return (
        *(step for step in worst if step.name not in _FROM_THE_LEAST),
        *(step for step in least if step.name in _FROM_THE_LEAST),
    )


def _worst(reaches: list[Reach]) -> Reach:
    return max(reaches, key=lambda reach: reach.extents.worst_end)


def _least(reaches: list[Reach]) -> Reach:
    return min(reaches, key=lambda reach: reach.extents.written_end)


def _exactness(
    initrd: Initrd, reaches: list[Reach], candidates: _Candidates, tables: TablesAtEntry
) -> Fact[str]:
    """Say why nothing after ``written_end`` is written, or why that is not known."""
    if initrd.size and initrd.span is None:
        return Unknown("the place of the initrd is not known")
    if initrd.span is not None and initrd.span.start % PAGE_SIZE:
        return Unknown("the initrd does not begin on a page")
    if 5 in candidates.levels and not all(rules.builds_five_levels for rules in candidates.rules):
        return Unknown("this code builds 4-level tables under 5-level paging")
    if len({reach.extents.written_end for reach in reaches}) > 1:
        return Unknown("the candidates for generation and paging differ")
    if isinstance(tables.added, Unknown):
        return tables.added
    return Known(tables.added.origin, "page tables at entry")


def placed_anywhere(located: Located) -> Extents | None:
    """Return the offsets of the workarea from ``_text``, as far as they do not depend on the place.

    ``None`` where the scheme of the kernel, or its size, is not known.
    """
    scheme = located.scheme
    return None if scheme is None else _anywhere(located, scheme, located.boot.initrd)


def offsets_anywhere(located: Located, scheme: Scheme) -> Extents | None:
    """Return the extents of the kernel's own ``scheme`` as offsets, whatever the machine.

    An initrd that nothing is known of may have up to 1 GiB.
    """
    initrd = located.boot.initrd
    return _anywhere(located, scheme, ANY_INITRD if initrd == NO_INITRD_ASSUMED else initrd)


def _anywhere(located: Located, scheme: Scheme, initrd: Initrd) -> Extents | None:
    span = initrd.span
    numbers = (initrd.size,) if span is None else (initrd.size, span.start, span.end)
    return _offsets(located.facts, scheme, _levels_of(located.boot), numbers)


@remembered
def _offsets(
    facts: KernelFacts, scheme: Scheme, levels: tuple[int, ...], initrd: tuple[int, ...]
) -> Extents | None:
    """Return what the candidates reach; ``initrd`` is its size, and its start and end if known."""
    size, *place = initrd
    where = Initrd(Span(*place) if place else None, size, "as it was found")
    candidates = _candidates_of(facts, scheme, levels, where, actual=True)
    return None if isinstance(candidates, Unknown) else _of_all(candidates.anywhere())


def _candidates(located: Located, scheme: Scheme, *, actual: bool) -> _Candidates | Unknown:
    levels, initrd = _levels_of(located.boot), located.boot.initrd
    return _candidates_of(located.facts, scheme, levels, initrd, actual=actual)


def _levels_of(boot: Boot) -> tuple[int, ...]:
    return (boot.paging.value,) if isinstance(boot.paging, Known) else (4, 5)


def _candidates_of(
    facts: KernelFacts, scheme: Scheme, levels: tuple[int, ...], initrd: Initrd, *, actual: bool
) -> _Candidates | Unknown:
    layout = _layout(facts, scheme, actual=actual)
    if isinstance(layout, Unknown):
        return layout
    # Of a scheme that the kernel does not have, the newest is computed.
    generations = facts.generations if actual else generations_of(scheme)[-1:]
    rules = tuple(GENERATION_RULES[generation] for generation in generations)
    return _Candidates(layout, rules, levels, initrd)


def _place(located: Located, scheme: Scheme, *, actual: bool, derives: bool = True) -> Placement:
    candidates = _candidates(located, scheme, actual=actual)
    if isinstance(candidates, Unknown):
        why = candidates.reason
        return Placement(
            scheme=scheme,
            actual=actual,
            extents=None,
            offsets=None,
            written_is_exact=False,
            reason=why,
            owner=Owner.UNKNOWN,
            owner_reason=why,
            derivation=(),
        )
    base = located.boot.kernel_base
    extents: Extents | None = None
    tables: TablesAtEntry | None = None
    if isinstance(base, Unknown):
        reaches = candidates.anywhere()
        offsets = _of_all(reaches)
        steps = _steps_of_all(reaches) if derives else ()
        exact, reason = False, base.reason
    else:
        reaches = candidates.reaches(base.value)
        extents = _of_all(reaches)
        tables = _tables_at_entry(located, extents, base.value, candidates)
        extents, added = _with_added(extents, tables)
        offsets = extents.moved(-base.value)
        first = Step("kernel_base", base.value, base.origin, _LANDING)
        steps = (first, *_steps_of_all(reaches), *added) if derives else ()
        known = _exactness(located.boot.initrd, reaches, candidates, tables)
        exact = isinstance(known, Known)
        reason = (
            f"written_end is exact: {known.value}"
            if isinstance(known, Known)
            else f"written_end is a floor: {known.reason}"
        )
    owner, owner_reason = _owner(located, offsets, extents, scheme, actual=actual)
    if not actual:
        reason = f"{_would_be(scheme, located, candidates.layout)}; {reason}"
    return Placement(
        scheme=scheme,
        actual=actual,
        extents=extents,
        offsets=offsets,
        written_is_exact=exact,
        reason=reason,
        owner=owner,
        owner_reason=owner_reason,
        derivation=steps,
        tables=tables,
    )


def _layout(facts: KernelFacts, scheme: Scheme, *, actual: bool) -> KernelLayout | Unknown:
    if isinstance(facts.text, Unknown):
        return facts.text
    if isinstance(facts.end, Unknown):
        return facts.end
    end_offset = facts.end.value - facts.text.value
    if scheme.rules.follows_end:
        return KernelLayout(end_offset, None)
    if actual and facts.section is not None:
        return KernelLayout(end_offset, facts.section.address - facts.text.value)
    # v5.3 vmlinux.lds.S: . = ALIGN(HPAGE_SIZE) directly after _end.
    return KernelLayout(end_offset, KernelLayout(end_offset, None).kernel_size)


def _tables_at_entry(
    located: Located, extents: Extents, base: int, candidates: _Candidates
) -> TablesAtEntry:
    section, in_section = located.facts.section, all(rules.in_section for rules in candidates.rules)
    if in_section and section is not None and section.type == "PROGBITS":
        return reached("the section was unpacked there with the image")
    # v5.10, 8570978ea030: a decompressor that always builds its own tables.
    may_build_own = in_section or is_since(located.image.release, (5, 10))
    output_len, needed_size = located.image.header.output_len, located.reserved.needed_size
    size = value_of(output_len if may_build_own else needed_size) or 0
    return tables_at_entry(
        located,
        Span(base, extents.in_place.start),
        extents.mapped,
        levels=candidates.levels,
        unpacked=Span.sized(base, size),
        may_build_own=may_build_own,
    )


def _with_added(extents: Extents, tables: TablesAtEntry) -> tuple[Extents, tuple[Step, ...]]:
    """Return the extents with the tables that mapping the workarea takes besides."""
    added = value_of(tables.added)
    if not added:
        return extents, ()
    written_end = extents.written_end + added * PAGE_SIZE
    step = Step(
        "written_end",
        written_end,
        f"{size_text(added * PAGE_SIZE)} more: {added} tables that the tables at entry lack",
        "sme_prepare_pgd(); " + tables.tables,
    )
    return replace(extents, written_end=written_end), (step,)


def _owner(
    located: Located,
    offsets: Extents,
    extents: Extents | None,
    scheme: Scheme,
    *,
    actual: bool,
) -> tuple[Owner, str]:
    if not actual:
        if scheme.rules.is_section:
            return Owner.INIT_SIZE, "as a section of the image it would be inside init_size"
        return Owner.NOBODY, "that scheme reserves nothing for it; init_size may cover it by luck"
    moved = moved_by_kaslr(located.boot, located.rules)
    # A boot loader's list need not say where it put the kernel; it reserves init_size all the same.
    listed = located.segments
    if not located.boot.path.by_kexec and listed and not listed.of(SegmentRole.KERNEL):
        listed = None
    if listed is not None and extents is not None and not moved:
        return owner_by_load(extents, listed)
    return owner_by_image(offsets, located.reserved, by_kaslr=moved)


def _would_be(scheme: Scheme, located: Located, layout: KernelLayout) -> str:
    if not scheme.rules.is_section:
        return "hypothetical: the scheme up to v5.2 applied to this kernel"
    if value_of(located.facts.sme_code) is False:
        return "hypothetical: the section, if this kernel had SME code"
    added = layout.kernel_size - layout.end_offset + SECTION_SIZE
    return (
        f"hypothetical: the section would add {size_text(added)} after _end to the image, so a "
        "reload would place the segments elsewhere"
    )
