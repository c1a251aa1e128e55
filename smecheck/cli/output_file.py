"""Files that results go to: they appear whole or not at all.

A regular file is replaced by way of a temporary one beside it, so that nobody ever reads a part of
a report. What is not a regular file cannot be replaced, and some regular files must not be: one
that an open descriptor of ours writes to (``-o /dev/stdout >> log``), one with a second name, one
of another owner, one that something is mounted on. These are written in place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from pathlib import Path

from smecheck.cli.output import cannot_be_written

_STANDARD = (1, 2)
_DESCRIPTOR = re.compile(r"/proc/([0-9]+)(?:/task/[0-9]+)?/fd/([0-9]+)")
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_MOST_LINKS = 40
"""As the kernel follows them: MAXSYMLINKS, include/linux/namei.h."""


def write_file(path: str, text: str) -> None:
    """Write a file; a link keeps pointing to it, and it keeps its permissions.

    Raises:
        OutputError: it cannot be written.
        BrokenPipeError: its reader went away.
    """
    try:
        _write(path, text.encode("utf-8"))
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        raise cannot_be_written(error, path) from error


def own_descriptor(path: str) -> int | None:
    """Return the descriptor of ours that writes to the file of that name, if one does.

    Standard output and standard error are known by their files as well: a report that replaced one
    of these would take with it what was printed before.
    """
    link = _descriptor_link(path)
    if link is not None:
        process, descriptor = link
        return descriptor if process == os.getpid() else None
    status = _status(path)
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    for descriptor in _STANDARD:
        with contextlib.suppress(OSError):
            if os.path.samestat(status, os.fstat(descriptor)):
                return descriptor
    return None


def takes_several(path: str) -> bool:
    """Return whether several reports can go there one after the other: a pipe, a device."""
    with contextlib.suppress(OSError, ValueError):
        status = _status(path)
        is_special = status is not None and not stat.S_ISREG(status.st_mode)
        return is_special or own_descriptor(path) is not None
    return False


class _CannotReplaceError(Exception):
    """Nothing can be put in the place of a file, which may be written all the same."""


def _write(path: str, data: bytes) -> None:
    status, descriptor = _status(path), own_descriptor(path)
    if descriptor is not None:
        _flush(descriptor)
        _write_to(os.dup(descriptor), data)
    elif status is None:
        _replace(Path(os.path.realpath(path)), data, _usual_mode())
    elif _descriptor_link(path) is not None:
        # Of another process, which may be in the middle of it.
        _write_to(os.open(path, os.O_WRONLY | os.O_APPEND), data)
    elif not stat.S_ISREG(status.st_mode):
        _write_to(os.open(path, os.O_WRONLY), data)
    else:
        try:
            if status.st_uid != os.geteuid() or status.st_nlink > 1:
                raise _CannotReplaceError
            _replace(Path(os.path.realpath(path)), data, stat.S_IMODE(status.st_mode))
        except _CannotReplaceError:
            _write_to(os.open(path, os.O_WRONLY), data, cut=True)


def _status(path: str) -> os.stat_result | None:
    try:
        return Path(path).stat()
    except FileNotFoundError:
        return None


def _descriptor_link(path: str) -> tuple[int, int] | None:
    """Follow the links of ``path`` to a descriptor, as which process and which of its descriptors.

    ``/dev/stdout`` and ``/dev/fd/3`` are links to links in /proc. To open what these point to anew
    would forget where the descriptor is, and that it is to be appended to.
    """
    for _ in range(_MOST_LINKS):
        folder, name = os.path.split(path)
        place = Path(os.path.realpath(folder or "."), name)
        found = _DESCRIPTOR.fullmatch(str(place))
        if found is not None:
            return int(found[1]), int(found[2])
        if not place.is_symlink():
            return None
        path = str(place.parent / place.readlink())
    return None


def _usual_mode() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def _replace(target: Path, data: bytes, mode: int) -> None:
    """Put a file with these permissions in the place of ``target``.

    Raises:
        OSError: it cannot be written.
        _CannotReplaceError: there is a file, and no other can be put in its place.
    """
    import tempfile

    try:
        handle, name = tempfile.mkstemp(prefix=".smecheck-", dir=target.parent)
    except OSError as error:
        if error.errno in _FORBIDDEN and target.exists():
            raise _CannotReplaceError from error
        raise
    temporary = Path(name)
    try:
        _write_to(handle, data)
        temporary.chmod(mode)
        try:
            temporary.replace(target)
        except OSError as error:
            if target.is_file():
                raise _CannotReplaceError from error
            raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write_to(handle: int, data: bytes, *, cut: bool = False) -> None:
    """Write to a descriptor and close it; with ``cut``, cut off what the file holds after that."""
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        if cut:
            os.ftruncate(handle, len(data))
    finally:
        os.close(handle)


def _flush(descriptor: int) -> None:
    """Let what was printed to it before come first."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and stream.fileno() == descriptor:
            stream.flush()
