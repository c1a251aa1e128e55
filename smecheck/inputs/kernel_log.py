"""The lines about kexec in a kernel log: the segments that kexec_file_load placed.

Linux up to 6.7 prints them as dynamic debug messages, since 6.8 when kexec-tools asks for it. What
stands before ``kexec_file: `` does not matter: every log writes its own time stamps there.
"""

from __future__ import annotations

import re

from smecheck.inputs.kernel_log_load import KernelLogLoad, Placed, listed, only_placed
from smecheck.inputs.recorded_load import (
    SEGMENTS_LIMIT,
    LoadHistory,
    RecordedLoad,
    RecordedProblem,
    Row,
    parse_hex,
)
from smecheck.model.segments import Loader, Mode, SegmentRole

_MESSAGE = re.compile(r"(?:^|[\s\]>:|\"])(kexec(?:_file|_core|-bzImage64)?): (.*)")
# The pointer is a hash, (____ptrval____), or blanks and (ptrval) in Linux 4.15.
_SEGMENT = re.compile(
    r"(?:Loading segment |segment\[)([0-9]{1,9})\]?: buf=.{0,60}? "
    r"bufsz=(0x[0-9a-f]++) mem=(0x[0-9a-f]++) memsz=(0x[0-9a-f]++)"
)
_ANY_SEGMENT = re.compile(r"(?:Loading segment |segment\[)[0-9]{0,9}\]?(?::|$)")
_COUNT = re.compile(r"nr_segments = ([0-9]{1,9})\b")
_PLACES = {
    "purgatory": SegmentRole.PURGATORY,
    "boot_param, command line and misc": SegmentRole.BOOT_PARAMS,
    "64bit kernel": SegmentRole.KERNEL,
    "initrd": SegmentRole.INITRD,
    "ELF headers": SegmentRole.ELFCOREHDR,
    "backup region": SegmentRole.BACKUP,  # up to v5.4
}
_PLACE = re.compile(rf"Loaded ({'|'.join(_PLACES)}) at (0x[0-9a-f]++)(.*)")
_SIZES = re.compile(r" bufsz=(0x[0-9a-f]++) memsz=(0x[0-9a-f]++)")
_CMDLINE = re.compile(r"Final command line is:(.*)")
_TYPE = re.compile(r"kexec(?:_file)?_load: type:([0-9]), start:(0x[0-9a-f]++)")
_BEGIN = re.compile(r"kernel: .{0,60}? kernel_size: ")
_LOCKDOWN = re.compile(r"(Lockdown: .{0,40}kexec of unsigned images is restricted)")

_LOAD_ORDER = (
    SegmentRole.BACKUP,
    SegmentRole.ELFCOREHDR,
    SegmentRole.PURGATORY,
    SegmentRole.BOOT_PARAMS,
    SegmentRole.KERNEL,
    SegmentRole.INITRD,
)
"""In which bzImage64_load() places them, and says so."""

_MESSAGE_LIMIT = 1024 - 48 - 1
"""kernel/printk: a message is cut at LOG_LINE_MAX, 1024 bytes less the longest prefix."""

_KEXEC_TYPE_CRASH = 1
"""include/linux/kexec.h: the type of an image."""


class KernelLogReader:
    """Reads the lines about kexec out of a kernel log, given line by line."""

    def __init__(self, name: str) -> None:
        self.lists = {loader: LoadHistory() for loader in Loader}
        self.placed = LoadHistory()
        """Loads of which there are only "Loaded" lines."""
        self.refused: RecordedProblem | None = None
        self.is_seen = False
        """Whether there are lines of kexec_file_load at all."""
        self._name = name
        self._draft = KernelLogLoad()

    def feed(self, line: int, text: str) -> bool:
        """Take in a line, and tell whether it is one of the kernel's about kexec.

        Raises:
            MalformedInput: it holds a number that is no address.
        """
        if lockdown := _LOCKDOWN.search(text):
            self.refused = RecordedProblem(line, lockdown[1])
            return True
        found = _MESSAGE.search(text)
        if found is None:
            return False
        tag, message = found[1], found[2]
        self.is_seen |= tag in ("kexec_file", "kexec-bzImage64")
        if match := _SEGMENT.match(message):
            self._on_segment(line, tag, match)
        elif _ANY_SEGMENT.match(message):
            self._draft.broken = line
        elif match := _COUNT.match(message):
            self._begin_list(tag, is_another=bool(self._draft.rows))
            self._draft.count = (line, int(match[1]))
        elif match := _PLACE.match(message):
            self._on_place(line, _PLACES[match[1]], match)
        elif match := _CMDLINE.match(message):
            self._begin_if(bool(self._draft.rows))
            self._draft.cmdline = (line, match[1].strip())
            self._draft.is_cmdline_cut = len(f"{tag}: {message}".encode()) >= _MESSAGE_LIMIT
        elif match := _TYPE.match(message):
            mode = Mode.CRASH if int(match[1]) == _KEXEC_TYPE_CRASH else Mode.LOAD
            self._draft.mode = (line, mode)
            self._draft.entry = self._number(line, match[2])
            self._begin()
        elif _BEGIN.match(message):
            self._begin()
        else:
            return tag != "kexec"
        return True

    def finish(self) -> None:
        """Take note that the text is at its end."""
        self._begin()

    def _on_segment(self, line: int, tag: str, match: re.Match[str]) -> None:
        index = int(match[1])
        if index >= SEGMENTS_LIMIT:
            self._draft.broken = line
            return
        self._begin_list(tag, is_another=index in self._draft.rows)
        bufsz, mem, memsz = (self._number(line, text) for text in match.groups()[1:])
        self._draft.rows[index] = Row(line, mem, memsz, bufsz)

    def _begin_list(self, tag: str, *, is_another: bool) -> None:
        """Begin or go on with the list of the system call that ``tag`` stands for."""
        loader = Loader.KEXEC_LOAD if tag == "kexec" else Loader.KEXEC_FILE_LOAD
        # kexec_load places nothing: those lines are of a kexec_file_load that came to nothing.
        is_other_call = loader is Loader.KEXEC_LOAD and bool(self._draft.places)
        self._begin_if(is_another or is_other_call)
        self._draft.loader = loader

    def _on_place(self, line: int, role: SegmentRole, match: re.Match[str]) -> None:
        rank = _LOAD_ORDER.index(role)
        is_next = all(_LOAD_ORDER.index(placed) < rank for placed in self._draft.places)
        self._begin_if(bool(self._draft.rows) or not is_next)
        sizes = _SIZES.match(match[3])
        self._draft.places[role] = Placed(
            line,
            self._number(line, match[2]),
            (self._number(line, sizes[1]), self._number(line, sizes[2])) if sizes else None,
        )

    def _number(self, line: int, text: str) -> int:
        return parse_hex(text, f"{self._name}:{line}")

    def _begin_if(self, condition: bool) -> None:
        if condition:
            self._begin()

    def _begin(self) -> None:
        """Close the load that is being read, and begin another one."""
        done, self._draft = self._draft, KernelLogLoad()
        if done.rows or done.count or done.broken is not None:
            history = self.lists[done.loader]
            if missing := done.missing():
                history.cut_off = RecordedProblem(done.broken or done.line, missing)
            elif done.rows:
                history.add(RecordedLoad(done.line, listed(done, self._name)))
        elif SegmentRole.KERNEL in done.places and done.places[SegmentRole.KERNEL].sizes:
            self.placed.add(RecordedLoad(done.line, only_placed(done, self._name)))
