"""YAML documents: what is read, what is refused at which place, and how soon."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from smecheck.errors import MalformedInput
from smecheck.read.yaml import document
from smecheck.read.yaml.document import DEPTH_LIMIT, NODE_LIMIT, read_document
from smecheck.read.yaml.fields import PROBLEM_LIMIT, open_description
from smecheck.read.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode, integer, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 2.0
SCHEMA = "smecheck/kernel-v1"
HEAD = f"schema: {SCHEMA}\n"


def refusal(text: str) -> str:
    with pytest.raises(MalformedInput) as caught:
        read_document(text, "f.yaml")
    assert caught.value.help_text
    return f"{caught.value.where}: {caught.value.message}"


def scalars(node: Node | None) -> Iterator[str]:
    if isinstance(node, ScalarNode):
        yield f"{node.line}:{node.column} {node.text}"
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from scalars(item)
    elif isinstance(node, MappingNode):
        for key, value in node.pairs:
            yield from scalars(key)
            yield from scalars(value)


def test_nodes_know_their_place_and_keep_what_was_written() -> None:
    text = "# c\na: 'x y'\nb:\n  - 010\n  - {é: ü, c: no}\n  - |\n    l\n"
    node = read_document(text, "f.yaml")
    assert isinstance(node, MappingNode)
    assert (node.line, node.column) == (2, 1)
    assert list(scalars(node)) == [
        *("2:1 a", "2:4 x y", "3:1 b", "4:5 010"),
        *("5:6 é", "5:9 ü", "5:12 c", "5:15 no", "6:5 l"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(end: str) -> None:
    text = end.join(("\ufeffa: 1", "b: 2", "c: *x"))
    assert refusal(text).startswith("f.yaml:3:4: ")


@pytest.mark.parametrize("text", ["", "# nothing\n", "\n\n", "\ufeff"])
def test_no_document(text: str) -> None:
    assert read_document(text, "f.yaml") is None


REFUSED = {
    "a: 1\nb: *x\n": "f.yaml:2:4: an alias (*); write the value out",
    "a: 1\nb: &x 1\n": "f.yaml:2:4: an anchor (&); write the value out wherever it is needed",
    "&x a: 1\n": "f.yaml:1:1: an anchor (&); write the value out wherever it is needed",
    "a: 1\nb: !!int 1\n": "f.yaml:2:4: a tag (!); leave it out",
    "a: ! [1]\n": "f.yaml:1:4: a tag (!); leave it out",
    "a: 1\n---\nb: 1\n": "f.yaml:2:1: a second document begins here; give one only",
    "# c\n%YAML 1.1\n---\na: 1\n": "f.yaml:2:1: a YAML directive (%); leave it out",
    "a: 1\nb:\t2\n": "f.yaml:2:3: a tab; use spaces",
    "a: 1\nb: 2 # \x00": "f.yaml:2:8: the character U+0000 is refused",
    "a: \x1b[31m": "f.yaml:1:4: the character U+001B is refused",
    "a: \x85": "f.yaml:1:4: the character U+0085 is refused",
    "a: \u2028": "f.yaml:1:4: the character U+2028 is refused",
    "a: \ud800": "f.yaml:1:4: the character U+D800 is refused",
    "a: \ufeff": "f.yaml:1:4: the character U+FEFF is refused",
    "a: 1\nb: c: d\n": "f.yaml:2:5: not YAML: mapping values are not allowed in this context",
    "a: 1\nb: 'c\n": (
        "f.yaml:3:1: not YAML: found unexpected end of stream "
        "while scanning a quoted scalar that begins at 2:4"
    ),
    "[" * (DEPTH_LIMIT + 1): "f.yaml:1:21: nested more than 20 deep; no description needs that",
    f"[{'1,' * (NODE_LIMIT - 1)}\n 1]": (
        "f.yaml:2:2: more than 100000 nodes; no description needs as many"
    ),
}


@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=range(len(REFUSED)))
def test_refused_at_its_place(text: str, expected: str) -> None:
    assert refusal(text) == expected


def test_the_limits_themselves_are_allowed() -> None:
    assert read_document("[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT, "f.yaml")
    full = read_document(f"[{'1,' * (NODE_LIMIT - 1)}]", "f.yaml")
    assert isinstance(full, SequenceNode)
    assert len(full.items) == NODE_LIMIT - 1


HOSTILE: dict[str, Callable[[], str]] = {
    "alias bomb": lambda: (
        "a: &a [x,x]\n" + "".join(f"k{i}: &k{i} [*a,*a]\n" for i in range(100_000))
    ),
    "lists in lists": lambda: "[" * 5_000_000,
    "mappings in mappings": lambda: "{a: " * 2_000_000,
    "list items in list items": lambda: "- " * 5_000_000,
    "keys in keys": lambda: "? " * 5_000_000,
    "10 MB of keys": lambda: "".join(f"k{i}: 1\n" for i in range(1_000_000)),
    "10 MB of keys in one line": lambda: "{" + "".join(f"k{i}: 1," for i in range(1_000_000)),
    "10 MB of a key twice": lambda: "k: 1\n" * 2_000_000,
    "10 MB of one key": lambda: "x" * 10_000_000 + ": 1",
    "10 MB of one number": lambda: "symbols: {_text: " + "9" * 10_000_000 + "}",
    "10 MB of text": lambda: "release: " + "x" * 10_000_000,
    "10 MB of lines of text": lambda: "release: " + "x\n  " * 2_500_000,
    "10 MB of quoted text": lambda: "release: '" + "x" * 10_000_000,
    "10 MB of an anchor": lambda: "a: &" + "a" * 10_000_000,
    "10 MB of a tag": lambda: "a: !" + "a" * 10_000_000,
    "10 MB of comment": lambda: "#" * 10_000_000 + "\nx: 1",
    "10 MB of empty lines": lambda: "\n" * 10_000_000 + "x: 1",
    "10 MB of documents": lambda: "---\n" * 2_500_000,
    "10 MB of tag directives": lambda: "".join(f"%TAG !{i}! x\n" for i in range(600_000)),
    "10 MB of controls": lambda: "\x01" * 10_000_000,
    "unknown keys, as many as fit": lambda: "".join(
        f"k{i}: 1\n" for i in range(NODE_LIMIT // 2 - 2)
    ),
    "one key, as often as fits": lambda: "k: 1\n" * (NODE_LIMIT // 2 - 2),
}


def read_fields(text: str) -> None:
    fields = open_description(text, "f.yaml", SCHEMA, ["a", "release", "symbols"])
    fields.get("a", one_line)
    fields.get("release", one_line)
    fields.named("symbols", one_line, integer)
    fields.finish()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_soon(name: str) -> None:
    text = HOSTILE[name]()
    text = text if text.startswith("%") else HEAD + text
    start = time.process_time()
    with pytest.raises(MalformedInput) as caught:
        read_fields(text)
    assert time.process_time() - start < SECONDS
    assert len(caught.value.message) < 300 * PROBLEM_LIMIT


yamlish = st.text(
    st.sampled_from("ab1:,-?[]{}&*!|>'\"%@`# \n\t\r\x00é\u2028\U0001f600"), max_size=40
)


def error_in(text: str) -> MalformedInput | None:
    try:
        read_document(text, "f.yaml")
    except MalformedInput as error:
        return error
    return None


@given(st.one_of(yamlish, st.text()))
def test_any_text_is_read_or_refused_at_a_place_in_it(text: str) -> None:
    error = error_in(text)
    if error is not None:
        name, line, column = str(error.where).split(":")
        assert name == "f.yaml"
        assert 1 <= int(line) <= len(text.splitlines()) + 1
        assert int(column) >= 1
        assert error.message.isprintable()


FEW_NODES = 1000


@pytest.mark.parametrize("text", [*REFUSED, "a: 'x'\nb: [1, {c: 2}]\n", "", "--- x", "? a\n"])
def test_without_libyaml_it_is_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is written in Python takes seconds for as many nodes as there may be.
    monkeypatch.setattr(document, "NODE_LIMIT", FEW_NODES)
    text = text.replace("1," * (NODE_LIMIT - 1), "1," * (FEW_NODES - 1))

    def outcome() -> tuple[object, ...]:
        error = error_in(text)
        if error is None:
            return (read_document(text, "f.yaml"),)
        # The two parsers word their errors differently.
        syntax = error.message.startswith("not YAML")
        return (syntax, None if syntax else (error.where, error.message))

    with_libyaml = outcome()
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert outcome() == with_libyaml


def test_importing_the_readers_does_not_import_yaml() -> None:
    modules = "smecheck.read.kernel.kernel_description, smecheck.read.load.segments_description"
    code = f"import sys, {modules}; sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
