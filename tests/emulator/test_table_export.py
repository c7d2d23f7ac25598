"""Tables that exports write: columns, formats, assets, BigQuery, and what is refused."""

from __future__ import annotations

import csv
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ee
import numpy as np
import pytest
from evaluation_support import UTM, Workplace, grid, serialized

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.geojson import to_geojson
from airflow_provider_ee.emulator.table_export import export_table

SQUARE = [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]
CLOUD = {"cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "folder/table"}}


def features() -> ee.FeatureCollection:
    """Two features, one of them nowhere, with properties of every kind."""
    return ee.FeatureCollection(
        [
            ee.Feature(ee.Geometry.Polygon(SQUARE), {"text": 'a "b", c', "number": 2.5, "list": [1, "x"]}),
            ee.Feature(None, {"yes": True, "number": 7, "nothing": None}),
        ]
    )


def files(file_format: str | None = "CSV") -> dict[str, Any]:
    return {"fileExportOptions": {"fileFormat": file_format, **CLOUD}}


def asset(name: str = "projects/p/assets/f/table", **options: Any) -> dict[str, Any]:
    return {"assetExportOptions": {"earthEngineDestination": {"name": name, **options}}}


def bigquery(**options: Any) -> dict[str, Any]:
    return {"bigqueryExportOptions": {"bigqueryDestination": {"table": "example.com:p.d.t", **options}}}


def export(workplace: Workplace, collection: Any, **request: Any) -> list[tuple[int, int]]:
    reports: list[tuple[int, int]] = []
    body = {"expression": serialized(collection), **request}
    export_table(body, workplace.catalog, workplace.output, lambda done, total: reports.append((done, total)))
    return reports


def written(workplace: Workplace, path: str) -> str:
    return (workplace.output / path).read_text(encoding="utf-8")


def rows(workplace: Workplace) -> list[dict[str, str]]:
    with (workplace.output / "gs/bucket/folder/table.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fails(workplace: Workplace, collection: Any, message: str, **request: Any) -> None:
    before = sorted(workplace.output.rglob("*.*"))
    with pytest.raises(EvaluationError) as failure:
        export(workplace, collection, **request)
    assert message in failure.value.message
    assert sorted(workplace.output.rglob("*.*")) == before


def test_csv_has_the_index_the_properties_by_name_and_the_geometry(workplace: Workplace) -> None:
    assert export(workplace, features(), **files()) == [(1, 2), (2, 2)]
    assert rows(workplace) == [
        {
            "system:index": "0",
            "list": '[1, "x"]',
            "nothing": "",
            "number": "2.5",
            "text": 'a "b", c',
            "yes": "",
            ".geo": '{"type":"Polygon","coordinates":' + json.dumps(SQUARE, separators=(",", ":")) + "}",
        },
        {
            "system:index": "1",
            "list": "",
            "nothing": "",
            "number": "7",
            "text": "",
            "yes": "true",
            ".geo": '{"type":"MultiPoint","coordinates":[]}',
        },
    ]
    header = written(workplace, "gs/bucket/folder/table.csv").splitlines()[0]
    assert header == "system:index,list,nothing,number,text,yes,.geo"


def test_selectors_choose_and_order_the_columns(workplace: Workplace) -> None:
    export(workplace, features(), selectors=["number", "unknown", "text"], **files())
    assert written(workplace, "gs/bucket/folder/table.csv").splitlines() == [
        "number,unknown,text",
        '2.5,,"a ""b"", c"',
        "7,,",
    ]


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nb", "\r", " a", "'"])
def test_a_cell_may_hold_any_end_of_line(workplace: Workplace, text: str) -> None:
    collection = ee.FeatureCollection([ee.Feature(None, {"text": text, f"na{text}me": 1})])
    export(workplace, collection, **files())
    (row,) = rows(workplace)
    assert (row["text"], row[f"na{text}me"]) == (text, "1")


def test_an_empty_collection_is_an_empty_table(workplace: Workplace) -> None:
    export(workplace, ee.FeatureCollection([]), **files())
    assert written(workplace, "gs/bucket/folder/table.csv") == "system:index,.geo\n"
    export(workplace, ee.FeatureCollection([]), **files("GEO_JSON"))
    assert json.loads(written(workplace, "gs/bucket/folder/table.geojson"))["features"] == []


def test_geojson_holds_the_features(workplace: Workplace) -> None:
    export(workplace, features(), **files("GEO_JSON"))
    assert json.loads(written(workplace, "gs/bucket/folder/table.geojson")) == {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": SQUARE},
                "id": "0",
                "properties": {"text": 'a "b", c', "number": 2.5, "list": [1, "x"]},
            },
            {
                "type": "Feature",
                "geometry": None,
                "id": "1",
                "properties": {"nothing": None, "number": 7, "yes": True},
            },
        ],
    }


def test_files_hold_longitudes_and_latitudes(workplace: Workplace) -> None:
    square = ee.Geometry.Rectangle([600000, 4699000, 601000, 4700000], UTM, False)
    export(workplace, ee.FeatureCollection([ee.Feature(square)]), **files("GEO_JSON"))
    (feature,) = json.loads(written(workplace, "gs/bucket/folder/table.geojson"))["features"]
    assert feature["geometry"]["geodesic"] is False
    assert feature["geometry"]["coordinates"][0][0] == pytest.approx([-67.6631, -47.8545], abs=1e-3)


@pytest.mark.parametrize(
    ("options", "path"),
    [
        (CLOUD, "gs/bucket/folder/table.csv"),
        (
            {"cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "folder/"}},
            "gs/bucket/folder/0000000000-0000000000.csv",
        ),
        ({"driveDestination": {"folder": "fields", "filenamePrefix": "table"}}, "drive/fields/table.csv"),
        ({"driveDestination": {"filenamePrefix": "a/b"}}, "drive/a%2Fb.csv"),
    ],
)
def test_where_files_go(workplace: Workplace, options: dict[str, Any], path: str) -> None:
    export(workplace, features(), fileExportOptions={"fileFormat": "CSV", **options})
    assert [each for each in workplace.output.rglob("*") if each.is_file()] == [workplace.output / path]


def test_an_asset_is_loaded_again(workplace: Workplace) -> None:
    export(workplace, features().set("season", "wet"), **asset())
    loaded = workplace.catalog.table("projects/p/assets/f/table")
    assert [each.properties for each in loaded.elements] == [
        {"text": 'a "b", c', "number": 2.5, "list": [1, "x"], "system:index": "0"},
        {"yes": True, "number": 7, "nothing": None, "system:index": "1"},
    ]
    assert loaded.properties["season"] == "wet"
    again = ee.FeatureCollection("projects/p/assets/f/table")
    export(workplace, again.filter(ee.Filter.eq("number", 7)), **files())
    assert [row["number"] for row in rows(workplace)] == ["7"]


def test_a_ring_is_stored_as_a_line(workplace: Workplace) -> None:
    ring = ee.Geometry.LinearRing(SQUARE[0])
    export(workplace, ee.FeatureCollection([ee.Feature(ring)]), **asset())
    (feature,) = workplace.catalog.table("projects/p/assets/f/table").elements
    assert to_geojson(feature.geometry) == {"type": "LineString", "coordinates": SQUARE[0]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda: ee.Date(0), "The property 'season' holds a Date, which cannot be stored"),
        (lambda: ee.Geometry.Point([0, 0]), "The property 'season' holds a Geometry, which cannot be stored"),
    ],
)
def test_properties_of_an_asset_load_again_or_are_refused(workplace: Workplace, value: Any, message: str) -> None:
    fails(workplace, features().set("season", value()), message, **asset())
    with pytest.raises(EvaluationError) as failure:
        workplace.export(ee.Image(1).set("season", value()), grid=grid(1, 1), **asset())
    assert message in failure.value.message


def test_a_number_that_is_not_finite_is_stored_as_null(workplace: Workplace) -> None:
    workplace.add_image("scene", {"B": np.ones((1, 1))})
    (workplace.assets / "scene.json").write_text('{"a": Infinity, "b": [NaN], "c": 1}')
    scene = ee.Image("scene")
    workplace.export(scene, **asset())
    sidecar = json.loads(written(workplace, "assets/p/f/table.json"), parse_constant=pytest.fail)
    assert sidecar == {"a": None, "b": [None], "c": 1}
    export(workplace, features().copyProperties(scene), **asset("projects/p/assets/other"))
    table = json.loads(written(workplace, "assets/p/other.geojson"), parse_constant=pytest.fail)
    assert table["properties"] == {"a": None, "b": [None], "c": 1}


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"type": "Polygon", "coordinates": [[]]}, "a point, line or ring has no coordinates"),
        ({"type": "MultiPolygon", "coordinates": [[]]}, "a point, line or ring has no coordinates"),
        (
            {"type": "GeometryCollection", "geometries": []},
            "a geometry of type 'GeometryCollection' is not emulated.",
        ),
        ({"type": "Polygon", "coordinates": ["x"]}, "'x' is no coordinate"),
    ],
)
def test_geometries_that_are_not_loaded(workplace: Workplace, geometry: Any, message: str) -> None:
    table = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": geometry}]}
    workplace.assets.mkdir()
    (workplace.assets / "table.geojson").write_text(json.dumps(table))
    with pytest.raises(EvaluationError) as failure:
        workplace.catalog.table("table")
    assert message in failure.value.message


def test_an_asset_is_overwritten_only_where_the_request_says_so(workplace: Workplace) -> None:
    export(workplace, features(), **asset())
    fails(workplace, features().limit(1), "Cannot overwrite asset 'projects/p/assets/f/table'.", **asset())
    assert len(workplace.catalog.table("projects/p/assets/f/table").elements) == 2
    export(workplace, features().limit(1), **asset(overwrite=True))
    assert len(workplace.catalog.table("projects/p/assets/f/table").elements) == 1


def test_an_asset_is_a_table_or_an_image_and_never_both(workplace: Workplace) -> None:
    name = "projects/p/assets/f/table"
    export(workplace, features(), **asset())
    grid = {"affineTransform": {"scaleX": 2, "scaleY": -2}, "dimensions": {"width": 1, "height": 1}}
    image_options = {"grid": {"crsCode": "EPSG:4326", **grid}}
    with pytest.raises(EvaluationError, match="Cannot overwrite asset"):
        workplace.export(ee.Image(1), **image_options, **asset())
    workplace.export(ee.Image(1), **image_options, **asset(overwrite=True))
    assert [path.name for path in (workplace.output / "assets/p/f").iterdir()] == ["table.json", "table.tif"]
    fails(workplace, features(), "Cannot overwrite asset", **asset())
    export(workplace, features(), **asset(overwrite=True))
    assert [path.name for path in (workplace.output / "assets/p/f").iterdir()] == ["table.geojson"]
    assert workplace.catalog.asset(name).type == "TABLE"


def lines(workplace: Workplace) -> list[Any]:
    return [json.loads(line) for line in written(workplace, "bigquery/example.com:p/d/t.ndjson").splitlines()]


def test_bigquery_rows_are_lines_of_json(workplace: Workplace) -> None:
    export(workplace, features(), **bigquery())
    assert lines(workplace) == [
        {
            "list": [1, "x"],
            "nothing": None,
            "number": 2.5,
            "text": 'a "b", c',
            "yes": None,
            "geo": {"type": "Polygon", "coordinates": SQUARE},
        },
        {"list": None, "nothing": None, "number": 7, "text": None, "yes": True, "geo": None},
    ]


def test_an_existing_bigquery_table_is_replaced_or_appended_to_or_left_alone(workplace: Workplace) -> None:
    def numbers() -> list[float]:
        return [row["number"] for row in lines(workplace)]

    selected: dict[str, Any] = {"selectors": ["number"]}
    export(workplace, features(), **bigquery(), **selected)
    fails(workplace, features(), "already exists; set overwrite or append.", **bigquery(), **selected)
    assert numbers() == [2.5, 7]
    export(workplace, features().limit(1), **bigquery(append=True), **selected)
    assert numbers() == [2.5, 7, 2.5]
    fails(workplace, features(), "has no column 'text' to append to", **bigquery(append=True), selectors=["text"])
    assert numbers() == [2.5, 7, 2.5]
    export(workplace, features().limit(1), **bigquery(overwrite=True), **selected)
    assert numbers() == [2.5]


@pytest.mark.parametrize("name", ["a:b", "1st", "two words", "x" * 301])
def test_names_that_bigquery_does_not_take(workplace: Workplace, name: str) -> None:
    collection = ee.FeatureCollection([ee.Feature(None, {name: 1})])
    fails(workplace, collection, "rename the property.", **bigquery())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Area", "area"], "The columns 'Area' and 'area' differ only in case; rename one of the properties."),
        (["geo"], "'geo' is the column of the geometry; rename the property 'geo'."),
        (["GEO"], "'geo' is the column of the geometry; rename the property 'GEO'."),
    ],
)
def test_columns_that_bigquery_cannot_tell_apart(workplace: Workplace, names: list[str], message: str) -> None:
    collection = ee.FeatureCollection([ee.Feature(None, dict.fromkeys(names, 1))])
    fails(workplace, collection, message, **bigquery())


def test_of_rows_that_are_appended_at_once_none_is_lost(workplace: Workplace) -> None:
    together = threading.Barrier(2)
    one = ee.FeatureCollection([ee.Feature(None, {"number": 1})])
    request = {"expression": serialized(one), "selectors": ["number"], **bigquery(append=True)}

    def append(_: int) -> None:
        together.wait(10)
        export_table(request, workplace.catalog, workplace.output, lambda done, total: time.sleep(0.05))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(append, range(8)))
    assert len(lines(workplace)) == 8


def test_a_table_is_not_held_up_by_one_that_is_appended_to(workplace: Workplace) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def hold(done: int, total: int) -> None:
        reached.set()
        assert go_on.wait(10)

    request = {"expression": serialized(features()), **bigquery(append=True)}
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(export_table, request, workplace.catalog, workplace.output, hold)
        assert reached.wait(10)
        export(workplace, features(), **bigquery(table="p.d.other", append=True))
        go_on.set()
        held.result(10)


@pytest.mark.parametrize("file_format", ["KML", "KMZ", "SHP", "TF_RECORD_TABLE", None])
def test_formats_that_are_not_emulated(workplace: Workplace, file_format: str | None) -> None:
    fails(
        workplace,
        features(),
        f"The fileFormat {file_format} is not emulated; use CSV or GEO_JSON.",
        **files(file_format),
    )


def test_a_feature_view_is_not_emulated(workplace: Workplace) -> None:
    options = {"featureViewDestination": {"name": "projects/p/assets/view"}}
    fails(workplace, features(), "Exports of FeatureViews are not emulated", featureViewExportOptions=options)


@pytest.mark.parametrize(
    ("collection", "message"),
    [
        (lambda: ee.Image(1), "the result must be a FeatureCollection, not Image."),
        (
            lambda: ee.FeatureCollection([features()]),
            "The collection holds a FeatureCollection and not only features",
        ),
        (
            lambda: features().map(lambda each: each.set("when", ee.Date(0))),
            "The property 'when' holds a Date, which cannot be stored",
        ),
        (lambda: ee.FeatureCollection([ee.Feature(features().merge(features()).geometry())]), "The outline of"),
    ],
)
def test_what_is_no_table(workplace: Workplace, collection: Any, message: str) -> None:
    fails(workplace, collection(), message, **files())


def test_geometries_are_not_cut(workplace: Workplace) -> None:
    export(workplace, features(), maxVertices={"value": 3}, **files())
    fails(
        workplace,
        features(),
        "cutting a geometry of 3 vertices is not emulated",
        maxVertices=2,
        **files("GEO_JSON"),
    )


def test_a_report_that_raises_ends_the_export_and_leaves_nothing(workplace: Workplace) -> None:
    class CancelledError(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        raise CancelledError

    request = {"expression": serialized(features()), **files()}
    with pytest.raises(CancelledError):
        export_table(request, workplace.catalog, workplace.output, cancel)
    assert not [path for path in Path(workplace.output).rglob("*") if path.is_file()]
