"""A program as decoder, where Python has no module for a compression: ``zstd``, ``lz4`` and others.

It reads a pipe and writes a pipe: nothing is written to disk. No more is taken from it than is
wanted; it ends when its output is no longer read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from smecheck.read.kernel.packed import NotUnpacked, Packed
from smecheck.record import record

if TYPE_CHECKING:
    import subprocess
    from selectors import BaseSelector

_PIECE = 64 << 10
"""What a pipe holds on Linux."""


@record
class DecoderProgram:
    """A program that unpacks its standard input, and the modules that would serve as well."""

    name: str
    modules: tuple[str, ...]
    """Python modules that unpack the same, none of which is installed."""
    requirement: str = ""
    """What pip installs one of them by; nothing where they are part of Python."""
    options: tuple[str, ...] = ("-d", "-c", "-q")

    def unpack(self, packed: Packed) -> Iterator[bytes]:
        """Yield what the program makes of the bytes, in pieces.

        Raises:
            NotUnpacked: it is not installed, or it ended with an error.
        """
        import shutil

        path = shutil.which(self.name) if os.name == "posix" else None
        if path is None:
            modules = " nor ".join(self.modules)
            by_pip = f"pip install '{self.requirement}', or " if self.requirement else ""
            raise NotUnpacked(
                f"neither the Python module {modules} nor the program {self.name} is installed",
                f"install one: {by_pip}{self.name} of your distribution",
            )
        return self._run(path, packed)

    def _run(self, path: str, packed: Packed) -> Iterator[bytes]:
        import subprocess

        with subprocess.Popen(  # noqa: S603 - nothing of an input is in the command
            [path, *self.options],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                yield from _unpacked(process, packed)
                status = process.wait()
            finally:
                process.kill()  # whoever wants no more stops here, too
        if status:
            raise NotUnpacked(
                f"it is damaged, or something follows it: {self.name} ended with status {status}"
            )


def _unpacked(process: subprocess.Popen[bytes], packed: Packed) -> Iterator[bytes]:
    """Write into the program what it takes, and yield what it puts out.

    All of it is done while the next piece is waited for: nothing reads ``packed`` meanwhile.
    """
    import selectors

    source, output = process.stdin, process.stdout
    if source is None or output is None:
        raise RuntimeError("a program was started without pipes")
    os.set_blocking(source.fileno(), False)
    rest = b""
    with selectors.DefaultSelector() as ready:
        ready.register(source, selectors.EVENT_WRITE)
        ready.register(output, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is output:
                    piece = output.read(_PIECE)
                    if not piece:
                        return
                    yield piece
                    continue
                rest = rest or packed.read(_PIECE)
                try:
                    rest = (
                        rest[os.write(source.fileno(), rest) :] if rest else _close(ready, source)
                    )
                except BrokenPipeError:  # it has read all that it wants
                    rest = _close(ready, source)


def _close(ready: BaseSelector, source: IO[bytes]) -> bytes:
    """End the program's input; return what is left of it: nothing."""
    ready.unregister(source)
    source.close()
    return b""
