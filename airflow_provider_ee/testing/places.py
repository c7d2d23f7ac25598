"""Where the emulator's output folder holds what a DAG has written to a place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

# Of an image, a table, and a table of BigQuery; what is given by its prefix is looked for with each.
_SUFFIXES = ("", ".tif", ".csv", ".geojson", ".ndjson")
_ASSET = re.compile(r"projects/([^/]+)/assets/(.+)")
_FORMS = "gs://bucket/prefix, drive://folder/prefix, projects/p/assets/name or bq://project.dataset.table"


def files_at(place: str, output: Path) -> Iterator[Path]:
    """The files that stand for a place, written as in a DAG, with or without the ending of a file.

    :raises ValueError: if it is none.
    """
    stem = output.joinpath(*_parts(place))
    paths = (stem.with_name(stem.name + suffix) for suffix in _SUFFIXES)
    return (path for path in paths if path.is_file())


def _parts(place: str) -> list[str]:
    scheme, _, rest = place.partition("://")
    if asset := _ASSET.fullmatch(place):
        return ["assets", asset[1], *asset[2].split("/")]
    if scheme == "gs" and rest:
        return ["gs", *rest.split("/")]
    if scheme == "drive" and rest:
        folder, _, name = rest.partition("/")
        return ["drive", folder, name.replace("%", "%25").replace("/", "%2F")]
    if scheme == "bq" and rest.count(".") >= 2:
        return ["bigquery", *rest.rsplit(".", 2)]
    raise ValueError(f"{place!r} is not a place; write {_FORMS}.")
