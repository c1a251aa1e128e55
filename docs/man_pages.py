"""The manual pages, made from the program's own help: one for smecheck, one for each command.

``python docs/man_pages.py FOLDER`` writes them; the build of a wheel does so too, and puts them
where ``man`` finds them. What the help does not have comes from the documents: the exit codes of
the README, the environment of docs/command-line.md, the date of the changelog.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from smecheck import __version__  # noqa: E402 - of this tree, wherever it is built
from smecheck.cli import help_groups  # noqa: E402
from smecheck.cli.main import cli  # noqa: E402

_SPECIAL = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
_HEADINGS = {"Options": "OPTIONS", "Commands": "COMMANDS", "Examples": "EXAMPLES"}
_EXIT_STATUS = "EXIT STATUS"
_OPTIONS = "OPTIONS"
_GROUPS = (*help_groups.GROUPS, help_groups.OTHERS)
_WIDTH = 70
"""Of the source; escapes make it longer."""


class _Page(click.HelpFormatter):
    """Takes what a command's help is made of, and makes the source of a manual page of it."""

    def __init__(self, context: click.Context) -> None:
        super().__init__(width=1000)  # nothing is shortened or wrapped here
        self.context = context
        self.lines: list[str] = []
        self.headings: list[str] = []

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:  # noqa: ARG002
        self.write_heading("SYNOPSIS")
        self.lines.append(f"{_bold(prog)} {_marked(args)}")
        self.write_heading("DESCRIPTION")

    def write_heading(self, heading: str) -> None:
        words = heading.partition(",")[0].rstrip(":")
        if words == "Exit codes":
            words = _EXIT_STATUS
        name = _HEADINGS.get(words, words)
        if name in _GROUPS and _OPTIONS not in self.headings:
            self.write_heading(_OPTIONS)
        self.headings.append(name)
        macro = "SH" if name.isupper() else "SS"
        self.lines.append(f'.{macro} "{_escaped(name)}"')

    def write_paragraph(self) -> None:
        """Paragraphs are begun where they are written."""

    def write_text(self, text: str) -> None:
        for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
            first, _, rest = paragraph.strip().partition("\n")
            if first.strip() != "\b":
                self._paragraph(paragraph)
                continue
            lines = rest.split("\n")
            if lines[0].endswith(":"):
                self.write_heading(lines.pop(0).strip())
            self._as_it_stands(lines)

    def write_dl(
        self,
        rows: Sequence[tuple[str, str]],
        col_max: int = 30,  # noqa: ARG002
        col_spacing: int = 2,  # noqa: ARG002
    ) -> None:
        for term, text in rows:
            is_command = term in cli.list_commands(self.context)
            shown = _bold(f"smecheck-{term}") + "(1)" if is_command else _option(term)
            self.lines += [".TP", shown, *_text(text)]

    def _paragraph(self, text: str) -> None:
        self.lines += [".PP", *_text(text)] if self._has_text() else _text(text)

    def _as_it_stands(self, lines: Sequence[str]) -> None:
        least = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        self.lines += [".nf", *(_begun(_escaped(line[least:].rstrip())) for line in lines), ".fi"]

    def _has_text(self) -> bool:
        return not self.lines[-1].startswith(".S")


def manual_pages() -> dict[str, str]:
    """Return the pages, by the names of their files."""
    top = click.Context(cli, info_name="smecheck", **cli.context_settings)
    names = cli.list_commands(top)
    pages = {"smecheck.1": _page(cli, top, names)}
    for name in names:
        command = cli.get_command(top, name)
        if command is None:
            raise LookupError(name)
        context = click.Context(command, info_name=name, parent=top, **command.context_settings)
        pages[f"smecheck-{name}.1"] = _page(command, context, names)
    return pages


def _page(command: click.Command, context: click.Context, names: Sequence[str]) -> str:
    name = context.command_path.replace(" ", "-")
    page = _Page(context)
    context.meta[help_groups.EVERY_OPTION] = True
    command.format_help(context, page)
    if page.headings.count(_EXIT_STATUS) == 0:
        page.write_heading(_EXIT_STATUS)
        page.write_dl(list(_table_rows(ROOT / "README.md", "Exit codes")))
    page.write_heading("ENVIRONMENT")
    page.write_dl(list(_table_rows(ROOT / "docs" / "command-line.md", "Environment")))
    others = [
        other for other in ("smecheck", *(f"smecheck-{one}" for one in names)) if other != name
    ]
    page.write_heading("SEE ALSO")
    page.lines.append(", ".join([*(f"{_bold(other)}(1)" for other in others), r"\fBkexec\fR(8)"]))
    return "\n".join([*_head(name, command), *page.lines]) + "\n"


def _head(name: str, command: click.Command) -> Iterator[str]:
    released = re.search(
        r"^## \d\S* - (\d{4}-\d\d-\d\d)$", (ROOT / "docs" / "changelog.md").read_text("utf-8"), re.M
    )
    if released is None:
        raise LookupError("the changelog has no release with a date")
    title = _escaped(name.upper())
    yield f'.TH "{title}" "1" "{released[1]}" "smecheck {__version__}" "smecheck"'
    yield '.SH "NAME"'
    short = re.split(r"\.\s|\.$|: |\n\n", command.help or "")[0]
    yield f"{_escaped(name)} \\-"
    yield from _text(short[:1].lower() + short[1:])


def _table_rows(document: Path, heading: str) -> Iterator[tuple[str, str]]:
    """Yield the rows of the table in a section of a document."""
    _, _, section = document.read_text("utf-8").partition(f"## {heading}\n")
    for row in re.findall(r"^\| (.+?) \| (.+) \|$", section.partition("\n## ")[0], re.M):
        if not row[0].startswith(("code", "variable", "---")):
            term, text = (re.sub(r"`([^`]*)`", r"\1", cell) for cell in row)
            yield term, text


def _option(term: str) -> str:
    """Return the names of an option in bold, what they take in italics."""
    return re.sub(
        r"(--?[A-Za-z][\w-]*)|([^-,\s][^,\s]*)",
        lambda found: _bold(found[1]) if found[1] else f"\\fI{_escaped(found[2])}\\fR",
        term,
    )


def _marked(arguments: str) -> str:
    return " ".join(f"\\fI{_escaped(word)}\\fR" for word in arguments.split())


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _text(text: str) -> list[str]:
    """Return lines, a new one for each sentence, as man-pages(7) wants them."""
    sentences = re.split(r"(?<=[\w)]\.) (?=[A-Z-])", " ".join(text.split()))
    return [line for sentence in sentences for line in _lines(sentence)]


def _lines(sentence: str) -> list[str]:
    lines = textwrap.wrap(sentence, _WIDTH, break_long_words=False, break_on_hyphens=False)
    # A full stop at the end of a line ends a sentence, unless something follows that is not seen.
    stops = [*(r"\&" if line.endswith(".") else "" for line in lines[:-1]), ""]
    return [_begun(_escaped(line)) + stop for line, stop in zip(lines, stops, strict=True)]


def _escaped(text: str) -> str:
    return "".join(
        _SPECIAL.get(char, char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text
    )


def _begun(line: str) -> str:
    """A line must not begin as a request does."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


def main(folder: Path) -> None:
    """Write the pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in manual_pages().items():
        (folder / name).write_text(page, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
