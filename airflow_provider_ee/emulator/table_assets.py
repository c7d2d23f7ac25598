"""Tables on disk: GeoJSON whose features are those of a collection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from airflow_provider_ee.emulator.evaluation.collection import FeatureCollection
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Geometry
from airflow_provider_ee.emulator.evaluation.functions import geometries
from airflow_provider_ee.emulator.evaluation.values import Feature

_CONSTRUCTORS = {
    "Point": geometries.point,
    "MultiPoint": geometries.multi_point,
    "LineString": geometries.line_string,
    "MultiLineString": geometries.multi_line_string,
    "Polygon": geometries.polygon,
    "MultiPolygon": geometries.multi_polygon,
}


def read_table(path: Path) -> FeatureCollection:
    """The features in a file, in their order; the ``id`` of each is its system:index.

    :raises EvaluationError: if the file is no GeoJSON FeatureCollection.
    """
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, modified: int) -> FeatureCollection:
    # By the time of change too: an exported table may be overwritten while the emulator runs.
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        if described["type"] != "FeatureCollection":
            raise ValueError(f"its type is {described['type']}")
        features = [_feature(each, number) for number, each in enumerate(described["features"])]
        return FeatureCollection(tuple(features), described.get("properties") or {})
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise EvaluationError(
            f"Collection.loadTable: '{path.name}' is not a GeoJSON FeatureCollection: {error}."
        ) from None


def _feature(described: Mapping[str, Any], number: int) -> Feature:
    properties = dict(described.get("properties") or {})
    # The service numbers the features of an uploaded table in 20 hexadecimal digits.
    properties["system:index"] = str(described.get("id", f"{number:020x}"))
    return Feature(_geometry(described.get("geometry")), properties)


def _geometry(described: Mapping[str, Any] | None) -> Geometry | None:
    """The geometry that GeoJSON describes, with geodesic edges where it does not say otherwise."""
    if described is None:
        return None
    constructor = _CONSTRUCTORS.get(described["type"])
    if constructor is None:
        raise EvaluationError(f"Collection.loadTable: a geometry of type '{described['type']}' is not emulated.")
    if not described["coordinates"]:
        return None
    coordinates = _flat(described["coordinates"])
    if "Point" in described["type"]:
        return constructor(coordinates)
    return constructor(coordinates, geodesic=described.get("geodesic"))  # type: ignore[call-arg]


def _flat(coordinates: Any) -> Any:
    """Coordinates without heights, which Earth Engine does not have."""
    if not isinstance(coordinates, list):
        raise ValueError(f"{coordinates!r} is no coordinate")
    if not coordinates:
        raise ValueError("a point, line or ring has no coordinates")
    if isinstance(coordinates[0], (int, float)):
        return coordinates[:2]
    return [_flat(each) for each in coordinates]
