"""The members of a folder: a report that was unpacked, files that were copied together, a system.

Only what is wanted is looked for, by its path; nothing is walked through. Links are followed as
long as they stay in the folder; what is not a regular file is not opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from smecheck.errors import system_reason
from smecheck.record import record

_MATCHES_LIMIT = 256
"""Files that one pattern may find, and names that are listed for one."""
_LISTED_LIMIT = 20_000
"""Names in one folder that are looked at."""


@record
class Found:
    """A file in a folder."""

    name: str
    """Its path in the folder."""
    path: str


class FolderFiles:
    """Finds files in a folder."""

    def __init__(self, folder: str, remark: Callable[[str, str], None]) -> None:
        """Look at a folder.

        Args:
            folder: its path; ``/`` for the system itself.
            remark: is given what is wanted and cannot be read: name and reason.
        """
        self.is_system = os.path.realpath(folder) == "/"
        self._root = os.path.realpath(folder)
        self._remark = remark

    def matching(self, pattern: str, below: str = "") -> Iterator[Found]:
        """Yield the files that a pattern finds; ``*`` in it stands for anything but ``/``."""
        left = _MATCHES_LIMIT
        for name in self._expanded(below, pattern.split("/")):
            found = self._regular(name)
            if found is not None:
                left -= 1
                yield found
            if not left:
                self._remark(
                    name, f"and {_MATCHES_LIMIT - 1} more that match {pattern} are read, no others"
                )
                return

    def names(self, below: str = "") -> list[str]:
        """Return the names in a folder, sorted; none where it cannot be listed."""
        names = []
        try:
            with os.scandir(os.path.join(self._root, below)) as entries:  # noqa: PTH118
                for entry in entries:
                    names.append(entry.name)
                    if len(names) >= _LISTED_LIMIT:
                        self._remark(
                            below, f"has more than {_LISTED_LIMIT:,} files: the rest is not read"
                        )
                        break
        except NotADirectoryError:
            return []
        except FileNotFoundError:
            return []
        except OSError as error:
            self._remark(below or ".", f"cannot be listed: {system_reason(error)}")
        return sorted(names)

    def is_folder(self, name: str) -> bool:
        """Return whether there is a folder of that name, in the folder itself."""
        path = Path(self._root, name)
        return path.is_dir() and self._is_inside(str(path))

    def regular(self, name: str) -> Found | None:
        """Return a file, if it is one that can be read."""
        return self._regular(name)

    def _expanded(self, below: str, parts: list[str]) -> Iterator[str]:
        part, rest = parts[0], parts[1:]
        names = [part]
        if "*" in part:
            names = [name for name in self.names(below) if fnmatchcase(name, part)]
        for name in names:
            path = f"{below}/{name}" if below else name
            if not rest:
                yield path
            elif "*" in part or self.is_folder(path):
                yield from self._expanded(path, rest)

    def _regular(self, name: str) -> Found | None:
        path = os.path.join(self._root, name)  # noqa: PTH118
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            if os.path.islink(path):  # noqa: PTH114
                self._remark(name, f"is a link to {os.readlink(path)}, which is not there")  # noqa: PTH115
            return None
        except OSError as error:
            self._remark(name, system_reason(error))
            return None
        if stat.S_ISDIR(mode):
            return None
        if not self._is_inside(path):
            self._remark(name, "is a link that leads out of the folder, and not followed")
            return None
        if not stat.S_ISREG(mode):
            self._remark(name, "is not a regular file, and not read")
            return None
        return Found(name, path)

    def _is_inside(self, path: str) -> bool:
        if self.is_system:
            return True
        real = os.path.realpath(path)
        return real == self._root or real.startswith(f"{self._root}/")
