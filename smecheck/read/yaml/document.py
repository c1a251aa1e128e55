"""From the text of a YAML document to its nodes, within limits.

A description may come from somebody who means harm. What none has a use for (anchors, tags,
directives, a second document) is refused, and the limits are kept while the parser's events come
in: a document that breaks one is given up at that place, whatever follows there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from smecheck.errors import MalformedInput
from smecheck.read.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yaml.error import Mark

NODE_LIMIT = 100_000
"""Nodes in a document: a description of a kernel's every section has about a thousand."""

DEPTH_LIMIT = 20
"""Lists and mappings within each other: the descriptions need three."""

_HELP = (
    "correct that place (mappings, lists, text and numbers are all that is needed); or is it the "
    "wrong file?"
)

# Tabs, controls, and the line ends that editors do not count as such: later places would be off.
_REFUSED_CHARACTER = re.compile(
    "[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
# Before the parser sees them: libyaml compares each %TAG with all of those before it.
_DIRECTIVE = re.compile("^%", re.MULTILINE)


def read_document(text: str, name: str) -> Node | None:
    """Read the one document in ``text``, the contents of the file ``name``.

    Returns:
        Its outermost node; ``None`` if there is none, as in a file of comments.

    Raises:
        MalformedInput: it is not YAML, uses what is refused here, or breaks a limit.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    _refuse_characters(text, name)
    try:
        return _build(text, name)
    except yaml.MarkedYAMLError as error:
        place = _place(error.problem_mark or error.context_mark)
        raise _refusal(name, place, _syntax_problem(error)) from error


def _refuse_characters(text: str, name: str) -> None:
    found = _REFUSED_CHARACTER.search(text)
    if found is not None:
        code = ord(found[0])
        message = "a tab; use spaces" if code == 9 else f"the character U+{code:04X} is refused"
        raise _refusal(name, _place_of_index(text, found.start()), message)
    found = _DIRECTIVE.search(text)
    if found is not None:
        place = _place_of_index(text, found.start())
        raise _refusal(name, place, "a YAML directive (%); leave it out")


def _build(text: str, name: str) -> Node | None:
    root: list[Node] = []
    opened: list[tuple[yaml.CollectionStartEvent, list[Node]]] = []
    count = 0
    for event in _events(text):
        place = _place(event.start_mark)
        if isinstance(event, yaml.NodeEvent):
            count += 1
            problem = _problem(event, count, depth=len(opened))
            if problem is not None:
                raise _refusal(name, place, problem)
        if isinstance(event, yaml.DocumentStartEvent) and root:
            raise _refusal(name, place, "a second document begins here; give one only")
        node: Node
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((event, []))
            continue
        if isinstance(event, yaml.ScalarEvent):
            node = _scalar(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            node = _collection(*opened.pop())
        else:
            continue
        siblings = opened[-1][1] if opened else root
        siblings.append(node)
    return root[0] if root else None


def _events(text: str) -> Iterator[yaml.Event]:
    # libyaml, where PyYAML was built with it, is about ten times as fast as the Python parser.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events: Iterator[yaml.Event] = yaml.parse(text, Loader=loader)
    return events


def _problem(event: yaml.NodeEvent, count: int, *, depth: int) -> str | None:
    if isinstance(event, yaml.AliasEvent):
        return "an alias (*); write the value out"
    if event.anchor is not None:
        return "an anchor (&); write the value out wherever it is needed"
    if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
        return "a tag (!); leave it out"
    if count > NODE_LIMIT:
        return f"more than {NODE_LIMIT} nodes; no description needs as many"
    if isinstance(event, yaml.CollectionStartEvent) and depth >= DEPTH_LIMIT:
        return f"nested more than {DEPTH_LIMIT} deep; no description needs that"
    return None


def _scalar(event: yaml.ScalarEvent, place: tuple[int, int]) -> ScalarNode:
    # The line break that ends a block scalar (| or >) is how it is written, not what it says.
    text = event.value.rstrip("\n") if event.style in ("|", ">") else event.value
    return ScalarNode(*place, text, plain=event.implicit[0])


def _collection(start: yaml.CollectionStartEvent, children: list[Node]) -> Node:
    place = _place(start.start_mark)
    if isinstance(start, yaml.SequenceStartEvent):
        return SequenceNode(*place, tuple(children))
    return MappingNode(*place, tuple(zip(children[::2], children[1::2], strict=True)))


def _syntax_problem(error: yaml.MarkedYAMLError) -> str:
    problem = f"not YAML: {error.problem or 'it cannot be parsed'}"
    if error.context:
        problem += f" {error.context}"
        if error.context_mark is not None:
            line, column = _place(error.context_mark)
            problem += f" that begins at {line}:{column}"
    return problem


def _place(mark: Mark | yaml._yaml.Mark | None) -> tuple[int, int]:
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def _place_of_index(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _refusal(name: str, place: tuple[int, int], message: str) -> MalformedInput:
    return MalformedInput(message, where=f"{name}:{place[0]}:{place[1]}", help_text=_HELP)
