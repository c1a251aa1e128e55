"""Reading the fields of a YAML description: what is there, what may be there, what is wrong.

A description is read to its end, as far as its structure allows, so that its author is shown all
that is wrong at once. Until then ``None`` stands for what could not be read; nothing of a wrong
description gets out, since ``Fields.finish`` raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, TypeVar

from smecheck.errors import MalformedInput
from smecheck.evidence import Fact, Known, Unknown
from smecheck.read.yaml.nodes import (
    BadNodeError,
    MappingNode,
    Node,
    Reader,
    ScalarNode,
    items,
    kind_of,
    mapping,
    nearest,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

T = TypeVar("T")

SCHEMAS = (
    "smecheck/kernel-v1",
    "smecheck/segments-v1",
    "smecheck/host-v1",
    "smecheck/policy-v1",
    "smecheck/boot-v1",
)
"""What ``schema`` may say: the kinds of descriptions that there are."""

NOT_GIVEN = Unknown("not in the description")
PROBLEM_LIMIT = 20


class Problems:
    """What is wrong with one document."""

    def __init__(self, name: str, help_text: str) -> None:
        self.name = name
        self._help_text = help_text
        self._found: list[tuple[int, int, str]] = []

    def add(self, node: Node, message: str) -> None:
        """Note what is wrong at ``node``.

        Raises:
            MalformedInput: these are as many problems as anybody wants to read of.
        """
        self._found.append((node.line, node.column, message))
        if len(self._found) == PROBLEM_LIMIT:
            self.tell()

    def check(self) -> None:
        """Do nothing if no problem was noted.

        Raises:
            MalformedInput: one was, or several were.
        """
        if self._found:
            self.tell()

    def tell(self) -> NoReturn:
        """Raise the problems that were noted, in the order of the document."""
        self._found.sort(key=lambda problem: problem[:2])
        found = [(f"{self.name}:{line}:{column}", message) for line, column, message in self._found]
        (where, first), *others = found
        message = "\n".join([first, *(f"{place}: {other}" for place, other in others)])
        raise MalformedInput(message, where=where, help_text=self._help_text)


class Fields:
    """The fields of a mapping whose keys are laid down."""

    def __init__(
        self, node: MappingNode, keys: Collection[str], problems: Problems, *, path: str = ""
    ) -> None:
        self._node = node
        self._problems = problems
        self._path = path
        self._entries = _entries(node, problems)
        for name, (key, _) in self._entries.items():
            if name not in keys:
                problems.add(key, f"unknown key {quoted(name)}{nearest(name, keys)}")

    @property
    def where(self) -> str:
        """The line that the mapping begins at: ``segments.yaml:5``."""
        return f"{self._problems.name}:{self._node.line}"

    def place(self, key: str) -> str:
        """The place of the value of ``key``, which is given: ``policy.yaml:7:12``."""
        node = self._entries[key][1]
        return f"{self._problems.name}:{node.line}:{node.column}"

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def get(self, key: str, read: Reader[T]) -> T | None:
        """Read the value of ``key``; ``None`` if it is not given, or wrong."""
        entry = self._entries.get(key)
        return None if entry is None else self._read(entry[1], read)

    def need(self, key: str, read: Reader[T]) -> T | None:
        """Read the value of ``key``, which must be given; ``None`` if that is wrong."""
        if key not in self._entries:
            self.problem(key, f"{quoted(key)} is missing")
        return self.get(key, read)

    def fact(self, key: str, read: Reader[T], absent: Unknown = NOT_GIVEN) -> Fact[T]:
        """Read the value of ``key`` with its origin; ``absent`` if it is not given."""
        value = self.get(key, read)
        if value is None:
            return absent
        line = self._entries[key][0].line
        return Known(value, f"{self._problems.name}:{line}: {self._path}{key}")

    def nested(self, key: str, keys: Collection[str]) -> Fields | None:
        """Return the fields of the mapping that is the value of ``key``."""
        node = self.get(key, mapping)
        if node is None:
            return None
        return Fields(node, keys, self._problems, path=f"{self._path}{key}.")

    def list_of(self, key: str, read: Reader[T]) -> list[T]:
        """Read each item of the list that is the value of ``key``; wrong ones are left out."""
        read_items = [self._read(node, read) for node in self.get(key, items) or ()]
        return [item for item in read_items if item is not None]

    def each(self, key: str, keys: Collection[str], *, required: bool = False) -> list[Fields]:
        """Return the fields of each mapping in the list that is the value of ``key``.

        A list that is required must be given, and have an item.
        """
        nodes = self.need(key, items) if required else self.get(key, items)
        if required and nodes == ():
            self.problem(key, f"the list {quoted(key)} is empty; give at least one")
        read = [self._read(node, mapping) for node in nodes or ()]
        return [Fields(node, keys, self._problems) for node in read if node is not None]

    def named(self, key: str, read_name: Reader[str], read: Reader[T]) -> dict[str, T]:
        """Read the mapping that is the value of ``key`` and has any names for keys."""
        return self.named_by(key, read_name, lambda _: read)

    def named_by(
        self, key: str, read_name: Reader[str], reader_of: Callable[[str], Reader[T]]
    ) -> dict[str, T]:
        """Read such a mapping where the name decides how its value is read."""
        node = self.get(key, mapping)
        values: dict[str, T] = {}
        for name_node, value_node in _entries(node, self._problems).values() if node else ():
            name = self._read(name_node, read_name)
            value = None if name is None else self._read(value_node, reader_of(name))
            if name is not None and value is not None:
                values[name] = value
        return values

    def problem(self, key: str, message: str) -> None:
        """Note what is wrong with the value of ``key``, or with the mapping if it is not given."""
        entry = self._entries.get(key)
        self._problems.add(self._node if entry is None else entry[1], message)

    def problem_at(self, node: Node, message: str) -> None:
        """Note what is wrong at ``node``, a part of a value that was read."""
        self._problems.add(node, message)

    def finish(self) -> None:
        """Do nothing if all of the document is right.

        Raises:
            MalformedInput: something is not; the message shows all of it.
        """
        self._problems.check()

    def _read(self, node: Node, read: Reader[T]) -> T | None:
        try:
            return read(node)
        except BadNodeError as error:
            self._problems.add(error.node, error.message)
            return None


def open_description(text: str, name: str, schema: str, keys: Collection[str]) -> Fields:
    """Return the fields of a description of the kind ``schema``, which ``keys`` need not name.

    Raises:
        MalformedInput: it is not YAML, or no such description.
    """
    # Here, since most runs read no description and need no PyYAML.
    from smecheck.read.yaml.document import read_document

    short = schema.removeprefix("smecheck/")
    problems = Problems(name, f"`smecheck schema {short}` prints what such a file may hold")
    root = read_document(text, name)
    if root is None or (isinstance(root, ScalarNode) and root.is_null):
        problems.add(Node(1, 1), f"there is no description; it begins with `schema: {schema}`")
        problems.tell()
    if not isinstance(root, MappingNode):
        found = kind_of(root)
        problems.add(root, f"{found} is not a description; it begins with `schema: {schema}`")
        problems.tell()
    _check_schema(root, schema, keys, problems)
    return Fields(root, ("schema", *keys), problems)


def _check_schema(
    root: MappingNode, schema: str, keys: Collection[str], problems: Problems
) -> None:
    # First and alone: in a description of another kind nearly every key would be unknown. Where it
    # is just missing, one key that this kind has shows that the rest is meant.
    node = next((value for key, value in root.pairs if _is_text(key, "schema")), None)
    if node is not None and _is_text(node, schema):
        return
    if node is None:
        problems.add(root, f"'schema' is missing; add the line `schema: {schema}`")
        if any(_is_text(key, known) for key, _ in root.pairs for known in keys):
            return
    elif any(_is_text(node, other) for other in SCHEMAS):
        problems.add(node, f"the schema is {kind_of(node)} where {schema!r} is needed")
    else:
        known = ", ".join(SCHEMAS)
        problems.add(node, f"the schema is {kind_of(node)}, not {schema!r}; known are {known}")
    problems.tell()


def _is_text(node: Node, written: str) -> bool:
    return isinstance(node, ScalarNode) and node.text == written


def _entries(node: MappingNode, problems: Problems) -> dict[str, tuple[ScalarNode, Node]]:
    entries: dict[str, tuple[ScalarNode, Node]] = {}
    for key, value in node.pairs:
        if not isinstance(key, ScalarNode):
            problems.add(key, f"{kind_of(key)} as a key; a key is text")
        elif key.text in entries:
            first = entries[key.text][0]
            place = f"{first.line}:{first.column}"
            problems.add(key, f"{quoted(key.text)} is given twice, first at {place}")
        else:
            entries[key.text] = (key, value)
    return entries
