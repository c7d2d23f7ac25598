"""All benchmarks. Ratios and limits are compared within one run, since machines are noisy."""

from __future__ import annotations

import platform

import emulator_memory
import large_expression
import parse_time
import submission
import waiting

BENCHMARKS = (parse_time, large_expression, submission, emulator_memory, waiting)


def main() -> None:
    """Run them in turn, and say which promises hold."""
    print(f"Python {platform.python_version()}, {platform.machine()}\n")
    kept = {}
    for benchmark in BENCHMARKS:
        kept[benchmark.__name__] = benchmark.main()
        print()
    print("promises:", ", ".join(f"{name} {'kept' if held else 'BROKEN'}" for name, held in kept.items()))


if __name__ == "__main__":
    main()
