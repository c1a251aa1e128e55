"""What would help, in the text report: what to do, what comes of it, what that rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from smecheck.report.text_tables import Words, grid
from smecheck.report.verdict_words import VERDICT_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from smecheck.answer import Advice

_NOTHING = "nothing needs to be changed"


def advice_table(advice: Sequence[Advice], words: Words) -> Table:
    """Return the changes that were tried."""
    table = grid(3, gap=2)
    if not advice:
        table.add_row(_NOTHING)
    for one in advice:
        table.add_row(
            Text("HELPS", "bold green") if one.helps else Text("no", "dim"),
            one.cost.value,
            Text("\n").join(
                (
                    Text(words(one.change), "bold"),
                    Text(f"{VERDICT_WORDS[one.verdict]}: ").append(words(one.note)),
                )
            ),
        )
    return table
