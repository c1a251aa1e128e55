"""Break inputs for every reader and see what comes of it: ``python -m tests.fuzz --help``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from campaign import Outcome, campaign, keep  # noqa: E402 - its neighbours are found by now
from readers import READERS  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description="Give broken inputs to every reader. Exit status 1: one of them was not refused"
        " as it should be, hung, or took too much memory; its input is kept.",
    )
    names = [reader.name for reader in READERS]
    parser.add_argument("--inputs", type=int, default=20_000, help="of all readers together")
    parser.add_argument("--seconds", type=float, help="stop after that time")
    parser.add_argument("--seed", type=int, default=1, help="other inputs for another number")
    parser.add_argument("--reader", choices=names, action="append", help="only this one; repeat it")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="for the inputs")
    options = parser.parse_args()
    chosen = tuple(r for r in READERS if not options.reader or r.name in options.reader)

    outcomes = {reader.name: Outcome() for reader in chosen}
    for reader, outcome in campaign(chosen, options.seed, options.inputs, options.seconds):
        outcomes[reader.name].add(outcome)
        for failure in outcome.failures:
            path = keep(options.keep, failure, options.seed)
            print(f"{failure.reader}: {path}:\n{failure.what}", file=sys.stderr)
    print(f"{'reader':<16}{'inputs':>9}{'taken':>9}{'refused':>9}{'failed':>8}  slowest    peak")
    for name, outcome in outcomes.items():
        print(
            f"{name:<16}{outcome.inputs:>9}{outcome.taken:>9}{outcome.refused:>9}"
            f"{len(outcome.failures):>8}{outcome.slowest:>7.2f} s{outcome.peak >> 20:>5} MiB"
        )
    return 1 if any(outcome.failures for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
