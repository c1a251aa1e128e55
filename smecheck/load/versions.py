"""Versions of kexec-tools and releases of kernels, to tell generations apart."""

from __future__ import annotations

import re
from enum import Enum

Version = tuple[int, int, int]

_VERSION = re.compile(r"(?:[0-9]+:)?v?([0-9]{1,6})\.([0-9]{1,6})(?:\.([0-9]{1,6}))?")


def parse_version(text: str) -> Version | None:
    """Return the numbers that a version begins with: ``6.1.0-56-amd64`` is (6, 1, 0).

    ``kexec-tools 2.0.25`` and the epoch of a Debian package are understood; ``None`` where the text
    is no version.
    """
    match = _VERSION.match(text.strip().removeprefix("kexec-tools").strip())
    if match is None:
        return None
    major, minor, patch = match.groups()
    return int(major), int(minor), int(patch or 0)


def version_text(version: Version) -> str:
    """Print a version: ``2.0.25``."""
    return ".".join(map(str, version))


class Change(Enum):
    """What a version of a program brought: the first version that has it, and the commit."""

    @property
    def since(self) -> Version:
        """The first version that has it."""
        since: Version = self.value[0]
        return since

    @property
    def source(self) -> str:
        """The version and the commit, for a derivation."""
        return f"{version_text(self.since)} ({self.value[1]})"

    def is_in(self, version: Version) -> bool:
        """Tell whether that version has it."""
        return version >= self.since
