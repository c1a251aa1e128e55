"""The lines about kexec in a kernel log: the segments that kexec_file_load placed.

Linux up to 6.7 prints them as dynamic debug messages, since 6.8 when kexec-tools asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from smecheck.evidence import Unknown
from smecheck.load.segments import Loader, Mode, SegmentRole
from smecheck.read.lines.known_lines import ANNOTATED, About, KnownLine, Trait
from smecheck.read.lines.messages import Message
from smecheck.read.load import handed_table
from smecheck.read.load.handed_table import HandedTable
from smecheck.read.load.kexec_log_load import KernelLogLoad, Placed, listed, only_placed
from smecheck.read.load.recorded_load import (
    SEGMENTS_LIMIT,
    LoadHistory,
    RecordedLoad,
    RecordedProblem,
    Row,
    parse_hex,
)
from smecheck.read.log.logged_cmdline import command_line

_TAG = r"(kexec(?:_file|_core|-bzImage64)?): "
_HEX = "(0x[0-9a-f]+)"
_PLACES = {
    "purgatory": SegmentRole.PURGATORY,
    "boot_param, command line and misc": SegmentRole.BOOT_PARAMS,
    "64bit kernel": SegmentRole.KERNEL,
    "initrd": SegmentRole.INITRD,
    "ELF headers": SegmentRole.ELFCOREHDR,
    "backup region": SegmentRole.BACKUP,  # up to v5.4
}
# The pointer is a hash, (____ptrval____), or blanks and (ptrval) in Linux 4.15.
SEGMENT = KnownLine(
    About.LOAD,
    ("segment", "kexec"),
    rf"{_TAG}(?:Loading\b|segment\[)|kexec(?:_file|_core|-bzImage64):$",
    rf"{_TAG}(?:Loading segment |segment\[)([0-9]{{1,9}})\]?: buf=.{{0,60}}? bufsz={_HEX} "
    rf"mem={_HEX} memsz={_HEX}{ANNOTATED}",
)
COUNT = KnownLine(
    About.LOAD,
    ("nr_segments",),
    rf"{_TAG}nr_segments\b",
    rf"{_TAG}nr_segments = ([0-9]{{1,9}}){ANNOTATED}",
)
PLACE = KnownLine(
    About.LOAD,
    ("Loaded", "kexec"),
    rf"{_TAG}Loaded(?: (?:purgatory|boot_param,?|64bit|initrd|ELF|backup)\b|$)",
    rf"{_TAG}Loaded ({'|'.join(_PLACES)}) at {_HEX}"
    rf"(?: (?:bufsz|backup_start)={_HEX} memsz={_HEX})?{ANNOTATED}",
)
CMDLINE = KnownLine(
    About.COMMAND_LINE,
    ("Final command", "kexec"),
    rf"{_TAG}Final\b",
    rf"{_TAG}(Final command line is):(.*)",
    Trait.OF_KERNEL | Trait.FREE,
)
TYPE = KnownLine(
    About.LOAD,
    ("_load: type", "kexec"),
    rf"{_TAG}kexec(?:_file)?_load:",
    rf"{_TAG}kexec(?:_file)?_load: type:([0-9]), start:{_HEX} head:0x[0-9a-f]+ "
    rf"flags:0x[0-9a-f]+{ANNOTATED}",
)
BEGIN = KnownLine(
    About.OTHER,
    ("kernel_size:",),
    rf"{_TAG}kernel: ",
    rf"{_TAG}kernel: .{{0,60}}? kernel_size: {_HEX}{ANNOTATED}",
)
LOCKDOWN = KnownLine(
    About.OTHER,
    ("Lockdown:",),
    r"Lockdown: ",
    r"(Lockdown: .{0,40}kexec of unsigned images is restricted).*",
)
OTHERS = KnownLine(
    About.OTHER,
    ("kexec_file:", "kexec-bzImage64:"),
    r"kexec(?:_file|-bzImage64): (?!Load|segment|nr_segments|Final|kexec|kernel: )",
    r".*",
)
"""What else is said of kexec_file_load: there was one."""
LINES = (
    SEGMENT,
    COUNT,
    PLACE,
    CMDLINE,
    TYPE,
    BEGIN,
    LOCKDOWN,
    *handed_table.LINES_OF_KERNEL,
    OTHERS,
)

_LOAD_ORDER = (
    SegmentRole.BACKUP,
    SegmentRole.ELFCOREHDR,
    SegmentRole.PURGATORY,
    SegmentRole.BOOT_PARAMS,
    SegmentRole.KERNEL,
    SegmentRole.INITRD,
)
"""In which bzImage64_load() places them, and says so."""

_QUOTE_LIMIT = 80
_KEXEC_TYPE_CRASH = 1
"""include/linux/kexec.h: the type of an image."""


class KernelLogReader:
    """Reads the lines about kexec out of a kernel log, given message by message."""

    def __init__(self, name: str) -> None:
        self.lists = LoadHistory()
        """Lists of the segments that the kernel placed itself."""
        self.repeated = LoadHistory()
        """Lists of segments that kexec-tools placed."""
        self.placed = LoadHistory()
        """Loads of which there are only "Loaded" lines."""
        self.refused: RecordedProblem | None = None
        self.is_seen = False
        """Whether there are lines of kexec_file_load at all."""
        self._name = name
        self._draft = KernelLogLoad()
        self._readers: dict[KnownLine, Callable[[int, re.Match[str]], None]] = {
            SEGMENT: self._on_segment,
            COUNT: self._on_count,
            PLACE: self._on_place,
            TYPE: self._on_type,
        }

    def feed(self, message: Message) -> None:
        """Take in a message of one of :data:`LINES`.

        Raises:
            MalformedInput: it holds a number that is not an address.
        """
        line, kind, match = message.line, message.kind, message.match
        self.is_seen |= message.text.startswith(("kexec_file:", "kexec-bzImage64:"))
        if kind is handed_table.KERNEL_ROW and self._draft.table is not None:
            self._draft.table.on_row(line, match)
        elif match is None and kind is CMDLINE:
            unknown = Unknown(f"{self._name}:{line} is broken: {message.text[:_QUOTE_LIMIT]}")
            self._draft.cmdline = (line, unknown)
        elif match is None:
            if kind is not None and kind.about is About.LOAD:
                self._on_broken(line, kind)
        elif kind is CMDLINE:
            self._on_cmdline(message, match)
        elif kind is LOCKDOWN:
            self.refused = RecordedProblem(line, match[1])
        elif kind is BEGIN:
            self._begin()
        elif kind is handed_table.KERNEL_HEADING:
            self._draft.table = HandedTable(self._name)
        elif kind in self._readers:
            self._readers[kind](line, match)

    def finish(self) -> None:
        """Take note that the text is at its end."""
        self._begin()

    def _on_broken(self, line: int, kind: KnownLine) -> None:
        if kind is PLACE:
            self._begin_if(bool(self._draft.rows))
            self._draft.broken_place = self._draft.broken_place or line
        else:
            self._draft.broken = self._draft.broken or line

    def _on_segment(self, line: int, match: re.Match[str]) -> None:
        tag, number, *fields = match.groups()
        index = int(number)
        bufsz, mem, memsz = (self._number(line, text) for text in fields)
        if index >= SEGMENTS_LIMIT or bufsz > memsz:
            self._draft.broken = line
            return
        self._begin_list(tag, is_another=index in self._draft.rows)
        self._draft.rows[index] = Row(line, mem, memsz, bufsz)

    def _on_count(self, line: int, match: re.Match[str]) -> None:
        self._begin_list(match[1], is_another=bool(self._draft.rows))
        self._draft.count = (line, int(match[2]))

    def _begin_list(self, tag: str, *, is_another: bool) -> None:
        """Begin or go on with the list of the system call that ``tag`` stands for."""
        loader = Loader.KEXEC_LOAD if tag == "kexec" else Loader.KEXEC_FILE_LOAD
        # kexec_load places nothing: those lines are of a kexec_file_load that came to nothing.
        is_other_call = loader.rules.placed_by_tools and bool(self._draft.places)
        self._begin_if(is_another or is_other_call)
        self._draft.loader = loader

    def _on_place(self, line: int, match: re.Match[str]) -> None:
        role = _PLACES[match[2]]
        rank = _LOAD_ORDER.index(role)
        is_next = all(_LOAD_ORDER.index(placed) < rank for placed in self._draft.places)
        self._begin_if(bool(self._draft.rows) or not is_next)
        sizes = None
        if match[5] is not None:
            memsz = self._number(line, match[5])
            sizes = (memsz if role is SegmentRole.BACKUP else self._number(line, match[4]), memsz)
            if sizes[0] > memsz:
                self._on_broken(line, PLACE)
                return
        self._draft.places[role] = Placed(line, self._number(line, match[3]), sizes)

    def _on_cmdline(self, message: Message, match: re.Match[str]) -> None:
        self._begin_if(bool(self._draft.rows))
        where = f"{self._name}:{message.line}"
        logged = command_line(
            match[3],
            message.rest,
            where,
            match[2].removesuffix(" is"),
            framed=message.framed,
            ahead=match.start(3),
        )
        self._draft.cmdline = (message.line, logged.text)

    def _on_type(self, line: int, match: re.Match[str]) -> None:
        mode = Mode.CRASH if int(match[2]) == _KEXEC_TYPE_CRASH else Mode.LOAD
        self._draft.mode = (line, mode)
        self._draft.entry = self._number(line, match[3])
        self._begin()

    def _number(self, line: int, text: str) -> int:
        return parse_hex(text, f"{self._name}:{line}")

    def _begin_if(self, condition: bool) -> None:
        if condition:
            self._begin()

    def _begin(self) -> None:
        """Close the load that is being read, and begin another one."""
        done, self._draft = self._draft, KernelLogLoad()
        if done.rows or done.count or done.broken is not None:
            history = self.repeated if done.loader.rules.placed_by_tools else self.lists
            if missing := done.missing():
                history.cut_off = RecordedProblem(done.broken or done.line, missing)
            elif done.rows:
                load = listed(done, self._name)
                if done.is_open_ended and not load.of(SegmentRole.KERNEL):
                    lacking = "the list of segments is cut off: none of them is the kernel"
                    history.cut_off = RecordedProblem(done.line, lacking)
                else:
                    history.add(RecordedLoad(done.line, load))
        elif done.broken_place is not None:
            self.placed.cut_off = RecordedProblem(
                done.broken_place, "is broken: it says where a segment of the load was placed"
            )
        elif misplaced := done.misplaced():
            self.placed.cut_off = RecordedProblem(done.line, misplaced)
        elif SegmentRole.KERNEL in done.places and done.places[SegmentRole.KERNEL].sizes:
            self.placed.add(RecordedLoad(done.line, only_placed(done, self._name)))
