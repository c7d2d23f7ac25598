"""No export is lost to what is told of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger(__name__)


@contextmanager
def harmless(what: str) -> Iterator[None]:
    """Warn of an error of the body and go on: the export that it tells of has been started, or has ended.

    What Airflow ends a task with is no ``Exception``, and ends it here too.

    :param what: could not be told, for the log.
    """
    try:
        yield
    except Exception as error:
        _log.warning("%s could not be told: %s", what, error)
