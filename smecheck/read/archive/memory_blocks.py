"""Memory that was taken offline, as ``lsmem`` shows it: a load that is older still counts on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from smecheck.support_case.triage_report import FactName, TriageFact

_BLOCK = re.compile(r"\s*(0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})\s+\S+\s+offline\b")
_BLOCKS_LIMIT = 64


def memory_block_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Yield the ranges that are offline; inclusive, as they are printed."""
    left = _BLOCKS_LIMIT
    for number, line in enumerate(text.split("\n"), 1):
        found = _BLOCK.match(line)
        if found is None or not left:
            continue
        left -= 1
        span = f"{int(found[1], 16):#x}-{int(found[2], 16):#x}"
        yield TriageFact(FactName.MEMORY_OFFLINE, span, member, number)
