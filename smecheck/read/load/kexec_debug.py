"""The text that kexec-tools prints with ``-d``, and on any refusal: loads of kexec_load."""

from __future__ import annotations

import re
from collections.abc import Callable

from smecheck.errors import MalformedInput
from smecheck.load.segments import Loader, SegmentRole
from smecheck.read.lines.known_lines import ANNOTATED, About, KnownLine, Trait
from smecheck.read.lines.messages import Message
from smecheck.read.load import handed_table
from smecheck.read.load.handed_table import HandedTable
from smecheck.read.load.kexec_command import COMMAND, KexecCommand, parse_command_lines
from smecheck.read.load.kexec_debug_load import KexecDebugLoad, segment_list
from smecheck.read.load.recorded_load import (
    SEGMENTS_LIMIT,
    LoadHistory,
    RecordedLoad,
    RecordedProblem,
    parse_hex,
)
from smecheck.read.load.refusal_lines import REFUSAL, REFUSED_CALL
from smecheck.read.log.logged_cmdline import command_line, is_message

_NUMBER = r"(0x[0-9a-fA-F]+|[0-9a-fA-F]+|\(nil\))"
_HEX = "(0x[0-9a-f]+)"
_PLACES = {
    "Loaded purgatory at addr": SegmentRole.PURGATORY,
    "Loaded real_mode_data and command line at": SegmentRole.BOOT_PARAMS,
    "Loaded real-mode code and command line at": SegmentRole.BOOT_PARAMS,
    "Loaded 64bit kernel at": SegmentRole.KERNEL,
    "Loaded 32bit kernel at": SegmentRole.KERNEL,
    "Loaded initrd at": SegmentRole.INITRD,
    "Created backup segment at": SegmentRole.BACKUP,
    "Created elf header segment at": SegmentRole.ELFCOREHDR,
}
FIELD = KnownLine(
    About.LOAD,
    ("segment[",),
    r"segment\[[0-9]{1,9}\]\.(?:bufsz|buf|memsz|mem)\b",
    r"segment\[([0-9]{1,9})\]\.(bufsz|buf|memsz|mem)[ \t]*= ?" + _NUMBER + ANNOTATED,
    Trait.NONE,
)
COUNT = KnownLine(
    About.LOAD,
    ("nr_segments",),
    r"nr_segments\b",
    r"nr_segments = ([0-9]{1,9})" + ANNOTATED,
    Trait.NONE,
)
ENTRY = KnownLine(
    About.LOAD,
    ("kexec_load: entry",),
    r"kexec_load: entry\b",
    rf"kexec_load: entry = {_NUMBER} flags = {_NUMBER}{ANNOTATED}",
    Trait.NONE,
)
ENTRY_AGAIN = KnownLine(
    About.LOAD,
    ("entry  ",),
    r"entry {2,20}=",
    rf"entry {{2,20}}= {_NUMBER} flags = {_NUMBER}{ANNOTATED}",
    Trait.NONE,
)
BEGIN = KnownLine(
    About.OTHER,
    ("kernel_size:",),
    r"kernel: 0x[0-9a-f]+ kernel_size:",
    rf"kernel: 0x[0-9a-f]+ kernel_size: {_HEX}{ANNOTATED}",
    Trait.NONE,
)
INIT_SIZE = KnownLine(
    About.OTHER,
    ("init_size",),
    r"kernel init_size\b",
    rf"kernel init_size {_HEX}{ANNOTATED}",
    Trait.NONE,
)
AFTER_ELFCOREHDR = KnownLine(
    About.COMMAND_LINE,
    ("Command line after",),
    r"Command line after adding elfcorehdr",
    r"(Command line after adding elfcorehdr)[ \t]*(.*)",
    Trait.FREE,
)
PLACE = KnownLine(
    About.OTHER,
    ("Loaded ", "Created "),
    "|".join(map(re.escape, _PLACES)),
    rf"({'|'.join(map(re.escape, _PLACES))}) {_HEX}(?: size 0x[0-9a-f]+)?{ANNOTATED}",
    Trait.NONE,
)
LINES = (
    FIELD,
    COUNT,
    ENTRY,
    ENTRY_AGAIN,
    BEGIN,
    INIT_SIZE,
    AFTER_ELFCOREHDR,
    PLACE,
    REFUSAL,
    COMMAND,
    *handed_table.LINES_OF_TOOLS,
)

_KEXECS = re.compile(
    r"\(?k(?:exec|dump)[\w.-]*\)?|dracut[\w.-]*|systemd|sudo|(?:ba|da|k|z)?sh|[\w.-]+\.sh"
)
"""Programs that run kexec, or let it speak in their name; what others print is none of it."""
COMMANDS_LIMIT = 20_000
"""Commands in a text; what each of them means is found out word by word."""
_QUOTE_LIMIT = 300
_LINES_UNTIL_CMDLINE = 4


class KexecDebugReader:
    """Reads the lines of kexec-tools out of a text, given line by line."""

    def __init__(self, name: str) -> None:
        self.history = LoadHistory()
        self.refused: RecordedProblem | None = None
        """The last load that was refused before it had a list."""
        self.command: KexecCommand | None = None
        """The last command that was pasted."""
        self._name = name
        self._draft = KexecDebugLoad()
        self._commands = 0
        self._waits = 0
        """Messages among which the command line is to come."""
        self._readers: dict[KnownLine, Callable[[int, re.Match[str]], None]] = {
            FIELD: self._on_field,
            COUNT: self._on_count,
            ENTRY: self._on_entry,
            ENTRY_AGAIN: self._on_entry_again,
            PLACE: self._on_place,
            REFUSAL: self._on_refusal,
            INIT_SIZE: self._on_init_size,
            BEGIN: self._on_begin,
            handed_table.HEADING: self._on_heading,
        }

    @property
    def wants_next(self) -> bool:
        """Whether the next message matters, whatever it holds."""
        return self._waits > 0

    def feed(self, message: Message) -> None:
        """Take in a message of one of :data:`LINES`, or the one after a command line's heading.

        Raises:
            MalformedInput: it holds a number that is not an address, or is one command too many.
        """
        kind, match = message.kind, message.match
        tag = message.prefix.tag
        if tag and not _KEXECS.fullmatch(tag):
            return
        if self._waits:
            self._waits -= 1
            if kind is None and not is_message(message.text):
                self._waits = 0
                self._on_cmdline(message, (message.text, *message.rest))
            if kind is None:
                return
            self._waits = 0
        if match is None or kind is handed_table.ROW:
            self._on_row_or_broken(message)
        elif kind is AFTER_ELFCOREHDR:
            self._begin_if(self._draft.has_list)
            if match[2]:
                self._on_cmdline(message, (match[2], *message.rest))
            elif message.rest:
                self._on_cmdline(message._replace(line=message.line + 1), message.rest)
            else:
                self._waits = _LINES_UNTIL_CMDLINE
        elif kind is COMMAND:
            self._on_command(message)
        elif kind in self._readers:
            self._readers[kind](message.line, match)

    def finish(self) -> None:
        """Take note that the text is at its end."""
        self._begin_if(self._draft.has_begun)

    def _on_command(self, message: Message) -> None:
        self._commands += 1
        if self._commands > COMMANDS_LIMIT:
            raise MalformedInput(
                f"is command {self._commands} that may load something: they are too many",
                where=f"{self._name}:{message.line}",
                help_text="give only the part with the load in question",
            )
        if command := parse_command_lines(message.text, message.rest, message.line):
            self._begin_if(self._draft.has_begun)
            self._draft.command = self.command = command

    def _on_cmdline(self, message: Message, said: tuple[str, ...]) -> None:
        where = f"{self._name}:{message.line}"
        words = "Command line after adding elfcorehdr"
        first, *rest = said
        found = command_line(first, rest, where, words, framed=message.framed, ahead=None)
        self._draft.cmdline = (message.line, found.text)

    def _on_row_or_broken(self, message: Message) -> None:
        """Take in a line of a memory map, or one that is not whole."""
        if message.kind is handed_table.ROW:
            if self._draft.table is not None:
                self._draft.table.on_row(message.line, message.match)
        elif message.kind is not None and message.kind.about is About.LOAD:
            self._draft.broken = self._draft.broken or message.line

    def _on_heading(self, _line: int, _match: re.Match[str]) -> None:
        self._begin_if(self._draft.has_list)
        self._draft.table = HandedTable(self._name)

    def _on_field(self, line: int, match: re.Match[str]) -> None:
        draft, index, key = self._draft, int(match[1]), match[2]
        if draft.is_repeated or index >= SEGMENTS_LIMIT:
            return
        if key in draft.rows.get(index, {}):
            draft = self._begin()
        draft.rows.setdefault(index, {})[key] = (line, self._number(line, match[3]))

    def _on_count(self, line: int, match: re.Match[str]) -> None:
        if not self._draft.is_repeated:
            self._begin_if(self._draft.has_list)
            self._draft.count = (line, int(match[1]))

    def _on_entry(self, line: int, match: re.Match[str]) -> None:
        self._fall_back()
        self._begin_if(self._draft.has_list)
        self._draft.entry = self._number(line, match[1])
        self._draft.flags = (line, self._number(line, match[2]))

    def _on_entry_again(self, line: int, match: re.Match[str]) -> None:
        self._fall_back()
        entry = self._number(line, match[1])
        draft = self._draft
        if draft.has_list and draft.entry not in (None, entry):
            # Without -d, only a refused load prints its list: this one is not the load above.
            refusal, draft.refusal = draft.refusal, None
            draft = self._begin()
            draft.refusal = refusal
        else:
            draft.is_repeated = draft.has_list and draft.missing() is None
            if not draft.is_repeated:
                draft.count, draft.rows = None, {}
        draft.entry = entry
        draft.flags = (line, self._number(line, match[2]))

    def _fall_back(self) -> None:
        """Forget that kexec_file_load was refused where kexec -a goes on with kexec_load."""
        draft = self._draft
        if draft.refusal is None or Loader.KEXEC_FILE_LOAD.value not in draft.refusal.text:
            return
        asked_for = draft.command.loader if draft.command is not None else None
        if asked_for is None or asked_for.value not in draft.refusal.text:
            draft.refusal = None

    def _on_place(self, line: int, match: re.Match[str]) -> None:
        draft, role = self._draft, _PLACES[match[1]]
        self._begin_if(draft.has_list or draft.refusal is not None or role in draft.places.values())
        self._draft.places[self._number(line, match[2])] = role

    def _on_refusal(self, line: int, match: re.Match[str]) -> None:
        refusal = RecordedProblem(line, match[1].strip()[:_QUOTE_LIMIT])
        # Only the call itself can be refused after the list; all else ends a load before it.
        self._begin_if(self._draft.has_list and not refusal.text.startswith(REFUSED_CALL))
        self._draft.refusal = self._draft.refusal or refusal

    def _on_init_size(self, line: int, match: re.Match[str]) -> None:
        self._draft.init_size = (line, self._number(line, match[1]))

    def _on_begin(self, line: int, match: re.Match[str]) -> None:
        self._fall_back()
        self._begin_if(self._draft.has_list or self._draft.refusal is not None)
        self._draft.kernel_size = self._number(line, match[1])

    def _number(self, line: int, text: str) -> int:
        return parse_hex(text, f"{self._name}:{line}")

    def _begin_if(self, condition: bool) -> None:
        if condition:
            self._begin()

    def _begin(self) -> KexecDebugLoad:
        """Close the load that is being read, and begin another one."""
        done, self._draft = self._draft, KexecDebugLoad()
        if not done.has_list:
            self.refused = done.refusal or self.refused
        elif missing := done.missing():
            self.history.cut_off = RecordedProblem(done.broken or done.line, missing)
        elif done.rows:
            self.history.add(RecordedLoad(done.line, segment_list(done, self._name)))
        return self._draft
