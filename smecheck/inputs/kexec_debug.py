"""The text that kexec-tools prints with ``-d``, and on any refusal: loads of kexec_load."""

from __future__ import annotations

import re

from smecheck.inputs.kexec_command import KexecCommand, parse_command
from smecheck.inputs.kexec_debug_load import KexecDebugLoad, segment_list
from smecheck.inputs.recorded_load import (
    SEGMENTS_LIMIT,
    LoadHistory,
    RecordedLoad,
    RecordedProblem,
    parse_hex,
)
from smecheck.model.segments import SegmentRole

_FIELD = re.compile(r"\bsegment\[([0-9]{1,9})\]\.(bufsz|buf|memsz|mem)[ \t]*= ?(\S++)")
_COUNT = re.compile(r"\bnr_segments = ([0-9]{1,9})\b")
_ENTRY = re.compile(r"\bkexec_load: entry = (\S++) flags = (\S++)")
_ENTRY_AGAIN = re.compile(r"(?:^|[\s>:])entry {2,20}= (\S++) flags = (\S++)")
_BEGIN = re.compile(r"\bkernel: \S++ kernel_size: (0x[0-9a-f]++)")
_INIT_SIZE = re.compile(r"\bkernel init_size (0x[0-9a-f]++)")
_AFTER_ELFCOREHDR = re.compile(r"Command line after adding elfcorehdr[ \t]*$")
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
_PLACE = re.compile(rf"\b({'|'.join(map(re.escape, _PLACES))}) (0x[0-9a-f]++)")
_QUOTE_LIMIT = 300
_REFUSED_CALL = "kexec_load failed:"
# At the beginning, behind the marks of a mail, or behind the tag of a service that ran kexec.
_REFUSAL = re.compile(
    r"(?:^[ \t>]*+|\bk(?:exec|dump)[\w-]{0,20}(?:\[[0-9]{1,9}\])?: )"
    rf"({_REFUSED_CALL} .*|kexec_file_load failed: .*|syscall kexec_file_load not available.*"
    r"|Cannot load .*|Cannot determine kernel physical load addr.*"
    r"|Could not find a free area of memory .*|locate_hole failed.*"
    r"|Invalid memory segment .*|Memory for crashkernel is not reserved.*"
    r"|Overlapping memory segments.*|Kernel command line too long for kernel.*)"
)


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
        self._cmdline_indent: int | None = None

    @property
    def wants_next(self) -> bool:
        """Whether the next line matters, whatever it holds."""
        return self._cmdline_indent is not None

    def feed(self, line: int, text: str) -> None:
        """Take in a line.

        Raises:
            MalformedInput: it holds a number that is no address.
        """
        if self._cmdline_indent is not None:
            self._draft.cmdline = (line, text[self._cmdline_indent :].strip())
            self._cmdline_indent = None
        elif match := _FIELD.search(text):
            self._on_field(line, int(match[1]), match[2], match[3])
        elif match := _COUNT.search(text):
            self._on_count(line, int(match[1]))
        elif match := _ENTRY.search(text) or _ENTRY_AGAIN.search(text):
            self._on_entry(line, match)
        elif match := _PLACE.search(text):
            self._on_place(line, _PLACES[match[1]], match[2])
        elif match := _REFUSAL.search(text):
            self._on_refusal(RecordedProblem(line, match[1].strip()[:_QUOTE_LIMIT]))
        elif match := _AFTER_ELFCOREHDR.search(text):
            self._begin_if(self._draft.has_list)
            self._cmdline_indent = match.start()
        elif match := _INIT_SIZE.search(text):
            self._draft.init_size = (line, self._number(line, match[1]))
        elif match := _BEGIN.search(text):
            self._fall_back()
            self._begin_if(self._draft.has_list or self._draft.refusal is not None)
            self._draft.kernel_size = self._number(line, match[1])
        elif command := parse_command(text, line):
            self._begin_if(self._draft.has_begun)
            self._draft.command = self.command = command

    def finish(self) -> None:
        """Take note that the text is at its end."""
        self._begin_if(self._draft.has_begun)

    def _on_field(self, line: int, index: int, key: str, text: str) -> None:
        draft = self._draft
        if draft.is_repeated or index >= SEGMENTS_LIMIT:
            return
        if key in draft.rows.get(index, {}):
            draft = self._begin()
        draft.rows.setdefault(index, {})[key] = (line, self._number(line, text))

    def _on_count(self, line: int, count: int) -> None:
        if not self._draft.is_repeated:
            self._begin_if(self._draft.has_list)
            self._draft.count = (line, count)

    def _on_entry(self, line: int, match: re.Match[str]) -> None:
        self._fall_back()
        entry = self._number(line, match[1])
        draft = self._draft
        if match.re is _ENTRY:
            draft = self._begin() if draft.has_list else draft
        elif draft.has_list and draft.entry not in (None, entry):
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
        asked_for = draft.command is not None and draft.command.is_file_load
        if draft.refusal is not None and "kexec_file_load" in draft.refusal.text and not asked_for:
            draft.refusal = None

    def _on_place(self, line: int, role: SegmentRole, address: str) -> None:
        draft = self._draft
        self._begin_if(draft.has_list or draft.refusal is not None or role in draft.places.values())
        self._draft.places[self._number(line, address)] = role

    def _on_refusal(self, refusal: RecordedProblem) -> None:
        # Only the call itself can be refused after the list; all else ends a load before it.
        self._begin_if(self._draft.has_list and not refusal.text.startswith(_REFUSED_CALL))
        self._draft.refusal = self._draft.refusal or refusal

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
            self.history.cut_off = RecordedProblem(done.line, missing)
        elif done.rows:
            self.history.add(RecordedLoad(done.line, segment_list(done, self._name)))
        return self._draft
