"""Running a kernel's own machine code: the option that asks for it, and the way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from smecheck.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smecheck.kernel.image import KernelImage
    from smecheck.kernel.verification import Verification

verify_option = click.option(
    "--verify",
    is_flag=True,
    help="Run the kernel's own machine code as well, and hold it against the prediction (needs "
    "the extra: pip install 'smecheck[verify]').",
)


def verification_of(
    paths: Iterable[str | None], image: KernelImage, *, quick: bool = False
) -> Verification:
    """Run the code of a kernel.

    Args:
        paths: of its files; the first that holds code counts.
        image: what was read of them all.
        quick: over a part of the matrix.

    Raises:
        UsageError: the emulator is not installed.
        InputError: a file cannot be read.
    """
    from smecheck.evidence import Unknown
    from smecheck.kernel.identity import identify
    from smecheck.read.kernel.program import open_program
    from smecheck.verify.confirm import Subject, not_recognized, verify

    reasons = []
    try:
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
        raise UsageError(
            f"the machine code can only be run with unicorn ({missing})",
            help_text="install the extra: pip install 'smecheck[verify]'",
        ) from missing
