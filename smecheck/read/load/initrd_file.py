"""The file of an initrd: kexec loads all of it, so that its size is all that counts."""

from __future__ import annotations

import os
import stat

from smecheck.asked import GivenInitrd


def initrd_in(path: str | os.PathLike[str]) -> GivenInitrd:
    """Return the initrd that a file holds.

    Raises:
        OSError: there is no such file, or it cannot be reached.
        ValueError: it is a directory, a device or a pipe, or ``path`` cannot be the name of a file.
    """
    status = os.stat(path)  # noqa: PTH116 - a str is what users give
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is not a regular file")
    return GivenInitrd(status.st_size, is_file=True)
