"""Waivers: what a policy lets pass, until when, and whether it still needs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smecheck.builds.gate_report import POLICY_TARGET, GateRow, RowOutcome
from smecheck.builds.policy import Policy, Waiver
from smecheck.checks.finding import Severity
from smecheck.record import replace

_WAIVABLE = (RowOutcome.FAILED, RowOutcome.UNDECIDED)


def waived(rows: Iterable[GateRow], policy: Policy, today: str) -> Iterator[GateRow]:
    """Yield the rows, let pass where a waiver that still holds is for them: the first of several.

    A waiver is for one target, or for all of them.
    """
    holding: dict[tuple[str, str | None], int] = {}
    for number, waiver in enumerate(policy.waivers):
        if not _is_expired(waiver, today):
            holding.setdefault((waiver.check, waiver.target), number)
    for row in rows:
        numbers = [holding.get((row.check, target)) for target in (row.target, None)]
        found = min((number for number in numbers if number is not None), default=None)
        if found is None or row.outcome not in _WAIVABLE:
            yield row
        else:
            yield replace(row, outcome=RowOutcome.WAIVED, waiver=policy.waivers[found])


def waiver_rows(policy: Policy, rows: list[GateRow], today: str) -> Iterator[GateRow]:
    """Yield a row for each waiver: an expired one is an error."""
    used = {id(row.waiver) for row in rows}
    for waiver in policy.waivers:
        row = GateRow(
            POLICY_TARGET,
            f"waiver:{waiver.check}" + (f"@{waiver.target}" if waiver.target else ""),
            "the waiver has not expired",
            RowOutcome.PASSED,
            f"until {waiver.expires}, {waiver.owner}: {waiver.reason}",
            waiver=waiver,
            where=waiver.where,
        )
        if _is_expired(waiver, today):
            yield replace(
                row,
                outcome=RowOutcome.FAILED,
                severity=Severity.ERROR,
                message=f"the waiver of {_what(waiver)} expired on {waiver.expires} "
                f"({waiver.owner}: {waiver.reason})",
                remedy="fix its cause and remove the waiver, or have its owner renew it",
            )
        elif id(waiver) in used:
            yield row
        else:
            # No failure: one policy serves many kernels, and may let pass what only some do.
            yield replace(row, message=f"not needed for this kernel; {row.message}")


def _is_expired(waiver: Waiver, today: str) -> bool:
    """Return whether its last day is over; dates of ISO 8601 are ordered as their texts are."""
    return waiver.expires < today


def _what(waiver: Waiver) -> str:
    return f"{waiver.check} on {waiver.target}" if waiver.target else waiver.check
