"""Reading rows that an earlier run wrote, up to where it was interrupted."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from smecheck.errors import MalformedInput
from smecheck.fleets.row import Answer, Row, RowError, Traits
from smecheck.read.source import open_binary
from smecheck.record import record
from smecheck.span import Span

SCHEMA = "smecheck/fleet-row-v1"
_LAST = 16
"""Machines that are asked again, to see whether a file is of the same run."""
_HELP = "give the file that an earlier run of the same machines and kernels wrote"


@record
class Written:
    """What of a file of rows is complete."""

    end: int
    """Bytes up to the last row of the last machine that has all its rows."""
    machines: tuple[str, ...]
    """Those that have, in the order of the file."""
    last: tuple[tuple[Row, ...], ...]
    """The rows of the last few of them, in order."""


def read_rows(
    path: str, kernels: Sequence[str], each: Callable[[tuple[Row, ...]], None]
) -> Written:
    """Read the rows of complete machines; a line that was cut off, and a part of one, end them.

    Args:
        path: of the file.
        kernels: those of the run, in order: each machine has a row for each.
        each: is given the rows of each machine.

    Raises:
        InputError: it cannot be read, holds something else, or the rows of another run.
    """
    names: list[str] = []
    pending: list[Row] = []
    last: deque[tuple[Row, ...]] = deque(maxlen=_LAST)
    end = at = 0
    with open_binary(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                break
            row = _row(line, f"{path}:{number}")
            _expect(row, pending, kernels, f"{path}:{number}")
            pending.append(row)
            at += len(line)
            if len(pending) == len(kernels):
                rows, pending, end = tuple(pending), [], at
                names.append(row.machine)
                last.append(rows)
                each(rows)
    return Written(end, tuple(names), tuple(last))


def _expect(row: Row, pending: list[Row], kernels: Sequence[str], where: str) -> None:
    if row.kernel != kernels[len(pending)]:
        raise MalformedInput(
            f"is a row of {row.kernel}, where one of {kernels[len(pending)]} is expected",
            where=where,
            help_text=_HELP,
        )
    if pending and pending[0].machine != row.machine:
        raise MalformedInput(
            f"is a row of {row.machine}, in the middle of those of {pending[0].machine}",
            where=where,
            help_text=_HELP,
        )


def _row(line: bytes, where: str) -> Row:
    try:
        fields = json.loads(line)
        if fields["schema"] != SCHEMA:
            raise ValueError(fields["schema"])
        return row_of(fields)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MalformedInput(f"is not a row of {SCHEMA}", where=where, help_text=_HELP) from error


def row_of(fields: dict[str, Any]) -> Row:
    """Return the row that a JSON object is.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    error, traits = fields["error"], fields["traits"]
    answer = Answer(
        verdict=fields["verdict"],
        basis=fields["basis"],
        exit_code=fields["exit_code"],
        headline=fields["headline"],
        rules=tuple(fields["rules"]),
        class_id=fields["class"],
        remarks=tuple(fields["remarks"]),
        traits=None if traits is None else _traits(traits),
        error=None
        if error is None
        else RowError(error["code"], error["message"], error["where"], error["help"]),
    )
    return Row(fields["machine"], fields["kernel"], answer)


def _traits(fields: dict[str, Any]) -> Traits:
    return Traits(
        ram=fields["ram"],
        ranges=fields["ranges"],
        reservation=tuple(
            Span(int(one["start"], 16), int(one["end"], 16)) for one in fields["reservation"]
        ),
        loader=fields["loader"],
        path=fields["path"],
    )
