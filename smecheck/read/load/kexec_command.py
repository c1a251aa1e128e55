"""The kexec command itself, where somebody pasted it above its output."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from smecheck.load.getopt_long import BadOptionError, GivenOption, getopt_long
from smecheck.load.kexec_option_table import KEXEC_OPTIONS
from smecheck.load.kexec_options import KexecOptions, with_option
from smecheck.load.segments import Loader, Mode
from smecheck.read.lines.known_lines import About, KnownLine, Trait
from smecheck.record import record

# Behind nothing, a prompt, the + of "set -x", or sudo.
_COMMAND = re.compile(r"(?:^|[#$%>+]|sudo[ \t])[ \t]*+(?:[\w.-]*+/)*+kexec(?=[ \t])")
COMMAND = KnownLine(
    About.OTHER,
    ("kexec",),
    r"(?:[^\n]{0,120}?[#$%>+][ \t]*)?(?:sudo[ \t]+)?(?:[\w.-]*/)*kexec[ \t]",
    r".*",
    Trait.FREE,
)
"""A command: behind nothing, a prompt, the + of "set -x", or sudo."""
_VALUE = re.compile(r"(?<=[ \t])(['\"]?)--(?:append|command-line)(?:=|[ \t]++)")
_QUOTED = {
    "'": re.compile(r"([^']*+)'"),
    '"': re.compile(r'((?:[^"\\]|\\.)*+)"'),
}
_ESCAPED = re.compile(r'\\([\\"$`])')
_EXPANDED = re.compile(r"(?<!\\)(?:`|\$[A-Za-z_({])")
# A capture of argv joined by blanks shows no quotes: the value then ends at the next option.
_SHELL_OPERATOR = re.compile(r"[ \t](?:[0-9]?[<>]|[|;&])")
_UNQUOTED_END = re.compile(
    r"[ \t]{2}|\t|[ \t]--[A-Za-z]|[ \t]-[a-z]{1,5}(?=[ \t]|$)|[ \t](?:[0-9]?[<>]|[|;&])|$"
)


@record
class KexecCommand:
    """A pasted ``kexec -l`` or ``kexec -p``."""

    line: int
    mode: Mode | None
    is_file_load: bool
    """Whether it asks for kexec_file_load, with ``-s``."""
    cmdline: str | None
    """The command line it gives to the kernel, where its text shows it whole."""


def command_text(first: str, rest: Sequence[str]) -> str:
    """Return a pasted command, with the lines that it goes on in.

    Args:
        first: its first line.
        rest: the lines after that. It goes on in them after a backslash, inside quotes, and where
            they begin with an option.
    """
    text = first
    for line in rest:
        goes_on = text.endswith("\\")
        if not goes_on and not line.startswith("-") and not _is_open(text):
            break
        text = f"{text.removesuffix(chr(92)).rstrip()} {line}"
    return text


def _is_open(text: str) -> bool:
    """Tell whether a quote is open at the end of ``text``."""
    quote = ""
    for character in re.sub(r"\\.", "", text):
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
    return bool(quote)


def parse_command(text: str, line: int) -> KexecCommand | None:
    """Read a line that is a kexec command which loads something."""
    command = _COMMAND.search(text)
    if command is None:
        return None
    arguments = text[command.end() :]
    rest, cmdline = _take_values(arguments)
    options = KexecOptions()
    for given in _options(_SHELL_OPERATOR.split(rest, maxsplit=1)[0].split()):
        options = with_option(options, given)
    if options.mode is None and rest == arguments:
        return None
    if options.reuses_cmdline:
        cmdline = None
    is_file_load = options.loader is Loader.KEXEC_FILE_LOAD
    return KexecCommand(line, options.mode, is_file_load, cmdline)


def _options(words: list[str]) -> Iterator[GivenOption]:
    """Yield the options among the words, one word at a time.

    What the shell makes of the line is not known in full, nor is the version of kexec.
    """
    for word in words:
        if not word.startswith("-"):
            continue
        try:
            found = [*getopt_long((word, ""), KEXEC_OPTIONS)]
        except BadOptionError:
            continue
        yield from (
            given for given in found if isinstance(given, GivenOption) and given.value is None
        )


def _take_values(arguments: str) -> tuple[str, str | None]:
    """Cut the command lines out of ``arguments``; return what is left, and the last of them.

    kexec-tools takes --append and --command-line for one option: the last one counts.
    """
    kept: list[str] = []
    value: str | None = None
    position = 0
    while match := _VALUE.search(arguments, position):
        kept.append(arguments[position : match.start()])
        value, position = _value_at(arguments, match.end(), match[1])
    kept.append(arguments[position:])
    return " ".join(kept), value


def _value_at(arguments: str, start: int, quote: str) -> tuple[str | None, int]:
    """Return the value that begins at ``start``, if it is shown whole, and where it ends."""
    if not quote and arguments[start : start + 1] in _QUOTED:
        quote, start = arguments[start], start + 1
    if quote:
        quoted = _QUOTED[quote].match(arguments, start)
        if quoted is None:
            return None, len(arguments)
        value, end = quoted[1], quoted.end()
    else:
        stop = _UNQUOTED_END.search(arguments, start)
        end = stop.start() if stop else len(arguments)
        value = arguments[start:end]
    if quote != "'":
        # What the shell puts in for $(cat /proc/cmdline) is not in the text. memmap=1M$4G is.
        if _EXPANDED.search(value):
            return None, end
        value = _ESCAPED.sub(r"\1", value) if quote else value
    return value.strip(), end
