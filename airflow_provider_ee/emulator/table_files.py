"""Writes tables: CSV, GeoJSON, and the lines of JSON that stand for a table of BigQuery."""

from __future__ import annotations

import csv
import json
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.geojson import to_wgs84_geojson
from airflow_provider_ee.emulator.evaluation.registry import type_name
from airflow_provider_ee.emulator.evaluation.values import Feature

INDEX = "system:index"
GEOMETRY = ".geo"

_NOWHERE = {"type": "MultiPoint", "coordinates": []}
_BIGQUERY_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}")
_BIGQUERY_GEOMETRY = "geo"
_APPENDING = threading.Lock()

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Table:
    """The features to write, and the names of the columns in their order."""

    features: Sequence[Feature]
    columns: Sequence[str]

    @classmethod
    def of(cls, features: Sequence[Feature], selectors: Sequence[str] | None) -> Table:
        """The columns are the selectors, or else the index, all properties by name, and the geometry."""
        if selectors:
            return cls(features, list(dict.fromkeys(selectors)))
        names = {name for feature in features for name in feature.properties} - {INDEX, "system:id"}
        return cls(features, [INDEX, *sorted(names), GEOMETRY])

    @property
    def properties(self) -> list[str]:
        """The columns that are properties."""
        return [name for name in self.columns if name not in (INDEX, GEOMETRY)]

    def geometry(self, feature: Feature) -> dict[str, Any] | None:
        """The geometry of a feature, unless its column is left out."""
        if feature.geometry is None or GEOMETRY not in self.columns:
            return None
        return to_wgs84_geojson(feature.geometry)


def write_csv(path: Path, table: Table, report: Report) -> None:
    """A line of names and a line for each feature; the geometry is GeoJSON in a column."""

    def cell(feature: Feature, name: str) -> str:
        if name == GEOMETRY:
            return json.dumps(table.geometry(feature) or _NOWHERE, separators=(",", ":"))
        return _as_text(name, feature.properties.get(name))

    with _written(path) as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(table.columns)
        for feature in _reported(table, report):
            lines.writerow([cell(feature, name) for name in table.columns])


def write_geojson(path: Path, table: Table, report: Report, properties: dict[str, Any] | None = None) -> None:
    """A FeatureCollection with a feature a line; ``properties`` are those of the collection."""
    with _written(path) as file:
        beginning = {"type": "FeatureCollection", **({"properties": properties} if properties else {})}
        file.write(json.dumps(beginning)[:-1] + ', "features": [')
        for number, feature in enumerate(_reported(table, report)):
            file.write(",\n" if number else "\n")
            file.write(json.dumps(_described(table, feature)))
        file.write("\n]}\n")


def write_bigquery(path: Path, table: Table, report: Report, *, overwrite: bool, append: bool) -> None:
    """A JSON object a line; the geometry, as GeoJSON, is the column geo.

    :raises EvaluationError: if the table exists and neither flag allows that, or if columns do not fit.
    """
    if GEOMETRY in table.properties or _BIGQUERY_GEOMETRY in table.properties:
        raise EvaluationError("BigQuery: 'geo' is the column of the geometry; rename the property.")
    # BigQuery allows no colon in a name, so that the index cannot be a column of it.
    properties = [name for name in table.properties if not name.startswith("system:")]
    for name in properties:
        if not _BIGQUERY_COLUMN.fullmatch(name):
            raise EvaluationError(f"BigQuery: '{name}' cannot be the name of a column; rename the property.")
    columns = [*properties, *([_BIGQUERY_GEOMETRY] if GEOMETRY in table.columns else [])]
    with _APPENDING, _written(path) as file:
        if path.exists() and not (overwrite or append):
            raise EvaluationError(f"BigQuery: The table {path.stem} already exists; set overwrite or append.")
        if path.exists() and append:
            _copy_rows(path, file, columns)
        for feature in _reported(table, report):
            row = {name: _as_json(name, feature.properties.get(name)) for name in properties}
            if GEOMETRY in table.columns:
                row[_BIGQUERY_GEOMETRY] = table.geometry(feature)
            file.write(json.dumps(row) + "\n")


def _copy_rows(path: Path, file: IO[str], columns: Sequence[str]) -> None:
    with path.open(encoding="utf-8") as existing:
        first = existing.readline()
        known = json.loads(first) if first else dict.fromkeys(columns)
        for name in columns:
            if name not in known:
                raise EvaluationError(f"BigQuery: The table {path.stem} has no column '{name}' to append to.")
        file.write(first)
        shutil.copyfileobj(existing, file)


@contextmanager
def _written(path: Path) -> Iterator[IO[str]]:
    """A file that gets its name when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _reported(table: Table, report: Report) -> Iterator[Feature]:
    for number, feature in enumerate(table.features, start=1):
        yield feature
        report(number, len(table.features))


def _described(table: Table, feature: Feature) -> dict[str, Any]:
    described: dict[str, Any] = {"type": "Feature", "geometry": table.geometry(feature)}
    if INDEX in table.columns:
        described["id"] = feature.index
    described["properties"] = {
        name: _as_json(name, feature.properties[name]) for name in table.properties if name in feature.properties
    }
    return described


def _as_json(name: str, value: Any) -> Any:
    """A value that a file can hold.

    :raises EvaluationError: if it can hold none such.
    """
    if isinstance(value, list):
        return [_as_json(name, each) for each in value]
    if isinstance(value, dict):
        return {key: _as_json(name, each) for key, each in value.items()}
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise EvaluationError(
            f"The property '{name}' holds a {type_name(type(value))}, which a table cannot; make it a number or "
            "text."
        )
    return value if not isinstance(value, float) or abs(value) < float("inf") else None


def _as_text(name: str, value: Any) -> str:
    """A value in a cell of a CSV file: text as it is, nothing for null, all else as JSON."""
    value = _as_json(name, value)
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value)
