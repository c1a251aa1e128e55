"""What was predicted of a run beside what was seen of it, number by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smecheck.emulation.emulator import StopKind
from smecheck.emulation.table_walk import RANGES_LIMIT
from smecheck.kernel.verification import Aspect, CodePlace, Difference, Figures, Mapping, Result
from smecheck.quantity import address_text, size_text
from smecheck.record import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from smecheck.emulation.observation import Seen
    from smecheck.span import SpanSet

    Locate = Callable[[int], CodePlace]
    """Names the instruction at a physical address of the run."""

_SHOWN = 3
"""Spans and mappings of a difference that are written out."""


def compare(predicted: Figures, seen: Seen, locate: Locate) -> tuple[Difference, ...]:
    """Return what differs, the cause before its consequences."""
    compared = _COMPARED
    if seen.unrecognized:
        # What it had come to when it called sme_encrypt_execute() is known all the same.
        called = seen.figures.start is not None
        compared = {aspect: how for aspect, how in _COMPARED.items() if called and aspect in _CALL}
    places = dict(seen.places)
    unforeseen = _first_unforeseen_write(predicted, seen)
    if unforeseen is not None:
        places[Aspect.WRITTEN] = unforeseen

    def place(aspect: Aspect) -> CodePlace | None:
        return locate(places[aspect]) if aspect in places else None

    found = []
    if seen.stop.kind is not StopKind.REACHED and seen.figures.asked and predicted.asked:
        # As far as it came.
        predicted = replace(predicted, asked=predicted.asked[: len(seen.figures.asked)])
    for aspect, (get, text) in compared.items():
        wanted, own = get(predicted), get(seen.figures)
        if wanted is not None and own is not None and wanted != own:
            texts = (text(wanted, own), text(own, wanted))
            found.append(Difference(aspect, *texts, place(aspect)))
    if not seen.unrecognized:
        found += _endings(predicted, seen, place(Aspect.FAULT))
    return tuple(found)


def result_of(seen: Seen, differences: tuple[Difference, ...]) -> Result:
    """Return what a run comes to."""
    if not differences:
        return Result.NOT_RECOGNIZED if seen.unrecognized else Result.AGREES
    only_faults = all(difference.aspect is Aspect.FAULT for difference in differences)
    return Result.FAULTS if only_faults and seen.stop.kind is StopKind.FAULT else Result.DIFFERS


def _endings(predicted: Figures, seen: Seen, place: CodePlace | None) -> Iterator[Difference]:
    """Yield a difference in how the run ends."""
    stop = seen.stop
    if stop.kind is StopKind.FAULT:
        if predicted.fault is None:
            yield Difference(Aspect.FAULT, "no fault", f"the code {stop.message}", place)
        elif predicted.fault // 0x1000 != (stop.address or 0) // 0x1000:
            wanted = f"a fault at {address_text(predicted.fault)}"
            yield Difference(Aspect.FAULT, wanted, f"the code {stop.message}", place)
    elif predicted.fault is not None:
        wanted = f"a fault at {address_text(predicted.fault)}, where these tables map nothing"
        yield Difference(Aspect.FAULT, wanted, "no fault", None)
    elif predicted.mapped is not None and seen.figures.start is None:
        yield Difference(
            Aspect.END, "sme_encrypt_execute() is called", "it returns without encrypting", None
        )


def _first_unforeseen_write(predicted: Figures, seen: Seen) -> int | None:
    """Return the first instruction that wrote to a page where nothing is predicted to."""
    if predicted.written is None or seen.figures.written is None:
        return None
    more = seen.figures.written - predicted.written
    return next((place for page, place in seen.writers if more.holding(page) is not None), None)


def _spans_text(spans: SpanSet, _others: SpanSet) -> str:
    return _listed(map(repr, spans)) or "nothing"


def _mappings_text(mappings: tuple[Mapping, ...], others: tuple[Mapping, ...]) -> str:
    """Return those of the mappings that are not among the others."""
    texts = [_mapping_text(own) for own in mappings if own not in others]
    if len(mappings) == RANGES_LIMIT:
        return ", ".join([*texts[:_SHOWN], "and many more"])
    return _listed(texts) or "nothing else"


def _mapping_text(mapping: Mapping) -> str:
    bit = "with" if mapping.encrypted else "without"
    readonly = "" if mapping.writable else ", not writable"
    to = address_text(mapping.physical)
    return f"{mapping.virtual!r} to {to} {bit} C-bit{readonly}"


def _listed(texts: Iterable[str]) -> str:
    listed = list(texts)
    more = len(listed) - _SHOWN
    return ", ".join([*listed[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])


_COMPARED: dict[Aspect, tuple[Callable[[Figures], Any], Callable[[Any, Any], str]]] = {
    Aspect.START: (lambda figures: figures.start, lambda own, _: address_text(own)),
    Aspect.TABLES_START: (lambda figures: figures.tables_start, lambda own, _: address_text(own)),
    Aspect.LENGTH: (lambda figures: figures.length, lambda own, _: size_text(own)),
    Aspect.MAPPED_END: (lambda figures: figures.mapped_end, lambda own, _: address_text(own)),
    Aspect.TABLES_ADDED: (lambda figures: figures.tables_added, lambda own, _: str(own)),
    Aspect.LIVE_TABLES: (lambda figures: figures.live_tables, _mappings_text),
    Aspect.MAPPED: (lambda figures: figures.mapped, _mappings_text),
    Aspect.ASKED: (lambda figures: figures.asked, lambda own, _: _listed(map(repr, own))),
    Aspect.WRITTEN: (lambda figures: figures.written, _spans_text),
    Aspect.ENCRYPTED: (lambda figures: figures.encrypted, _spans_text),
    Aspect.MAPPED_AT_END: (lambda figures: figures.mapped_at_end, _mappings_text),
    Aspect.UNENCRYPTED: (lambda figures: figures.unencrypted, _spans_text),
}
"""What a run comes to, in the order of the code: how to get it, and how to write it down."""

_CALL = (
    *(Aspect.START, Aspect.TABLES_START, Aspect.LENGTH, Aspect.MAPPED_END, Aspect.TABLES_ADDED),
    *(Aspect.LIVE_TABLES, Aspect.MAPPED, Aspect.ASKED),
)
"""What is seen when sme_encrypt_execute() is called."""
