"""Running a kernel's own machine code: out of its files, into the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smecheck.kernel.image import KernelImage
    from smecheck.kernel.verification import Verification, VerifyReport
    from smecheck.read.kernel.complements import Complements


def verification_of(
    paths: Iterable[str | None], image: KernelImage, *, quick: bool = False
) -> Verification:
    """Run the code of a kernel.

    Args:
        paths: of its files; the first that holds code counts.
        image: what was read of them all.
        quick: over a part of the matrix.

    Raises:
        UsageError: the emulator, or Python's ctypes, is not installed.
        InputError: a file cannot be read.
    """
    from smecheck.evidence import Unknown
    from smecheck.kernel.identity import identify
    from smecheck.read.kernel.program import open_program

    reasons = []
    try:
        from smecheck.emulation.confirm import Subject, not_recognized, verify

        for path in paths:
            if path is None:
                continue
            with open_program(path, image.symbols) as program:
                if isinstance(program, Unknown):
                    reasons.append(program.reason)
                    continue
                return verify(Subject(program.value, image, identify(image)), quick=quick)
        return not_recognized(reasons[0])
    except ImportError as missing:
        raise _missing(missing) from missing


def _missing(module: ImportError) -> UsageError:
    if module.name == "_ctypes":
        return UsageError(
            "the machine code cannot be run: this Python was built without ctypes, which the "
            f"emulator needs ({module})",
            help_text="use a Python that has it: the distribution's own, or one that was built "
            "with the headers of libffi installed (Debian: apt install libffi-dev)",
        )
    return UsageError(
        f"the machine code cannot be run: the emulator unicorn is not installed ({module})",
        help_text="install the extra: pip install 'smecheck[verify]'",
    )


def verify(kernel: str, complements: Complements) -> VerifyReport:
    """Run the code of a kernel over the whole matrix.

    Raises:
        UsageError: the emulator is not installed.
        InputError: a file cannot be read.
    """
    from smecheck.kernel.identity import identify
    from smecheck.kernel.verification import VerifyReport
    from smecheck.read.kernel.complements import read_complemented

    image = read_complemented(kernel, complements)
    found = verification_of((kernel, complements.bzimage), image)
    return VerifyReport(image, identify(image), found)


def exit_status(report: VerifyReport) -> ExitCode:
    """Return the exit status of an answer about a kernel's machine code."""
    from smecheck.kernel.verification import Result

    return {
        Result.AGREES: ExitCode.OK,
        Result.DIFFERS: ExitCode.FINDINGS,
        Result.FAULTS: ExitCode.FINDINGS,
        Result.NOT_RECOGNIZED: ExitCode.UNDECIDED,
    }[report.verification.result]
