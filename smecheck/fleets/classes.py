"""Classes: machines whose answer is the same for the same reason.

The reason is the headline without its numbers, and the rules that found an error. Sizes, counts of
places and addresses differ from layout to layout; what goes wrong does not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_NUMBER = re.compile(
    r"\b(?:0x[0-9a-f]+|[0-9]+(?:[.,][0-9]+)*)\b(?: (?:[KMGT]iB|B|bytes?)\b)?(?: \(-?0x[0-9a-f]+\))?"
)
_DIGITS = 4
"""Bytes of the hash; a fleet has some dozens of reasons."""


def reason_of(headline: str) -> str:
    """Return a headline without its numbers."""
    return _NUMBER.sub("N", headline)


def class_of(verdict: str, basis: str, headline: str, errors: Iterable[str]) -> str:
    """Return the name of a class: its verdict, and what stands for the reason.

    Args:
        verdict: of the answer.
        basis: of the answer.
        headline: of the answer.
        errors: the rules that found an error.
    """
    reason = "\n".join([verdict, basis, reason_of(headline), *sorted(set(errors))])
    return f"{verdict}-{hashlib.blake2b(reason.encode(), digest_size=_DIGITS).hexdigest()}"
