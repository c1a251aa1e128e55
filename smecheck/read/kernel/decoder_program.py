"""A program as decoder, where Python has no module for a compression: ``zstd``, ``lz4`` and others.

It reads a pipe and writes a pipe: nothing is written to disk. No more is taken from it than is
wanted; it ends when its output is no longer read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from smecheck.read.kernel.packed import NotUnpacked, Packed
from smecheck.record import record

if TYPE_CHECKING:
    import subprocess

_PIECE = 256 << 10


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

        path = shutil.which(self.name)
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
        import threading

        with subprocess.Popen(  # noqa: S603 - nothing of an input is in the command
            [path, *self.options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            unread: list[OSError] = []
            source, output = _pipes(process)
            feeder = threading.Thread(target=_feed, args=(source, packed, unread), daemon=True)
            feeder.start()
            try:
                while piece := output.read(_PIECE):
                    yield piece
                status = process.wait()
            finally:
                process.kill()  # whoever wants no more stops here, too
                feeder.join()
        if unread:
            raise unread[0]
        if status:
            raise NotUnpacked(
                f"it is damaged, or something follows it: {self.name} ended with status {status}"
            )


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("a program was started without pipes")
    return process.stdin, process.stdout


def _feed(source: IO[bytes], packed: Packed, unread: list[OSError]) -> None:
    """Write the packed bytes into the program; it may have ended before they do."""
    with contextlib.suppress(BrokenPipeError), source:
        while True:
            try:
                piece = packed.read(_PIECE)
            except OSError as error:
                unread.append(error)
                return
            if not piece:
                return
            source.write(piece)
