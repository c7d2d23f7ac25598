"""Files that get their names when they are whole."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError

_NO_PLACE = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}


def temporary_beside(path: Path) -> Path:
    """The path of a file that is to become that at ``path``."""
    return path.with_name(f".{uuid.uuid4().hex}.part")


@contextmanager
def placing(path: Path) -> Iterator[None]:
    """Around what makes the file at ``path``, or its folder.

    :raises EvaluationError: if the file system cannot hold it, which is the fault of whoever chose the name.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        raise EvaluationError(
            f"The destination '{path.name}' does not fit into the file system of the emulator, where a file is no "
            f"folder ({os.strerror(error.errno)}); choose another name."
        ) from error


@contextmanager
def written(path: Path) -> Iterator[IO[str]]:
    """The text of a new file, which takes the place of ``path`` if no error is raised."""
    temporary = temporary_beside(path)
    with placing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("w", encoding="utf-8", newline="") as file:
                yield file
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
