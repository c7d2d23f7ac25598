"""Runs a table export: evaluates the expression of a request and writes a file, an asset or a BigQuery table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_provider_ee.emulator.catalog import Catalog
from airflow_provider_ee.emulator.destination import Destination, destination_of
from airflow_provider_ee.emulator.evaluation.collection import FeatureCollection
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.evaluator import evaluate_table
from airflow_provider_ee.emulator.evaluation.footprint import Geometry
from airflow_provider_ee.emulator.evaluation.registry import type_name
from airflow_provider_ee.emulator.evaluation.values import Feature
from airflow_provider_ee.emulator.export_grid import number
from airflow_provider_ee.emulator.operations import Report
from airflow_provider_ee.emulator.table_files import Table, write_bigquery, write_csv, write_geojson

_WRITERS = {"CSV": (write_csv, ".csv"), "GEO_JSON": (write_geojson, ".geojson")}


def export_table(request: Mapping[str, Any], catalog: Catalog, output: Path, report: Report) -> None:
    """Computes the features of a request and writes them.

    ``report`` is told how many features are written and of how many, after each; if it raises, nothing is left.

    :raises EvaluationError: if the features cannot be computed or written.
    """
    if "featureViewExportOptions" in request:
        raise EvaluationError(
            "Exports of FeatureViews are not emulated; let the operation succeed without output by a behaviour "
            "that says succeed."
        )
    destination = destination_of(request, output)
    destination.require_free_asset()
    file_format = _file_format(request)
    collection = evaluate_table(request["expression"], catalog)
    features = [_feature(each) for each in collection.elements]
    _require_few_vertices(number(request.get("maxVertices"), 0), features)
    table = Table.of(features, request.get("selectors"))
    if "bigqueryExportOptions" in request:
        options = request["bigqueryExportOptions"]["bigqueryDestination"]
        flags = {flag: options.get(flag) is True for flag in ("overwrite", "append")}
        write_bigquery(destination.file(suffix=".ndjson"), table, report, **flags)
    elif file_format:
        write, suffix = _WRITERS[file_format]
        write(destination.file(suffix=suffix), table, report)
    else:
        _write_asset(destination, table, collection, report)


def _file_format(request: Mapping[str, Any]) -> str | None:
    """The format of a file; None where something else is written."""
    if "fileExportOptions" not in request:
        return None
    file_format = request["fileExportOptions"].get("fileFormat")
    if file_format not in _WRITERS:
        raise EvaluationError(f"The fileFormat {file_format} is not emulated; use {' or '.join(_WRITERS)}.")
    return str(file_format)


def _write_asset(destination: Destination, table: Table, collection: FeatureCollection, report: Report) -> None:
    properties = {name: value for name, value in collection.properties.items() if not name.startswith("system:")}
    destination.require_free_asset()
    write_geojson(destination.file(suffix=".geojson"), table, report, properties)
    destination.discard_asset(but=".geojson")


def _feature(element: Any) -> Feature:
    if not isinstance(element, Feature):
        raise EvaluationError(
            f"The collection holds a {type_name(type(element))} and not only features; flatten it first."
        )
    return element


def _require_few_vertices(most: int, features: list[Feature]) -> None:
    for feature in features if most else ():
        if isinstance(feature.geometry, Geometry):
            found = sum(len(path.vertices) for part in feature.geometry.parts for path in part)
            if found > most:
                raise EvaluationError(
                    f"maxVertices: cutting a geometry of {found} vertices is not emulated; simplify it."
                )
