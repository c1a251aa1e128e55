"""Rule ids that lead to their pages, on terminals that can follow links."""

from __future__ import annotations

import pytest

from smecheck.cli import terminal
from smecheck.report import docs_address
from smecheck.report.hyperlinks import with_links

KNOWN_BY = ("FORCE_HYPERLINK", "VTE_VERSION", "WT_SESSION", "KONSOLE_VERSION", "TERM_PROGRAM")
TEXT = "ERROR   SME001 boot_params\nnext: smecheck explain SME001\n"


def test_without_a_site_nothing_changes() -> None:
    assert with_links(TEXT) == TEXT


def test_each_rule_leads_to_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs_address, "SITE", "https://smecheck.example")
    link = "\x1b]8;;https://smecheck.example/rules.html#sme001\x1b\\SME001\x1b]8;;\x1b\\"
    assert with_links(TEXT) == TEXT.replace("SME001", link)
    assert with_links("SME0012 xSME001") == "SME0012 xSME001"


@pytest.mark.parametrize(
    ("said", "follows"),
    [
        ({}, False),
        ({"VTE_VERSION": "4999"}, False),
        ({"VTE_VERSION": "5000"}, True),
        ({"VTE_VERSION": "new"}, False),
        ({"WT_SESSION": "1"}, True),
        ({"KONSOLE_VERSION": "240801"}, True),
        ({"TERM_PROGRAM": "WezTerm"}, True),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "dumb", "VTE_VERSION": "7600"}, False),
        ({"VTE_VERSION": "7600", "FORCE_HYPERLINK": "0"}, False),
    ],
)
def test_which_terminals_follow_links(
    said: dict[str, str], follows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KNOWN_BY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(terminal, "is_terminal", lambda: True)
    assert terminal.follows_links() is follows


def test_a_pipe_has_links_only_where_they_are_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "is_terminal", lambda: False)
    monkeypatch.setenv("VTE_VERSION", "7600")
    monkeypatch.delenv("FORCE_HYPERLINK", raising=False)
    assert not terminal.follows_links()
    monkeypatch.setenv("FORCE_HYPERLINK", "1")
    assert terminal.follows_links()
