"""getopt_long() of the GNU C library, as kexec calls it: words in, options and operands out.

The manual of the library, "Parsing Long Options with getopt_long": options and operands may be
mixed, ``--`` ends the options, an exact name wins over an abbreviation, and an abbreviation counts
where only one option begins with it. Messages are the library's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smecheck.load.kexec_option_table import KexecOption
from smecheck.record import record


@record
class GivenOption:
    """An option as it was given."""

    name: str
    """Its full name."""
    value: str | None
    position: int
    """Of its word among all words."""


@record
class Operand:
    """A word that is not an option, nor the value of one."""

    word: str
    position: int


class BadOptionError(Exception):
    """The library refuses a word."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position
        self.message = message


def getopt_long(
    words: Sequence[str], options: Sequence[KexecOption]
) -> Iterator[GivenOption | Operand]:
    """Yield what the words are, in their order.

    Raises:
        BadOptionError: a word is not an option of the program, or lacks its value.
    """
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            yield from (Operand(words[rest], rest) for rest in range(position + 1, len(words)))
            return
        if word.startswith("--"):
            given, position = _long(words, position, options)
            yield given
        elif word.startswith("-") and len(word) > 1:
            several, position = _short(words, position, options)
            yield from several
        else:
            yield Operand(word, position)
        position += 1


def _long(
    words: Sequence[str], position: int, options: Sequence[KexecOption]
) -> tuple[GivenOption, int]:
    """Return the option of a word that begins with ``--``, and the position of its last word."""
    name, equals, value = words[position][2:].partition("=")
    option = _named(name, words[position], position, options)
    if not option.takes_value:
        if equals:
            raise BadOptionError(position, f"option '--{option.name}' doesn't allow an argument")
        return GivenOption(option.name, None, position), position
    if equals:
        return GivenOption(option.name, value, position), position
    if position + 1 == len(words):
        raise BadOptionError(position, f"option '--{option.name}' requires an argument")
    return GivenOption(option.name, words[position + 1], position), position + 1


def _named(name: str, word: str, position: int, options: Sequence[KexecOption]) -> KexecOption:
    begins = [option for option in options if option.name.startswith(name)]
    found = [option for option in begins if option.name == name] or begins
    if not found:
        raise BadOptionError(position, f"unrecognized option '{word}'")
    if len(found) > 1:
        possible = " ".join(f"'--{option.name}'" for option in found)
        raise BadOptionError(position, f"option '{word}' is ambiguous; possibilities: {possible}")
    return found[0]


def _short(
    words: Sequence[str], position: int, options: Sequence[KexecOption]
) -> tuple[list[GivenOption], int]:
    """Return the options of a word of letters, and the position of its last word."""
    letters = {option.letter: option for option in options if option.letter}
    word = words[position]
    given: list[GivenOption] = []
    for index, letter in enumerate(word[1:], 1):
        option = letters.get(letter)
        if option is None:
            raise BadOptionError(position, f"invalid option -- '{letter}'")
        if not option.takes_value:
            given.append(GivenOption(option.name, None, position))
            continue
        value, last = word[index + 1 :], position
        if not value:
            last = position + 1
            if last == len(words):
                raise BadOptionError(position, f"option requires an argument -- '{letter}'")
            value = words[last]
        return [*given, GivenOption(option.name, value, position)], last
    return given, position
