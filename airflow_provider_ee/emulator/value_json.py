"""Values of expressions as JSON, in the form in which the service describes them.

REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.value/compute
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from airflow_provider_ee.emulator.evaluation.collection import Collection, FeatureCollection, ImageCollection
from airflow_provider_ee.emulator.evaluation.dates import Date, DateRange
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import WGS84, Extent, Footprint
from airflow_provider_ee.emulator.evaluation.geojson import to_geojson
from airflow_provider_ee.emulator.evaluation.image import Band, Image
from airflow_provider_ee.emulator.evaluation.limits import require_modest
from airflow_provider_ee.emulator.evaluation.pixel_type import PixelType, Precision
from airflow_provider_ee.emulator.evaluation.projection import Projection
from airflow_provider_ee.emulator.evaluation.registry import type_name
from airflow_provider_ee.emulator.evaluation.values import Feature

MOST_ELEMENTS = 5000


def described(value: Any) -> Any:
    """The JSON of a value.

    :raises EvaluationError: if the emulator knows of no form for it, or if it would be too long.
    """
    require_modest(value)
    return _described(value)


def _described(value: Any) -> Any:
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _not_finite(value)
    if isinstance(value, list):
        return [_described(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _described(each) for name, each in value.items()}
    for kind, describe in _FORMS.items():
        if isinstance(value, kind):
            return describe(value)
    raise EvaluationError(f"The JSON of a {type_name(type(value))} is not emulated.")


def _not_finite(value: float) -> str:
    """As JSON of protocol buffers spells it, which has no other way."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def describe_image(image: Image) -> dict[str, Any]:
    """An image by its bands and properties."""
    properties = dict(image.properties)
    asset_id = properties.pop("system:id", None)
    return {
        "type": "Image",
        "bands": [describe_band(band) for band in image.bands],
        **({"id": asset_id} if asset_id else {}),
        **({"properties": _described(properties)} if properties else {}),
    }


def describe_band(band: Band) -> dict[str, Any]:
    """A band by its name, type and pixels; without a projection of its own it has that of composites."""
    projection = band.projection or Projection(WGS84)
    about: dict[str, Any] = {"id": band.name, "data_type": _describe_type(band.type)}
    extent = band.footprint
    if isinstance(extent, Extent) and extent.grid.projection == projection:
        about["dimensions"] = [extent.grid.width, extent.grid.height]
        if (extent.grid.column, extent.grid.row) != (0, 0):
            about["origin"] = [extent.grid.column, extent.grid.row]
    return about | {"crs": projection.crs, "crs_transform": _described(list(projection.transform[:6]))}


def _describe_type(pixel_type: PixelType) -> dict[str, Any]:
    about = {"type": "PixelType", "precision": pixel_type.precision.name.lower()}
    if pixel_type.precision is Precision.INT:
        about |= {"min": pixel_type.low, "max": pixel_type.high}  # type: ignore[dict-item]
    return about


def _describe_feature(feature: Feature) -> dict[str, Any]:
    properties = {name: value for name, value in feature.properties.items() if name != "system:index"}
    return {
        "type": "Feature",
        "geometry": None if feature.geometry is None else to_geojson(feature.geometry),
        **({"id": feature.index} if feature.index else {}),
        "properties": _described(properties),
    }


def _describe_features(collection: FeatureCollection) -> dict[str, Any]:
    return {"type": "FeatureCollection", "columns": {}, **_members(collection)}


def _describe_images(collection: ImageCollection) -> dict[str, Any]:
    return {"type": "ImageCollection", "bands": [], **_members(collection)}


def _members(collection: Collection) -> dict[str, Any]:
    if len(collection.elements) > MOST_ELEMENTS:
        raise EvaluationError(f"Collection query aborted after accumulating over {MOST_ELEMENTS} elements.")
    properties = dict(collection.properties)
    asset_id = properties.pop("system:id", None)
    return {
        **({"id": asset_id} if asset_id else {}),
        **({"properties": _described(properties)} if properties else {}),
        "features": [_described(each) for each in collection.elements],
    }


def _describe_projection(projection: Projection) -> dict[str, Any]:
    return {"type": "Projection", "crs": projection.crs, "transform": _described(list(projection.transform[:6]))}


def _describe_date(date: Date) -> dict[str, Any]:
    return {"type": "Date", "value": date.millis}


def _describe_date_range(dates: DateRange) -> dict[str, Any]:
    return {"type": "DateRange", "dates": [dates.start.millis, dates.end.millis]}


_FORMS: dict[type, Any] = {
    Image: describe_image,
    Feature: _describe_feature,
    FeatureCollection: _describe_features,
    ImageCollection: _describe_images,
    Footprint: to_geojson,
    Projection: _describe_projection,
    Date: _describe_date,
    DateRange: _describe_date_range,
    PixelType: _describe_type,
}
