"""Command lines in a text that may have broken or cut them.

Their text is free: nothing of its form shows that a line was broken in the middle of a word, or
that its end is missing. What shows it are the words at the break, a second copy, and the length.
Where nothing settles it, the command line is unknown: an option that matters may be in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.read.lines.messages import Message
from smecheck.record import record

PRINTK_LIMIT = 972
"""Characters from which on a message may have been cut.

kernel/printk: LOG_LINE_MAX is 1024 less the longest prefix (32, with the caller 48); the NUL and
the two bytes of the level count, so that 973 characters are left, or 989. Since v5.10 a record
holds 1024 bytes: 1021 characters. A blank that a cut ends in is lost on the way.
"""

CONTINUED = " \\"
"""Ends a "Kernel command line:" that goes on in the next message: print_kernel_cmdline(),
init/main.c, since late 2025."""

_COPIES_LIMIT = 16
_FLAGS = frozenset({"nokaslr", "kaslr", "ro", "rw", "quiet", "splash", "no5lvl", "nosmp", "--"})
_WELL_KNOWN = re.compile(
    r"(?:root|rootflags|console|earlyprintk|BOOT_IMAGE|resume|init|initrd|rd\.[\w.]+|panic|nr_cpus"
    r"|crashkernel|elfcorehdr|mem_encrypt|memmap|mem|audit|selinux|maxcpus|acpi_rsdp|dmcryptkeys)="
)
_MATTERING = re.compile(
    r"(nokaslr|kaslr|mem_encrypt|mem|memmap|crashkernel|elfcorehdr|hugepages|hugepagesz"
    r"|default_hugepagesz|no5lvl|acpi|efi|efi_fake_mem|cma|kho|movable_node|immovable_mem)(?:=(.*))?"
)
"""Options that an answer may hang on."""
_OPTION = re.compile(r"[A-Za-z_][\w.-]+(?:=\S*)?")
_PROSE = re.compile(
    r"[A-Z][a-z]+(?:[ ,]|$)|(?:.*[^ ])?[.?!](?: |$)|.*\b(?:the|is|was|and|this|that) "
)
_MESSAGE = re.compile(r"[^=]*:(?: |$)|[A-Z]\w* [\w(]+ ")


@record
class CommandLine:
    """A command line as one place of a text shows it."""

    text: Fact[str]
    unspaced: str
    """All that was logged of it, without blanks."""
    where: str
    words: str
    """What it is called there: ``Command line``."""

    @property
    def goes_on(self) -> bool:
        """Whether the next message goes on with it."""
        return (value_of(self.text) or "").endswith(CONTINUED)

    def continued(self, other: CommandLine) -> CommandLine:
        """Return it together with the message that goes on with it."""
        unspaced = self.unspaced.removesuffix(CONTINUED.strip()) + other.unspaced
        text = other.text
        if isinstance(self.text, Known) and isinstance(text, Known):
            text = Known(
                f"{self.text.value.removesuffix(CONTINUED)} {text.value}", self.text.origin
            )
        return CommandLine(text, unspaced, self.where, self.words)


def command_line(
    first: str, rest: Sequence[str], where: str, words: str, *, framed: bool, ahead: int | None
) -> CommandLine:
    """Put a command line together.

    Args:
        first: what the line of the message says of it.
        rest: the lines after that, which carry no prefix.
        where: the place of the message.
        words: what it is called there.
        framed: whether the line of the message carries a prefix.
        ahead: characters of the message before it; ``None`` where no kernel printed it, which cuts
            what is too long.
    """
    text, unspaced = first.strip(), first
    known = True
    for line in rest:
        if is_message(line) or (not framed and not is_options(line)):
            break
        glue = glue_at(text, line)
        unspaced += line
        if _PROSE.match(line) or glue is None:
            known = False
            break
        text = (text + glue + line.strip()).strip()
    unspaced = "".join(unspaced.split())
    if not known:
        reason = "is broken: which words its pieces make is not certain"
        return CommandLine(Unknown(f"{where} {reason}"), unspaced, where, words)
    is_long = ahead is not None and ahead + len(text.encode()) >= PRINTK_LIMIT
    if is_long and not text.endswith(CONTINUED):
        cut = Unknown(f"the command line in {where} is as long as a message can be: cut")
        return CommandLine(cut, unspaced, where, words)
    return CommandLine(Known(text, f"{where}: {words}"), unspaced, where, words)


class CommandLines:
    """The copies of a boot's command line: it is printed twice, or in pieces."""

    def __init__(self) -> None:
        self.copies: list[CommandLine] = []

    def add(self, where: str, message: Message, words: str, first: str) -> None:
        """Take in a message that shows the command line."""
        before = self.copies[-1] if self.copies else None
        goes_on = before is not None and before.goes_on and before.words == words
        if not goes_on and len(self.copies) >= _COPIES_LIMIT:
            return
        ahead = len(words) + 2
        copy = command_line(first, message.rest, where, words, framed=message.framed, ahead=ahead)
        if before is not None and goes_on:
            self.copies[-1] = before.continued(copy)
        else:
            self.copies.append(copy)

    def settled(self, otherwise: Unknown) -> Fact[str]:
        """Return the command line, or why it is not known."""
        return _settled(self.copies) if self.copies else otherwise


def _settled(copies: Sequence[CommandLine]) -> Fact[str]:
    """Return the command line that all copies are of, as far as they agree.

    "Command line:" and, later, "Kernel command line:" say the same; the second may have more
    around it (a boot configuration, arguments of init). One that is cut is settled by the other.
    """
    chosen: CommandLine | None = None
    for copy in copies:
        if isinstance(copy.text, Known) and (chosen is None or _goes_on(chosen, copy)):
            chosen = copy
    if chosen is None:
        return copies[0].text
    for copy in copies:
        if chosen.unspaced not in copy.unspaced and copy.unspaced not in chosen.unspaced:
            return Unknown(f"{chosen.where} and {copy.where} show different command lines")
        if isinstance(copy.text, Unknown) and len(copy.unspaced) > len(chosen.unspaced):
            return copy.text
    return chosen.text


def _goes_on(one: CommandLine, other: CommandLine) -> bool:
    """Return whether ``other`` shows that ``one`` is cut off; arguments of init may follow it."""
    start, more = value_of(one.text) or "", value_of(other.text) or ""
    return (
        len(start) < len(more)
        and more.startswith(start)
        and not more[len(start) :].lstrip().startswith("--")
    )


def is_message(line: str) -> bool:
    """Return whether a line looks like another message, or the sentence of one."""
    return _MESSAGE.match(line) is not None


def is_options(line: str) -> bool:
    """Return whether a line looks like options of a command line and nothing else."""
    return all("=" in word or _OPTION.fullmatch(word) or word in _FLAGS for word in line.split())


def glue_at(before: str, after: str) -> str | None:
    """Say what a break in a line was: a blank, nothing, or ``None`` if it may be either."""
    left, right = before.split()[-1:], after.split()[:1]
    if not left or not right:
        return " "
    one, two = left[0], right[0]
    both = one + two
    looks_begun = _OPTION.fullmatch(two) is not None
    if _is_complete(both) and not (_is_complete(one) and looks_begun):
        return ""
    if _WELL_KNOWN.match(two):
        return " "
    if _WELL_KNOWN.match(both) and not _WELL_KNOWN.match(one):
        return ""
    if two in _FLAGS:
        return " "
    if one.endswith("-") and one != "--":
        return ""  # where a paragraph is filled, a hyphen may end a line
    if not any(_MATTERING.match(word) for word in (one, two, both)):
        return " "
    return " " if _is_complete(one) and looks_begun else None


def _is_complete(word: str) -> bool:
    """Return whether a word is one of the options that matter, with a value as it may be."""
    match = _MATTERING.fullmatch(word)
    if match is None:
        return False
    name, value = match.groups()
    if value is None:
        return name in _FLAGS
    if name == "mem_encrypt":
        return value in ("on", "off")
    return re.fullmatch(r"[^\s=]*[^\s=,:@$-]", value) is not None
