"""The rules, held against all slots of KASLR at once: how many collide, and with what.

A finding at one address says that some extent, so far past ``_text``, meets something fixed. For
all addresses that is a set of intervals. Only how far the workarea is written differs from slot to
slot: by the 1 GiB frames that kernel, workarea and initrd lie in. Slots are of one kind where that
is the same; one of each kind is placed by the same code as a single address, and the intervals do
the rest. The cost grows with the number of ranges, not with the memory.

``tests/test_kaslr_sweep.py`` holds it against the rules themselves, slot by slot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from smecheck.boot.kaslr.places import KaslrAnswer, ask
from smecheck.boot.kaslr.search import SlotSearch
from smecheck.boot.kaslr.slots import (
    Collisions,
    KaslrSweep,
    SlotArea,
    SlotCollision,
    SlotRun,
    Slots,
)
from smecheck.checks import written
from smecheck.checks.families import rules_of_places
from smecheck.checks.forbidden import Forbidden, Part, parts_of
from smecheck.checks.ram import not_mapped_at_entry
from smecheck.checks.rule import Rule
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.constants import (
    EXECUTE_LEN,
    P4D_SIZE,
    PGDIR_SIZE_5LEVEL,
    PUD_SIZE,
    SECTION_SIZE,
)
from smecheck.quantity import count_text
from smecheck.record import record, replace
from smecheck.remembered import remembered
from smecheck.span import Span, SpanSet, align_up
from smecheck.workarea.place import decisive_for_reach, placed_anywhere, reached_at

if TYPE_CHECKING:
    from smecheck.case import Located
    from smecheck.workarea.placement import Extents


_LARGE = 64 << 30
"""A window of more bytes is not looked at GiB by GiB."""

_FRAMES_OF_UPPER_TABLES = (P4D_SIZE, PGDIR_SIZE_5LEVEL)
"""A table of 512 GiB frames, and with five levels one of 256 TiB frames, for each that is used."""

_LOW_MEMORY_END = 1 << 32
"""startup_32() maps what is below: page tables may differ there."""


@record
class _Kind:
    """Slots that are alike: how far the workarea reaches, from ``_text``."""

    parts: Mapping[Part, Span]
    """Of what it uses, as offsets from ``_text``."""
    faults: bool
    """Mapping the workarea faults there, whatever lies in memory."""


@record
class _Hit:
    """Slots of one area that collide with one thing."""

    slots: Span
    step: int
    """Distance between them: the alignment, or a GiB where only every GiB's are meant."""
    rule: Rule
    name: str


_COUNTED_WITH = {written.worst_case_over_segment.id: written.written_over_segment}
"""What is met at worst counts as what is surely met: it depends on the slot which it is."""


def _forbidden(located: Located) -> Iterator[tuple[Rule, Forbidden]]:
    for rule in rules_of_places():
        for forbidden in rule.forbids(located) if rule.forbids is not None else ():
            yield _COUNTED_WITH.get(rule.id, rule), forbidden


def sweep(slots: Slots, located: Located, *, first_only: bool = False) -> Collisions | None:
    """Count the slots at which a rule would find a collision.

    Args:
        slots: all places that KASLR may choose.
        located: what the rules look at; where the kernel runs in it does not matter.
        first_only: whether the first collision is enough; the others are not counted then.

    Returns:
        ``None`` where the workarea cannot be placed.
    """
    offsets = placed_anywhere(located)
    if offsets is None:
        return None
    if not slots.areas:
        return Collisions(0, None, None, ())
    return _Sweep(slots, located, offsets).collisions(1 if first_only else None)


@remembered
def _kinds_like(*_decided_by: object) -> dict[tuple[int, ...], _Kind]:
    """Return the kinds of slots that are known, of all sweeps by which the workarea reaches as far.

    So are most what-if loads.
    """
    return {}


class _Sweep:
    def __init__(self, slots: Slots, located: Located, offsets: Extents) -> None:
        self._slots = slots
        self._located = located
        self._kinds = _kinds_like(*decisive_for_reach(located))
        self._image_end = offsets.in_place.start
        self._reach = max(offsets.mapped_end, offsets.worst_end)
        self._fixed = tuple(_forbidden(located))
        written_end = offsets.start + EXECUTE_LEN
        least = replace(offsets, written_end=written_end, mapped_end=offsets.start + SECTION_SIZE)
        self._least = parts_of(least, 0, True)
        segments = located.segments.segments if located.segments else ()
        self._own_frames = SpanSet(segment.span.aligned_out(PUD_SIZE) for segment in segments)
        """1 GiB frames that have page tables of their own, or share them."""
        initrd = located.boot.initrd.span
        self._initrd_frames = {
            size: initrd.frames(size) if initrd else range(0)
            for size in (PUD_SIZE, *_FRAMES_OF_UPPER_TABLES)
        }

    def collisions(self, most_hits: int | None) -> Collisions:
        hits: list[_Hit] = []
        count, lowest, highest = 0, [], []
        for area in self._slots.areas:
            hits_in_area = self._hits_in(area, at_once=most_hits is not None)
            found = list(islice(hits_in_area, most_hits))
            hits += found
            runs = _runs(found, self._slots.alignment)
            count += sum(run.count for run in runs)
            if runs:
                lowest.append(min(run.first for run in runs))
                highest.append(max(run.last for run in runs))
            if most_hits is not None and len(hits) >= most_hits:
                break
        return Collisions(
            count,
            min(lowest, default=None),
            max(highest, default=None),
            tuple(self._by_rule(hits)),
        )

    def _by_rule(self, hits: list[_Hit]) -> Iterator[SlotCollision]:
        phrases = {hit.rule.id: hit.rule.phrase for hit in hits}
        for rule, name in sorted({(hit.rule.id, hit.name) for hit in hits}):
            own = [hit for hit in hits if (hit.rule.id, hit.name) == (rule, name)]
            runs = _runs(own, self._slots.alignment)
            if runs:
                yield SlotCollision(
                    rule=rule,
                    phrase=phrases[rule],
                    other=name,
                    count=sum(run.count for run in runs),
                    lowest=min(run.first for run in runs),
                    highest=max(run.last for run in runs),
                    runs=runs,
                )

    def _hits_in(self, area: SlotArea, *, at_once: bool) -> Iterator[_Hit]:
        """Yield the hits of one area, on the grid of its slots.

        Args:
            area: of slots.
            at_once: whether what is met whatever kind a slot is of comes first, for whoever needs
                no more than one hit.
        """
        step = self._slots.alignment
        whole = Span(area.start, self._slots.last_of(area) + 1)
        if at_once:
            yield from self._surely(whole, area.start)
        near = SpanSet(self._windows(whole))
        for window in near:
            sure = list(self._surely(window, area.start)) if window.size > _LARGE else []
            yield from sure
            for rest in SpanSet([window]) - SpanSet(hit.slots for hit in sure):
                for piece in self._pieces(_on_grid(rest, area.start, step)):
                    yield from self._met(piece, area.start)
        for far in SpanSet([whole]) - near:
            yield from self._far(_on_grid(far, area.start, step))

    def _surely(self, window: Span, origin: int) -> Iterator[_Hit]:
        """Yield what is met whatever kind a slot is of, where a window has too many 1 GiB frames.

        Only maps that contradict each other have such windows. Slots are counted right all the
        same; what else they meet is not.
        """
        for rule, forbidden in self._fixed:
            for met in forbidden.met_by(self._least[forbidden.part], window):
                slots = _on_grid(met, origin, self._slots.alignment)
                if slots:
                    yield _Hit(slots, self._slots.alignment, rule, forbidden.name)

    def _windows(self, area: Span) -> Iterator[Span]:
        """Yield where in the area anything fixed is within reach."""
        reached = {id(forbidden.spans): forbidden for _, forbidden in self._fixed}
        frames = Forbidden("frames", Part.MAPPED, self._own_frames)
        for forbidden in (*reached.values(), frames):
            yield from forbidden.met_by(Span(0, self._reach), area)
        # Borders of 512 GiB add tables, but nothing lies there that they could be written over.
        if area.start <= _LOW_MEMORY_END < area.end + self._reach:
            border = Span(max(0, _LOW_MEMORY_END - self._reach), _LOW_MEMORY_END + 1)
            yield border & area

    def _pieces(self, window: Span) -> Iterator[Span]:
        """Split at the borders of 1 GiB frames, so that the slots of a piece are alike.

        Slots whose workarea leaves the frames of the kernel's image stand alone.
        """
        step, start = self._slots.alignment, window.start
        while start < window.end:
            image_border = align_up(start + self._image_end, PUD_SIZE)
            crossing = image_border < start + self._reach
            if crossing:
                yield Span(start, start + 1)
                start += step
                continue
            # The next slot whose reach goes over a border that its image does not, or that begins
            # a frame of its own.
            end = min(image_border - self._reach + 1, align_up(start + 1, PUD_SIZE))
            end = start + align_up(end - start, step)
            yield Span(start, min(end, window.end))
            start = end

    def _met(self, piece: Span, origin: int) -> Iterator[_Hit]:
        step = self._slots.alignment
        kind = self._kind(piece.start)
        if kind.faults:
            yield _Hit(piece, step, not_mapped_at_entry, "page tables at entry")
        for rule, forbidden in self._fixed:
            for met in forbidden.met_by(kind.parts[forbidden.part], piece):
                slots = _on_grid(met, origin, step)
                if slots:
                    yield _Hit(slots, step, rule, forbidden.name)

    def _far(self, slots: Span) -> Iterator[_Hit]:
        """Yield the faults far from everything: every GiB has them at the same places."""
        step = self._slots.alignment
        if not slots:
            return
        first = slots.start + (PUD_SIZE - self._reach - slots.start) // step * step
        for start in range(first, PUD_SIZE - self._image_end + 1, step):
            lowest = start + align_up(slots.start - start, PUD_SIZE)
            if lowest < slots.end and self._kind(lowest).faults:
                found = Span(lowest, slots.end)
                yield _Hit(found, PUD_SIZE, not_mapped_at_entry, "page tables at entry")

    def _kind(self, base: int) -> _Kind:
        """Place the workarea at ``base``, or take what was placed at a slot that is alike."""
        last = base + self._reach - 1
        first_frame, last_frame = base // PUD_SIZE, last // PUD_SIZE
        is_crossing = (base + self._image_end - 1) // PUD_SIZE < last_frame
        frames = Span(first_frame * PUD_SIZE, (last_frame + 1) * PUD_SIZE)
        key: tuple[int, ...]
        if is_crossing and self._own_frames.reached_by(frames):
            key = (base,)
        else:
            # Inside the frames of the image nothing but the number of tables can differ.
            key = (
                last_frame - first_frame,
                base % PUD_SIZE if is_crossing else -1,
                (base < _LOW_MEMORY_END) + (last < _LOW_MEMORY_END) if is_crossing else 0,
                _in_common(range(first_frame, last_frame + 1), self._initrd_frames[PUD_SIZE]),
                *self._upper_tables(base, last),
            )
        known = self._kinds.get(key)
        if known is None:
            known = self._kinds[key] = self._placed(base)
        return known

    def _upper_tables(self, base: int, last: int) -> Iterator[int]:
        """Yield what decides how many tables of upper levels there are."""
        for size in _FRAMES_OF_UPPER_TABLES:
            first_frame, last_frame = base // size, last // size
            yield first_frame in self._initrd_frames[size]
            yield last_frame in self._initrd_frames[size]
            yield last_frame - first_frame

    def _placed(self, base: int) -> _Kind:
        reached = reached_at(self._located, base)
        offsets = reached.extents.moved(-base)
        return _Kind(parts_of(offsets, 0, reached.is_exact), faults=bool(reached.tables.unreached))


def _in_common(one: range, other: range) -> int:
    return max(0, min(one.stop, other.stop) - max(one.start, other.start))


def _on_grid(span: Span, origin: int, step: int) -> Span:
    """Return the span from its first slot on; empty where it has none."""
    first = origin + align_up(span.start - origin, step)
    return Span(min(first, span.end), span.end)


def _runs(hits: list[_Hit], step: int) -> tuple[SlotRun, ...]:
    """Return the slots of all hits, each once. The hits of one grid only."""
    dense = SpanSet(hit.slots for hit in hits if hit.step == step)
    runs: list[SlotRun] = []
    for span in dense:
        count = -(-span.size // step)
        if runs and runs[-1].last + step == span.start:
            before = runs.pop()
            runs.append(SlotRun(before.first, before.count + count, step))
        else:
            runs.append(SlotRun(span.start, count, step))
    sparse = (hit for hit in hits if hit.step != step)
    runs += [SlotRun(hit.slots.start, -(-hit.slots.size // hit.step), hit.step) for hit in sparse]
    return tuple(sorted(runs, key=lambda run: run.first))


def swept(located: Located, *, first_only: bool) -> Fact[KaslrSweep]:
    """Find all places that KASLR may choose, and hold them against the rules."""
    answer = ask(located)
    if isinstance(answer, Unknown):
        return answer
    return Known(_sweep_places(answer.value, located, first_only=first_only), answer.origin)


def _sweep_places(answer: KaslrAnswer, located: Located, *, first_only: bool) -> KaslrSweep:
    """Hold every variant's slots against the rules; the one with the most collisions counts."""
    places = answer.places
    searches = [("", places.search), *places.alternatives]
    found_by: list[tuple[str, SlotSearch, Collisions | None]] = []
    for name, search in searches:
        found = sweep(search.slots, located, first_only=first_only)
        found_by.append((name, search, found))
        if first_only and found is not None and found.count:
            break
    worst = max(found_by, key=lambda one: one[2].count if one[2] is not None else 0)
    differences = [
        f"KASLR: {_counted(search, found)}, {f'if {name}' if name else 'in the most likely case'}"
        for name, search, found in found_by
        if search is not worst[1]
    ]
    output: Fact[int] = places.boot.output
    if places.boot.output_is_assumed:
        output = Unknown("where the boot loader put it is not known")
    return KaslrSweep(
        slots=worst[1].slots,
        collisions=worst[2],
        unmoved=output,
        minimum=worst[1].minimum,
        limit=worst[1].limit,
        may_stay=answer.may_stay,
        bounds=places.bounds,
        differences=tuple(differences),
        premises=places.premises,
    )


def _counted(search: SlotSearch, found: Collisions | None) -> str:
    colliding = "" if found is None else f", {found.count} of them colliding"
    return f"{count_text(search.slots.count, 'slot')}{colliding}"
