"""Writes tables: CSV, GeoJSON, and the lines of JSON that stand for a table of BigQuery."""

from __future__ import annotations

import csv
import json
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.geojson import to_wgs84_geojson
from airflow_provider_ee.emulator.evaluation.values import Feature
from airflow_provider_ee.emulator.operations import Report
from airflow_provider_ee.emulator.output_files import written
from airflow_provider_ee.emulator.stored_json import dumps, storable, storable_value

INDEX = "system:index"
GEOMETRY = ".geo"

_NOWHERE = {"type": "MultiPoint", "coordinates": []}
_BIGQUERY_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}")
_BIGQUERY_GEOMETRY = "geo"
_APPENDING: dict[str, threading.Lock] = {}
"""A lock for each table that is appended to: of two that append at once, neither must lose the other's rows."""


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
            return dumps(table.geometry(feature) or _NOWHERE, separators=(",", ":"))
        return _as_text(name, feature.properties.get(name))

    with written(path) as file:
        lines = csv.writer(_Lines(file), lineterminator=_Lines.END)
        lines.writerow(table.columns)
        for feature in _reported(table, report):
            lines.writerow([cell(feature, name) for name in table.columns])


def write_geojson(path: Path, table: Table, report: Report, properties: dict[str, Any] | None = None) -> None:
    """A FeatureCollection with a feature a line; ``properties`` are those of the collection."""
    with written(path) as file:
        about = {"properties": storable(properties)} if properties else {}
        beginning = {"type": "FeatureCollection", **about}
        file.write(dumps(beginning)[:-1] + ', "features": [')
        for number, feature in enumerate(_reported(table, report)):
            file.write(",\n" if number else "\n")
            file.write(dumps(_described(table, feature)))
        file.write("\n]}\n")


def write_bigquery(path: Path, table: Table, report: Report, *, overwrite: bool, append: bool) -> None:
    """A JSON object a line; the geometry, as GeoJSON, is the column geo.

    :raises EvaluationError: if the table exists and neither flag allows that, or if columns do not fit.
    """
    # BigQuery allows no colon in a name, so that the index cannot be a column of it.
    properties = [name for name in table.properties if not name.startswith("system:")]
    _require_columns(properties)
    columns = [*properties, *([_BIGQUERY_GEOMETRY] if GEOMETRY in table.columns else [])]
    appending = _APPENDING.setdefault(str(path), threading.Lock()) if append else nullcontext()
    with appending, written(path) as file:
        if path.exists() and not (overwrite or append):
            raise EvaluationError(f"BigQuery: The table {path.stem} already exists; set overwrite or append.")
        if path.exists() and append:
            _copy_rows(path, file, columns)
        for feature in _reported(table, report):
            row = {name: storable_value(name, feature.properties.get(name)) for name in properties}
            if GEOMETRY in table.columns:
                row[_BIGQUERY_GEOMETRY] = table.geometry(feature)
            file.write(dumps(row) + "\n")


def _require_columns(names: Sequence[str]) -> None:
    """Raises EvaluationError unless properties can be columns of BigQuery, which does not tell case apart."""
    taken: dict[str, str] = {}
    for name in names:
        if name.lower() == _BIGQUERY_GEOMETRY:
            raise EvaluationError(f"BigQuery: 'geo' is the column of the geometry; rename the property '{name}'.")
        if not _BIGQUERY_COLUMN.fullmatch(name):
            raise EvaluationError(f"BigQuery: '{name}' cannot be the name of a column; rename the property.")
        other = taken.setdefault(name.lower(), name)
        if other != name:
            raise EvaluationError(
                f"BigQuery: The columns '{other}' and '{name}' differ only in case; rename one of the properties."
            )


def _copy_rows(path: Path, file: IO[str], columns: Sequence[str]) -> None:
    with path.open(encoding="utf-8") as existing:
        first = existing.readline()
        known = json.loads(first) if first else dict.fromkeys(columns)
        for name in columns:
            if name not in known:
                raise EvaluationError(f"BigQuery: The table {path.stem} has no column '{name}' to append to.")
        file.write(first)
        shutil.copyfileobj(existing, file)


class _Lines:
    """Ends lines as the service does, yet lets the writer quote a lone carriage return, which ends lines too."""

    END = "\r\n"

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, line: str) -> int:
        """Write a row."""
        return self._file.write(line.removesuffix(self.END) + "\n")


def _reported(table: Table, report: Report) -> Iterator[Feature]:
    for number, feature in enumerate(table.features, start=1):
        yield feature
        report(number, len(table.features))


def _described(table: Table, feature: Feature) -> dict[str, Any]:
    described: dict[str, Any] = {"type": "Feature", "geometry": table.geometry(feature)}
    if INDEX in table.columns:
        described["id"] = feature.index
    described["properties"] = {
        name: storable_value(name, feature.properties[name])
        for name in table.properties
        if name in feature.properties
    }
    return described


def _as_text(name: str, value: Any) -> str:
    """A value in a cell of a CSV file: text as it is, nothing for null, all else as JSON."""
    value = storable_value(name, value)
    if value is None or isinstance(value, str):
        return value or ""
    return dumps(value)
