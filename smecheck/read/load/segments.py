"""The segments of a kexec load, from whatever text shows them: its lines say what it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smecheck.errors import MalformedInput, UnreadableInput, WrongKind
from smecheck.evidence import Known, Unknown, value_of
from smecheck.load.segments import Mode, SegmentList
from smecheck.read.lines.hosts import Hosts
from smecheck.read.lines.known_lines import KnownLines
from smecheck.read.lines.log_lines import opened
from smecheck.read.lines.messages import log_messages
from smecheck.read.load import kexec_debug, kexec_log
from smecheck.read.load.kexec_debug import KexecDebugReader
from smecheck.read.load.kexec_log import KernelLogReader
from smecheck.read.load.no_segments import Traces, no_segments
from smecheck.read.load.recorded_load import CAPTURE_AGAIN, LoadHistory, RecordedLoad, later
from smecheck.read.source import TEXT_LIMIT, Source, decode_text
from smecheck.record import replace

if TYPE_CHECKING:
    from smecheck.machine.kernel_log import LoggedBoot
    from smecheck.read.lines.log_lines import OpenedText

_DESCRIPTION = re.compile(
    rb"""^(?:\xef\xbb\xbf)?[ \t{'"]*+(?:schema['"]?[ \t]*+:[ \t'"]*+smecheck/|segments:)""",
    re.MULTILINE,
)
_KNOWN = KnownLines(kexec_log.LINES, kexec_debug.LINES)
_OF_KERNEL = frozenset(kexec_log.LINES)
_FILE_LOAD_REFUSED = "kexec_file_load failed:"


def read_segments(
    source: Source, mode: Mode | None = None, *, boot: LoggedBoot | None = None
) -> SegmentList:
    """Read the segments of a load.

    Where a log holds several loads, the last one is taken; with ``mode``, the last of that mode;
    with ``boot``, the last that this boot of the log logged.

    Raises:
        UnreadableInput: the file cannot be read.
        WrongKind: it holds no segments, or none of ``mode``; the help says how to get some.
        MalformedInput: a list of segments is cut off, or broken; or several hosts log loads.
    """
    with opened(source) as text:
        if _DESCRIPTION.search(text.head):
            return _read_description(text)
        return _read_log(text, mode, boot)


def _read_description(text: OpenedText) -> SegmentList:
    from smecheck.read.load.segments_description import read_segments_description

    data = text.head + text.stream.read(TEXT_LIMIT + 1 - len(text.head))
    if len(data) > TEXT_LIMIT:
        raise UnreadableInput(
            f"is larger than {TEXT_LIMIT >> 20} MiB",
            where=text.name,
            help_text="no valid description is that large: is it the right file?",
        )
    return read_segments_description(decode_text(data, text.name), text.name)


def _read_log(text: OpenedText, mode: Mode | None, boot: LoggedBoot | None) -> SegmentList:
    name = text.name
    tools, kernel = KexecDebugReader(name), KernelLogReader(name)
    hosts, first_line = (Hosts(), 1) if boot is None else (Hosts(boot.host), boot.line)
    for message in log_messages(text, _KNOWN, lambda: tools.wants_next):
        if message.line < first_line:
            continue
        if message.kind in _OF_KERNEL:
            hosts.hear(message, f"{name}:{message.line}")
            kernel.feed(message)
        else:
            tools.feed(message)
    tools.finish()
    kernel.finish()
    hosts.refuse_two()
    history = _history(tools, kernel)
    load = history.last(mode)
    if load is not None:
        segments = _with_rest_of_text(load, history, tools, mode)
        return replace(segments, remarks=(*text.remarks, *segments.remarks))
    if history.cut_off is not None:
        raise MalformedInput(
            history.cut_off.text, where=f"{name}:{history.cut_off.line}", help_text=CAPTURE_AGAIN
        )
    if mode is not None and history.count:
        raise WrongKind(
            f"holds no load of mode {mode.value}; {_places(history)}",
            where=name,
            help_text="leave out --mode, or give the text of kexec "
            f"{'-p' if mode.is_crash else '-l'}",
        )
    refused = later(tools.refused, kernel.refused)
    raise no_segments(name, Traces(text.head, refused, tools.command, kernel.is_seen))


def _history(tools: KexecDebugReader, kernel: KernelLogReader) -> LoadHistory:
    """Put together the loads of both readers."""
    history, repeated = kernel.lists, kernel.repeated
    # What kexec-tools printed, with names, a kernel that is asked to prints again, without them.
    history.merge(repeated if repeated.count and not tools.history.count else tools.history)
    # A list is missing where others have one: that load came to nothing.
    return history if history.count or history.cut_off else kernel.placed


def _with_rest_of_text(
    load: RecordedLoad, history: LoadHistory, tools: KexecDebugReader, mode: Mode | None
) -> SegmentList:
    """Add to a load what the rest of its text says of it."""
    segments, name = load.segments, load.segments.source
    remarks: list[str] = []
    if history.count > 1:
        of_mode = f" of mode {mode.value}, in line {load.line}," if mode is not None else ""
        remarks.append(f"{name}: the log holds {_places(history)}; the last one{of_mode} is taken")
    if history.cut_off is not None and history.cut_off.line > load.line:
        remarks.append(f"{name}:{history.cut_off.line}: {history.cut_off.text}; it is left out")
    loader, refused = value_of(segments.loader), tools.refused
    # What kexec-tools placed, they have said all of.
    if history.count == 1 and loader is not None and not loader.rules.placed_by_tools:
        segments = _with_command(segments, tools)
        if refused is not None and refused.text.startswith(_FILE_LOAD_REFUSED):
            segments, refused = replace(segments, refusal=refused.text), None
    if refused is not None and refused.line > load.line:
        remarks.append(f"{name}:{refused.line}: a later load was refused: {refused.text}")
    return replace(segments, remarks=(*remarks, *segments.remarks))


def _with_command(segments: SegmentList, tools: KexecDebugReader) -> SegmentList:
    """Let the pasted command say what the kernel's lines about the load do not."""
    command = tools.command
    if command is None:
        return segments
    origin = f"{segments.source}:{command.line}: the kexec command"
    given = command.cmdline_of_length(None)
    if isinstance(segments.cmdline, Unknown) and isinstance(given, Known):
        segments = replace(segments, cmdline=Known(given.value, origin))
    if isinstance(segments.mode, Unknown) and command.mode is not None:
        segments = replace(segments, mode=Known(command.mode, origin))
    return segments


def _places(history: LoadHistory) -> str:
    """Say where the loads are: ``2 loads (lines 4 and 11)``."""
    *lines, last = map(str, history.lines)
    if not lines:
        return f"1 load (line {last})"
    between = ", … and " if history.count > len(history.lines) else " and "
    return f"{history.count} loads (lines {', '.join(lines)}{between}{last})"
