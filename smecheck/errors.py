"""Everything that smecheck raises on purpose, and the exit codes of the program.

SmecheckError
├── InternalError         a bug of smecheck                          exit 70
├── UsageError            the options contradict each other          exit 2
├── OutputError           a report cannot be written                 exit 2
├── EngineError           those who do the work cannot be reached    exit 2
└── InputError            an input cannot be read or understood      exit 3
    ├── UnreadableInput   the file itself: missing, too large, …
    ├── WrongKind         readable, but not what was asked for
    └── MalformedInput    the right kind, but broken at some place
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit status of the program means; the same for every output format."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    INPUT = 3
    UNDECIDED = 4
    BUG = 70
    INTERRUPTED = 130
    READER_GONE = 141


class SmecheckError(Exception):
    """Base of all errors that are reported to the user in one line, with a next step."""

    code = "error"
    exit_code = ExitCode.BUG
    label = "error"
    nothing_done = "nothing was analyzed"
    """What did not happen because of it, said after the message."""

    def __init__(self, message: str, *, where: str | None = None, help_text: str = "") -> None:
        super().__init__(message)
        self.message = message
        """What is wrong, lower case, without the name of the file."""
        self.where = where
        """The file, and the place in it where there is one: ``kernel.yaml:7:10``."""
        self.help_text = help_text
        """What to do next."""


class InternalError(SmecheckError):
    """A bug: something was raised that nobody expected."""

    code = "bug"
    label = "bug"
    exit_code = ExitCode.BUG

    @classmethod
    def of(cls, error: Exception) -> InternalError:
        """Return the report of an unexpected error."""
        return cls(
            f"{type(error).__name__}: {error}",
            help_text="please report it, with the output of the same command and --debug",
        )


class UsageError(SmecheckError):
    """The command line asks for something impossible."""

    code = "usage"
    exit_code = ExitCode.USAGE


class OutputError(SmecheckError):
    """A report cannot be written where it should go."""

    code = "output"
    exit_code = ExitCode.USAGE
    nothing_done = "no report was written"


class EngineError(SmecheckError):
    """The processes or the cluster that do the work of a fleet went away."""

    code = "engine"
    exit_code = ExitCode.USAGE
    nothing_done = "not all machines were analyzed"


class InputError(SmecheckError):
    """An input could not be read or understood, so nothing was analyzed."""

    code = "input"
    exit_code = ExitCode.INPUT


class UnreadableInput(InputError):
    """The file is missing, forbidden, empty, too large, or no regular file."""

    code = "unreadable"


class WrongKind(InputError):
    """The file is readable but is something else than what was asked for."""

    code = "wrong-kind"


class MalformedInput(InputError):
    """The file is of the right kind but broken at the place that ``where`` names."""

    code = "malformed"


def system_reason(error: OSError | ValueError) -> str:
    """Say why the system did not do something, as a clause: ``permission denied``."""
    return (getattr(error, "strerror", None) or str(error)).lower()
