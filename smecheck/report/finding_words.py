"""A finding as lines of prose, for every format that has no table for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smecheck.checks.finding import Finding


def place_of(finding: Finding) -> str:
    """Return the range that is hit, and how much of the other party it is; empty without one."""
    span, other = finding.span, finding.other
    if other is None:
        return repr(span) if span is not None else ""
    if span is None:
        return f"{other.name} {other.span!r}"
    if span == other.span:
        return f"{span!r}, all of {other.name}"
    return f"{span!r} of {other.name} {other.span!r}"


def brief_of(finding: Finding) -> str:
    """Return the finding in a few words: ``boot_params is overwritten``."""
    if not finding.brief:
        return finding.message
    name = f"{finding.other.name} " if finding.other is not None else ""
    return f"{name}{finding.brief}"


def finding_lines(finding: Finding) -> tuple[str, ...]:
    """Return what was found, where, under which condition, and what to do about it.

    The texts may hold anything that was in an input.
    """
    place = place_of(finding)
    lines = [finding.message, *([f"at: {place}"] if place else [])]
    if finding.condition is not None:
        lines.append(f"only if: {finding.condition}")
    if finding.remedy:
        lines.append(f"next: {finding.remedy}")
    return tuple(lines)
