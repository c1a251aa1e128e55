"""The JSON Schema of kernel descriptions against their reader."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from test_kernel_description import EXAMPLE, HEAD, NO_SCHEMA, REST, WRONG, problems, read

from smecheck.quantity import parse_integer

SCHEMA = json.loads(files("smecheck").joinpath("schemas", "kernel-v1.json").read_text())


def schema_accepts(text: str) -> bool:
    return bool(Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(text)))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", NO_SCHEMA)
def test_the_schema_refuses_what_is_no_kernel_description(text: str) -> None:
    assert not schema_accepts(text)


@pytest.mark.parametrize("text", [EXAMPLE, REST, HEAD, HEAD + "release: 6.1\nbuild_id: 12"])
def test_the_schema_accepts_what_the_reader_accepts(text: str) -> None:
    read(text)
    assert schema_accepts(text)


READER_ALONE = (
    "not a value of",
    "octal",
    "'yes'",
    "power of two",
    "above",
    "64 bits",
    "unprintable",
)
"""What a JSON Schema cannot say, or does not see after YAML's own rules were applied."""


@pytest.mark.parametrize("text", [text for text in WRONG if not text.startswith("?")])
def test_the_schema_refuses_what_the_reader_refuses(text: str) -> None:
    assert schema_accepts(HEAD + text) is any(word in WRONG[text] for word in READER_ALONE)


def properties(schema: dict[str, Any]) -> set[str]:
    return set(schema["properties"])


def test_the_schema_and_the_reader_know_the_same_keys() -> None:
    kinds = {
        "{}": SCHEMA,
        "setup_header: {}": SCHEMA["$defs"]["setup_header"],
        "sections: [{}]": SCHEMA["$defs"]["section"],
        "program_headers: [{}]": SCHEMA["$defs"]["program_header"],
    }
    for text, schema in kinds.items():
        wrong = text.replace("{}", "{QQ: 1}") if text != "{}" else "QQ: 1"
        unknown = [line for line in problems(HEAD + wrong) if "unknown key" in line]
        assert set(unknown[0].split("known are ")[1].split(", ")) == properties(schema)


@given(st.integers(0, 2**64 - 1), st.sampled_from(["{}", "{:#x}", "'{}'", '"0X{:X}"']))
def test_integers_come_back_and_agree_with_the_schema(value: int, form: str) -> None:
    text = f"{HEAD}symbols: {{_end: {form.format(value)}}}\n"
    assert read(text).symbols == {"_end": value}
    assert schema_accepts(text)


def refusal_of(written: str) -> str | None:
    try:
        parse_integer(written)
    except ValueError as error:
        return str(error)
    return None


@given(
    st.one_of(
        st.text(st.sampled_from("0123456789abxXKMGTiB .-_:"), max_size=8),
        st.from_regex(r"(0x[0-9a-f]{1,17}|[0-9]{1,3} ?[KMGT](iB)?)", fullmatch=True),
    )
)
def test_a_quoted_integer_is_one_to_both_or_to_neither(written: str) -> None:
    text = f"{HEAD}symbols: {{_end: '{written}'}}\n"
    reason = refusal_of(written)
    if reason is None:
        read(text)
    else:
        assert len(problems(text)) == 1
    # How large the number is cannot be said in a pattern.
    assert schema_accepts(text) is (reason is None or "64 bits" in reason)
