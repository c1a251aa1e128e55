"""One answer of a fleet: what a kernel would do on a machine, in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.errors import ExitCode, InternalError, SmecheckError
from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.span import Span


@record
class RowError:
    """Why a machine could not be asked, as an error document says it."""

    code: str
    message: str
    where: str | None
    help: str

    @classmethod
    def of(cls, error: SmecheckError) -> RowError:
        """Return what stands in the row of a machine that cannot be read."""
        return cls(error.code, error.message, error.where, error.help_text)


@record
class Traits:
    """What a machine is like, as far as the answer rests on it: what a class may have in common."""

    ram: int | None
    """Bytes of System RAM; ``None`` where no map of the memory is known."""
    ranges: int | None
    """In how many ranges."""
    reservation: tuple[Span, ...]
    """What is reserved for a crash kernel."""
    loader: str | None
    path: str
    """Which boot is asked about: first-boot, kexec, kdump."""


@record
class Answer:
    """What there is to say of one machine and one kernel, whatever the two are called."""

    verdict: str | None
    """``None`` where the machine could not be asked."""
    basis: str | None
    exit_code: int
    """What ``smecheck analyze`` would exit with."""
    headline: str | None
    rules: tuple[str, ...]
    """The rules that found something, each once, in the order of the report."""
    class_id: str | None
    """The same for all answers that are the same for the same reason."""
    traits: Traits | None = None
    error: RowError | None = None
    remarks: tuple[str, ...] = ()
    """What of the machine was not read, and why."""


@record
class Row:
    """An answer, and whose it is."""

    machine: str
    kernel: str
    answer: Answer


def failed(error: SmecheckError) -> Answer:
    """Return the answer for a machine that cannot be asked.

    What is wrong with a machine is an input that cannot be read, whatever the options of a single
    question would call it; a bug of ours stays one.
    """
    is_bug = isinstance(error, InternalError)
    status = ExitCode.BUG if is_bug else ExitCode.INPUT
    return Answer(None, None, int(status), None, (), None, None, RowError.of(error))
