"""The kexec command itself, where somebody pasted it above its output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

from smecheck.evidence import Fact, Known, Unknown
from smecheck.load.getopt_long import BadOptionError, GivenOption, getopt_long
from smecheck.load.kexec_option_table import KEXEC_OPTIONS
from smecheck.load.kexec_options import KexecOptions, with_option
from smecheck.load.segments import Loader, Mode
from smecheck.read.lines.known_lines import About, KnownLine, Trait
from smecheck.read.log.logged_cmdline import glue_at
from smecheck.record import record, replace

_INVISIBLE_BLANKS = 4
# After nothing, a prompt, the + of "set -x", or sudo.
_COMMAND = re.compile(r"(?:^|[#$%>+]|sudo[ \t])[ \t]*+(?:[\w.-]*+/)*+kexec(?=[ \t])")
COMMAND = KnownLine(
    About.OTHER,
    ("kexec",),
    r"(?:[^\n]{0,120}?[#$%>+][ \t]*)?(?:sudo[ \t]+)?(?:[\w.-]*/)*kexec[ \t]",
    r".*",
    Trait.FREE,
)
"""A command: after nothing, a prompt, the + of "set -x", or sudo."""
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
    loader: Loader | None
    """The system call, where ``-s`` or ``-c`` says it."""
    cmdline: str | None
    """The command line it gives to the kernel, where its text shows it whole."""
    has_debug: bool = False
    """Whether it asks for messages, with ``-d``."""
    longer: tuple[str, ...] = ()
    """What it gives if it goes on in the lines after it, which nothing but the load shows."""

    def cmdline_of_length(self, loaded: int | None) -> Fact[str]:
        """Return the command line, of which ``loaded`` characters were loaded, if that is known."""
        given = self.cmdline
        if given is None:
            return Unknown("the text of the load does not show the command line")
        origin = f"line {self.line}: the kexec command"
        if loaded is None and self.longer:
            return Unknown(f"whether the command in line {self.line} goes on is not certain")
        for text in (given, *self.longer):
            # kexec-tools forgets --append where --noefi and its like come after it.
            if loaded is None or 0 <= loaded - len(text) <= _INVISIBLE_BLANKS:
                return Known(text, origin)
        return Unknown(
            f"the command in line {self.line} gives {len(given)} characters of command line, but "
            f"{loaded} were loaded"
        )


def parse_command_lines(first: str, rest: Sequence[str], line: int) -> KexecCommand | None:
    """Read a command that may go on in the lines after its first.

    It does after a backslash, inside quotes, and where a line begins with an option. Where its last
    value has no quotes, it may go on in lines that look like options of a kernel: the size of what
    was loaded shows.
    """
    text, used = first, 0
    for part in rest:
        goes_on = text.endswith("\\")
        if not goes_on and not part.startswith("-") and not _is_open(text):
            break
        text, used = f"{text.removesuffix(chr(92)).rstrip()} {part}", used + 1
    command = parse_command(text, line)
    if command is None or command.cmdline is None:
        return command
    longer = []
    for part in rest[used:]:
        glue = glue_at(text, part)
        if glue is None:
            break
        text = f"{text}{glue}{part}"
        other = parse_command(text, line)
        if other is not None and other.cmdline not in (None, command.cmdline):
            longer.append(other.cmdline)
    return replace(command, longer=tuple(one for one in longer if one is not None))


def _is_open(text: str) -> bool:
    """Return whether a quote is open at the end of ``text``."""
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
    words = _SHELL_OPERATOR.split(rest, maxsplit=1)[0].split()
    options = _options(tuple(word for word in words if word.startswith("-") and _given(word)))
    if options.mode is None and rest == arguments:
        return None
    if options.reuses_cmdline:
        cmdline = None
    return KexecCommand(line, options.mode, options.loader, cmdline, options.debug)


@lru_cache(maxsize=256)
def _options(words: tuple[str, ...]) -> KexecOptions:
    """Return what the options among the words of a command say, one word at a time.

    What the shell makes of the line is not known in full, nor is the version of kexec.
    """
    options = KexecOptions()
    for given in chain.from_iterable(map(_given, words)):
        options = with_option(options, given)
    return options


@lru_cache(maxsize=4096)
def _given(word: str) -> tuple[GivenOption, ...]:
    """Return the options of a word, as far as they have no value."""
    if "=" in word:
        return ()
    try:
        found = [*getopt_long((word, ""), KEXEC_OPTIONS)]
    except BadOptionError:
        return ()
    return tuple(one for one in found if isinstance(one, GivenOption) and one.value is None)


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
