"""Python's garbage collector, kept away from what is no garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the collector from searching all of Airflow while much is built, none of it garbage.

    It would: 100,000 new objects make it look at every old one, which takes longer than building them.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
