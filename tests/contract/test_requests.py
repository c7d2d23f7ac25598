"""Our expressions and requests are those of the official client and of the service's schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ee
import jinja2
import pytest

from airflow_provider_ee.earthengine.expression import expression_from
from airflow_provider_ee.earthengine.request import export_request
from airflow_provider_ee.emulator.schema import read_body

EXAMPLES = Path(__file__).parents[2] / "example_dags"


def ndvi(start: str, end: str) -> ee.Image:
    """NDVI as people write it."""
    scenes = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate(start, end)
    return scenes.median().normalizedDifference(["B8", "B4"]).rename("NDVI")


def tree(expression: dict[str, Any]) -> Any:
    """A graph without its choice of keys and of what is inlined."""
    values = expression["values"]

    def resolved(node: Any) -> Any:
        if isinstance(node, dict):
            if "valueReference" in node:
                return resolved(values[node["valueReference"]])
            if "arrayValue" in node:
                elements = [resolved(one) for one in node["arrayValue"]["values"]]
                if all("constantValue" in one for one in elements):
                    return {"constantValue": [one["constantValue"] for one in elements]}
            return {key: resolved(value) for key, value in node.items()}
        return [resolved(one) for one in node] if isinstance(node, list) else node

    return resolved(values[expression["result"]])


@pytest.mark.usefixtures("real_client")
def test_the_client_builds_the_expression_that_the_example_carries() -> None:
    class Macros:
        @staticmethod
        def ds_add(ds: str, days: int) -> str:
            assert (ds, days) == ("2020-01-15", 1)
            return "2020-01-16"

    template = jinja2.Template((EXAMPLES / "ndvi.json").read_text())
    ours = expression_from(template.render(ds="2020-01-15", macros=Macros))
    theirs = ee.serializer.encode(ndvi("2020-01-15", "2020-01-16"), for_cloud_api=True)
    assert tree(ours) == tree(theirs)


NAN = {"geoTiffOptions": {"noData": {"floatValue": "NaN"}}}
ARGUMENTS: list[tuple[str, dict[str, Any]]] = [
    ("image", {"destination": "gs://bucket/prefix", "max_pixels": "1000"}),
    ("image", {"destination": "projects/p/assets/a", "asset_export_options": {"pyramidingPolicy": "MODE"}}),
    ("image", {"destination": "drive://folder/prefix", "file_export_options": NAN}),
    ("table", {"destination": "bq://p.d.t", "selectors": "a,b", "max_vertices": 10, "priority": "7"}),
    ("table", {"destination": "projects/p/assets/v", "feature_view_export_options": {}}),
    ("video", {"destination": "drive://folder/prefix", "video_options": {"framesPerSecond": 2}}),
    ("map", {"destination": "gs://bucket/prefix", "tile_options": {"endZoom": 3}}),
    ("videoMap", {"destination": "gs://bucket/prefix", "version": "V1"}),
    ("classifier", {"destination": "projects/p/assets/c"}),
]


@pytest.mark.parametrize(("kind", "arguments"), ARGUMENTS)
def test_what_we_send_is_what_the_schema_allows(kind: str, arguments: dict[str, Any]) -> None:
    one = {"result": "0", "values": {"0": {"constantValue": 1}}}
    body = export_request(kind, one, arguments, default_description="d").body()
    message = f"Export{kind[0].upper()}{kind[1:]}Request"
    assert read_body(body, message) == json.loads(body)
