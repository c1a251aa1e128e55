"""What distinguishes configurations, beside the options that matter to a workarea."""

from __future__ import annotations

import re
import zlib

from smecheck.kernel.build_marks import (
    BUILD_SALT,
    COMPILER,
    COMPRESSION,
    LOCALVERSION,
    NAMED_AFTER,
    PREEMPT_RT,
    SMP,
    WHOLE_CONFIG,
    Marks,
)

_COMPRESSIONS = {
    "CONFIG_KERNEL_GZIP": "gzip",
    "CONFIG_KERNEL_BZIP2": "bzip2",
    "CONFIG_KERNEL_LZMA": "lzma",
    "CONFIG_KERNEL_XZ": "xz",
    "CONFIG_KERNEL_LZO": "lzo",
    "CONFIG_KERNEL_LZ4": "lz4",
    "CONFIG_KERNEL_ZSTD": "zstd",
}
"""init/Kconfig, "Kernel compression mode": the option, and what ``payload.py`` calls it."""

_SWITCHES = {"CONFIG_PREEMPT_RT": PREEMPT_RT, "CONFIG_SMP": SMP}
_TEXTS = {
    "CONFIG_BUILD_SALT": BUILD_SALT,
    "CONFIG_LOCALVERSION": LOCALVERSION,
    "CONFIG_CC_VERSION_TEXT": COMPILER,
}
_DISTINGUISHING = {*_COMPRESSIONS, *_SWITCHES, *_TEXTS}

_NAMED = re.compile(
    r"(?:.*/)?config-([0-9]+\.[0-9]+\.[0-9]+[-+.~][-+.~\w]*[A-Za-z0-9_])", re.DOTALL | re.ASCII
)
"""A path as distributions name the file of a kernel: /boot/config-<release>."""

_NO_RELEASE = (".gz", ".old", ".bak", ".txt", ".orig", ".new", ".save")


class ConfigMarks:
    """The marks of a configuration, option by option."""

    def __init__(self) -> None:
        self._options: dict[str, str] = {}
        self._marks: dict[str, str] = {}

    def add(self, option: str, value: str) -> None:
        """Take note of an option; given twice, the last one counts."""
        self._options[option] = value
        if option not in _DISTINGUISHING:
            return
        if option in _SWITCHES:
            self._marks[_SWITCHES[option]] = "yes" if value == "y" else "no"
        elif option in _TEXTS:
            self._marks[_TEXTS[option]] = value.strip('"')
        elif value == "y":
            self._marks[COMPRESSION] = _COMPRESSIONS[option]

    def marks(self, *, is_whole: bool) -> Marks:
        """Return them; what all of it comes to only of a configuration that is whole."""
        if not is_whole:
            return self._marks
        text = "\n".join(f"{name}={value}" for name, value in sorted(self._options.items()))
        check = f"{len(self._options)} options, CRC {zlib.crc32(text.encode()):#010x}"
        return self._marks | {WHOLE_CONFIG: check}


def named_after(path: str) -> Marks:
    """Return the release that a configuration's file is named after, if it is."""
    match = _NAMED.fullmatch(path)
    if match is None or match[1].endswith(_NO_RELEASE):
        return {}
    return {NAMED_AFTER: match[1]}
