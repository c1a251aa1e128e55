"""Change evidence in the ways in which people change it: ``python -m tests.metamorphic --help``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from campaign import campaign  # noqa: E402 - its neighbours are found by now


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.metamorphic",
        description="Wrap, quote, encode, interleave, drop and double the lines of each sample and "
        "capture. Exit status 1: an answer became better than the untouched one, or changed where "
        "nothing was lost.",
    )
    parser.add_argument("--variations", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1, help="the number of the first one")
    parser.add_argument("--keep", type=Path, help="folder for the texts of each fault")
    options = parser.parse_args()
    outcomes: Counter[str] = Counter()
    for one in campaign(options.seed, options.variations):
        kind = "whole" if one.whole else "lossy"
        same = one.after.verdict == one.before.verdict
        outcomes[f"{kind}: {'same verdict' if same else f'became {one.after.verdict}'}"] += 1
        if one.fault is None:
            continue
        outcomes["faults"] += 1
        print(f"{one.seed} {one.subject.name} {one.happened}: {one.fault}", file=sys.stderr)
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            for text, data in one.texts.items():
                (options.keep / f"{one.seed}.{text}").write_bytes(data)
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:>7} {outcome}")
    return 1 if outcomes["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
