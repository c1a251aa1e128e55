"""Rule ids as links, for terminals that can follow them (OSC 8)."""

from __future__ import annotations

import re

from smecheck.report.docs_address import site_url

_RULE = re.compile(r"\bSME\d{3}\b")


def with_links(text: str) -> str:
    """Return a text, laid out already, whose rule ids lead to their pages once there is a site."""
    if site_url("rules") is None:
        return text
    return _RULE.sub(_link, text)


def _link(match: re.Match[str]) -> str:
    rule = match.group()
    # https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda: the end has no address.
    return f"\x1b]8;;{site_url('rules', rule.lower())}\x1b\\{rule}\x1b]8;;\x1b\\"
