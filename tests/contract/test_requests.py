"""Our expressions and requests are those of the official client and of the service's schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ee
import jinja2
import pytest

from airflow_provider_ee.earthengine.destination import export_options
from airflow_provider_ee.earthengine.expression import expression_from
from airflow_provider_ee.earthengine.messages import ImageExportRequest
from airflow_provider_ee.earthengine.validation import parse
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


BODIES = [
    {"destination": "gs://bucket/prefix", "max_pixels": "1000"},
    {"destination": "projects/p/assets/a", "asset": {"pyramidingPolicy": "MODE"}},
    {"destination": "drive://folder/prefix", "file": {"geoTiffOptions": {"noData": {"floatValue": "NaN"}}}},
]


@pytest.mark.parametrize("case", BODIES)
def test_what_we_send_is_what_the_schema_allows(case: dict[str, Any]) -> None:
    options = export_options(case["destination"], case.get("file"), case.get("asset"))
    one = {"result": "0", "values": {"0": {"constantValue": 1}}}
    request = {"expression": one, "maxPixels": case.get("max_pixels"), **options}
    body = parse(ImageExportRequest, request).body()
    assert read_body(body, "ExportImageRequest") == json.loads(body)
