"""All benchmarks. Ratios and limits are compared within one run, since machines are noisy."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence

import emulator_memory
import large_expression
import parse_time
import submission
import waiting

BENCHMARKS = (parse_time, large_expression, submission, emulator_memory, waiting)


def main(names: Sequence[str]) -> None:
    """Run them in turn, or those that are named, and say which promises hold."""
    print(f"Python {platform.python_version()}, {platform.machine()}\n")
    kept = {}
    known = {benchmark.__name__: benchmark for benchmark in BENCHMARKS}
    for benchmark in [known[name] for name in names or known]:
        kept[benchmark.__name__] = benchmark.main()
        print()
    print("promises:", ", ".join(f"{name} {'kept' if held else 'BROKEN'}" for name, held in kept.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
