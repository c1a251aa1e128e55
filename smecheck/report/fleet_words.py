"""The words of a fleet's summary, for every form that it is shown in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.fleets.summary import VERDICTS
from smecheck.quantity import count_text, short_size_text

if TYPE_CHECKING:
    from smecheck.fleets.summary import Change, Comparison, FleetClass, Shared, Summary

CLASSES_SHOWN = 12
"""Of each kernel; the rows have them all."""


def verdict_name(verdict: str) -> str:
    """Return what is shown for a verdict."""
    return verdict.replace("-", " ")


def number(count: int) -> str:
    """Return a count as people read large ones: ``100,000``."""
    return f"{count:,}"


def headline_of(summary: Summary) -> str:
    """Say how many machines and kernels there were, and the worst verdict of each machine."""
    kernels = count_text(len(summary.kernels), "kernel")
    machines = f"{number(summary.machines)} machine{'' if summary.machines == 1 else 's'}"
    counts = [
        f"{verdict_name(one)} {number(summary.worst[one])}"
        for one in VERDICTS
        if summary.worst[one]
    ]
    if not counts:
        return f"{machines} against {kernels}"
    at_worst = "; at worst: " if len(summary.kernels) > 1 else ": "
    return f"{machines} against {kernels}{at_worst}{', '.join(counts)}"


def kernels_worst_first(summary: Summary) -> list[str]:
    """Return the kernels: that of the worst verdict first, else in the order given."""
    worst = {
        kernel: min((VERDICTS.index(one) for one, count in counts.items() if count), default=0)
        for kernel, counts in summary.verdicts.items()
    }
    return sorted(summary.kernels, key=lambda kernel: worst[kernel])


def work_text(machines: int, questions: int, shared: int) -> str:
    """Say how many questions were answered for how many machines: the hit rate."""
    share = 100 * shared / machines if machines else 0.0
    return (
        f"{number(questions)} distinct {'case' if questions == 1 else 'cases'} analyzed; "
        f"{number(shared)} {'machine is' if shared == 1 else 'machines are'} like another "
        f"({share:.1f}%)"
    )


def shared_text(machines: Shared) -> str:
    """Say what machines have in common: memory, reservation, loader."""
    parts = []
    if machines.ram is not None:
        text = f"RAM {_from_to(*machines.ram)}"
        if machines.ranges is not None:
            low, high = machines.ranges
            counts = number(low) if low == high else f"{number(low)} to {number(high)}"
            text += f" in {counts} {'range' if high == 1 else 'ranges'}"
        parts.append(text)
    reserved = machines.reservations
    if machines.names(reserved) is None:
        reserved = machines.reserved_sizes
    for name, found in (
        ("reservation", reserved),
        ("loader", machines.loaders),
        ("boot", machines.paths),
    ):
        names = machines.names(found)
        if names is None:
            parts.append(f"{name} various")
        elif names:
            parts.append(f"{name} {' or '.join(names)}")
    return "; ".join(parts)


def _from_to(low: int, high: int) -> str:
    least, most = short_size_text(low), short_size_text(high)
    return least if least == most else f"{least} to {most}"


def example_text(machines: Shared) -> str:
    """Name the machine, or one of several."""
    return machines.example if machines.count == 1 else f"e.g. {machines.example}"


def class_title(one: FleetClass) -> str:
    """Return the name of a class, with what kind of answer it is."""
    return f"{one.id} ({one.basis})"


def change_label(change: Change) -> str:
    """Say whether a change is for the better."""
    if change.is_worse:
        return "WORSE"
    return "BETTER" if change.is_better else "OTHER"


def change_text(change: Change) -> str:
    """Say what changes."""
    return f"{verdict_name(change.before)} becomes {verdict_name(change.after)}"


def comparison_title(comparison: Comparison) -> str:
    """Say what is compared, and how many machines keep their verdict."""
    return (
        f"from {comparison.old} to {comparison.new}; verdict unchanged on "
        f"{number(comparison.same)} {'machine' if comparison.same == 1 else 'machines'}"
    )
