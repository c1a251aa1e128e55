"""Where the documentation is published: the one place that knows its address."""

from __future__ import annotations

SITE = ""
"""Address of the site that ``sphinx-build docs`` makes, without a slash at its end; empty while it
has none. Links in reports (``url``, ``helpUri``, ``informationUri``) follow from it."""


def site_url(page: str, anchor: str = "") -> str | None:
    """Return the address of a page of the documentation, or nothing while the site has none.

    Args:
        page: its file in ``docs``, without suffix: ``rules``.
        anchor: of a heading in it, in lower case.
    """
    if not SITE:
        return None
    return f"{SITE}/{page}.html" + (f"#{anchor}" if anchor else "")
