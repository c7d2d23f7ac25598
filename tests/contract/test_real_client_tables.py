"""The official client exports every kind, gets tables of the right numbers, and is told what values are."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ee
import numpy as np
import pytest
import rasterio
import requests

from airflow_provider_ee.emulator import EarthEngineEmulator

SCENES = "COPERNICUS/S2_SR_HARMONIZED"
SCENE = f"{SCENES}/20200115T143729_20200115T144602_T19GFG"
UTM = "EPSG:32719"
CORNER = (600000, 4700020)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


def run(emulator: EarthEngineEmulator, task: ee.batch.Task) -> dict[str, Any]:
    """Start a task and let it end."""
    task.start()
    assert task.status()["state"] in ("READY", "RUNNING")
    requests.post(f"{emulator.url}/_emulator/clock", json={"advance_seconds": 60}).raise_for_status()
    status: dict[str, Any] = task.status()
    return status


def plot(column: int, row: int, width: int, height: int) -> ee.Geometry:
    """A rectangle of whole pixels of the scene."""
    west, north = CORNER[0] + 10 * column, CORNER[1] - 10 * row
    return ee.Geometry.Rectangle([west, north - 10 * height, west + 10 * width, north], UTM, False)


def plots() -> ee.FeatureCollection:
    return ee.FeatureCollection(
        [
            ee.Feature(plot(10, 20, 30, 40), {"name": "north", "area": 12}),
            ee.Feature(plot(200, 100, 50, 60), {"name": "south", "area": 30}),
        ]
    )


def pixels(catalog: Path, band: str) -> np.ndarray:
    """The pixels of the scene as they are in the catalog."""
    (path,) = catalog.glob(f"{SCENE}.{band}.tif")
    with rasterio.open(path) as dataset:
        values: np.ndarray = dataset.read(1)
        return values


# Every export of the client

IMAGE = {"region": [[0, 0], [0, 1], [1, 1]], "scale": 1000, "crs": "EPSG:4326"}


def exports() -> dict[str, Callable[[], ee.batch.Task]]:
    image, frames, table = ee.Image(1), ee.ImageCollection([ee.Image([1, 2, 3]).byte()]), plots()
    classifier = ee.Classifier.smileCart()
    export = ee.batch.Export
    return {
        "image to Cloud Storage": lambda: export.image.toCloudStorage(
            image, "d", "bucket", maxPixels=1e9, **IMAGE
        ),
        "image to Drive": lambda: export.image.toDrive(image, "d", priority=5, **IMAGE),
        "image to an asset": lambda: export.image.toAsset(
            image, "d", "projects/test-project/assets/a", pyramidingPolicy={".default": "mode"}, **IMAGE
        ),
        "table to Cloud Storage": lambda: export.table.toCloudStorage(table, "d", "bucket", maxVertices=5),
        "table to Drive": lambda: export.table.toDrive(table, "d", "folder", fileFormat="GeoJSON"),
        "table to an asset": lambda: export.table.toAsset(table, "d", "projects/test-project/assets/a"),
        "table to BigQuery": lambda: export.table.toBigQuery(table, "d", "p.d.t", overwrite=True),
        "table to a FeatureView": lambda: export.table.toFeatureView(
            table,
            "d",
            "projects/test-project/assets/v",
            {"maxFeaturesPerTile": 100, "zOrderRanking": ["area DESC"]},
        ),
        "video to Cloud Storage": lambda: export.video.toCloudStorage(
            frames, "d", "bucket", framesPerSecond=2, dimensions=100, region=IMAGE["region"], maxFrames=5
        ),
        "video to Drive": lambda: export.video.toDrive(
            frames, "d", "folder", dimensions=100, region=IMAGE["region"], maxPixels=1000
        ),
        "map to Cloud Storage": lambda: export.map.toCloudStorage(
            image, "d", "bucket", path="tiles", maxZoom=5, region=IMAGE["region"], writePublicTiles=False
        ),
        "classifier to an asset": lambda: export.classifier.toAsset(
            classifier, "d", "projects/test-project/assets/c", overwrite=True
        ),
    }


TYPES = {
    "image": "EXPORT_IMAGE",
    "table": "EXPORT_FEATURES",
    "video": "EXPORT_VIDEO",
    "map": "EXPORT_TILES",
    "classifier": "EXPORT_CLASSIFIER",
}
NAMES = [
    *(f"image to {where}" for where in ("Cloud Storage", "Drive", "an asset")),
    *(f"table to {where}" for where in ("Cloud Storage", "Drive", "an asset", "BigQuery", "a FeatureView")),
    "video to Cloud Storage",
    "video to Drive",
    "map to Cloud Storage",
    "classifier to an asset",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_export_is_taken_and_succeeds_where_a_test_says_so(
    connected: EarthEngineEmulator, output: Path, name: str
) -> None:
    behaviour = {"match": "^d$", "succeed": True}
    requests.post(f"{connected.url}/_emulator/operations", json=behaviour).raise_for_status()
    status = run(connected, exports()[name]())
    assert (status["state"], status["task_type"]) == ("COMPLETED", TYPES[name.split()[0]])
    assert len(status["destination_uris"]) == 1
    assert not list(output.rglob("*"))


@pytest.mark.parametrize("name", NAMES)
def test_every_export_is_carried_out_or_fails_in_a_sentence(
    connected: EarthEngineEmulator, output: Path, name: str
) -> None:
    status = run(connected, exports()[name]())
    if name.split()[0] in ("image", "table") and name != "table to a FeatureView":
        assert status["state"] == "COMPLETED", status
        assert [path for path in output.rglob("*") if path.is_file()]
    else:
        assert status["state"] == "FAILED"
        assert "are not emulated; let the operation succeed without output" in status["error_message"]


# Tables


def statistics() -> ee.FeatureCollection:
    reducer = ee.Reducer.mean().combine(ee.Reducer.max(), sharedInputs=True).combine(ee.Reducer.count(), "", True)
    return ee.Image(SCENE).select("B8").reduceRegions(plots(), reducer, 10)


def test_a_csv_of_zonal_statistics_has_the_numbers_of_the_pixels(
    connected: EarthEngineEmulator, sample_catalog: Path, output: Path
) -> None:
    task = ee.batch.Export.table.toCloudStorage(
        statistics(), "zones", "bucket", "zones", "CSV", selectors=["name", "mean", "max", "count"]
    )
    assert run(connected, task)["state"] == "COMPLETED"
    with (output / "gs" / "bucket" / "zones.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    band = pixels(sample_catalog, "B8")
    for row, zone in zip(rows, (band[20:60, 10:40], band[100:160, 200:250]), strict=True):
        assert list(row) == ["name", "mean", "max", "count"]
        assert float(row["mean"]) == pytest.approx(zone.mean())
        assert (int(row["max"]), int(row["count"])) == (zone.max(), zone.size)


def test_statistics_over_time_are_a_table_too(
    connected: EarthEngineEmulator, sample_catalog: Path, output: Path
) -> None:
    def of_scene(scene: ee.Image) -> ee.FeatureCollection:
        reduced = scene.select("B4").reduceRegions(plots(), ee.Reducer.mean(), 10)
        return reduced.map(lambda each: each.set("date", scene.date().format("YYYY-MM-dd")))

    series = ee.ImageCollection(SCENES).map(of_scene).flatten()
    task = ee.batch.Export.table.toDrive(series, "series", "folder", "series", "CSV")
    assert run(connected, task)["state"] == "COMPLETED"
    with (output / "drive" / "folder" / "series.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["date"], row["name"]) for row in rows] == [
        (date, name) for date in ("2020-01-15", "2020-02-14", "2020-03-15") for name in ("north", "south")
    ]
    assert float(rows[0]["mean"]) == pytest.approx(pixels(sample_catalog, "B4")[20:60, 10:40].mean())


def test_geojson_is_the_collection_again(connected: EarthEngineEmulator, output: Path) -> None:
    square = ee.Geometry.Polygon([[[0, 0], [1, 0], [1, 1], [0, 0]]], None, False)
    collection = ee.FeatureCollection([ee.Feature(square, {"a": 1}), ee.Feature(ee.Geometry.Point([5, 6]))])
    task = ee.batch.Export.table.toCloudStorage(collection, "geo", "bucket", "geo", "GeoJSON")
    assert run(connected, task)["state"] == "COMPLETED"
    exported = json.loads((output / "gs" / "bucket" / "geo.geojson").read_text())
    assert exported["features"] == collection.getInfo()["features"]
    again = ee.FeatureCollection(exported)  # which the client makes of the GeoJSON
    assert again.geometry().bounds().getInfo() == collection.geometry().bounds().getInfo()


def test_a_table_asset_is_loaded_shared_and_deleted(connected: EarthEngineEmulator) -> None:
    asset = "projects/test-project/assets/plots"
    assert run(connected, ee.batch.Export.table.toAsset(plots(), "asset", asset))["state"] == "COMPLETED"
    assert ee.FeatureCollection(asset).aggregate_array("name").getInfo() == ["north", "south"]
    assert ee.ImageCollection(SCENES).filterBounds(ee.FeatureCollection(asset)).size().getInfo() == 3
    ee.data.setAssetAcl(asset, {"all_users_can_read": True})
    assert ee.data.getAssetAcl(asset)["all_users_can_read"] is True
    assert ee.data.getAsset(asset)["featureCount"] == "2"
    assert [one["id"] for one in ee.data.listAssets("projects/test-project/assets")["assets"]] == [asset]
    ee.data.deleteAsset(asset)
    with pytest.raises(ee.EEException, match="does not exist or doesn't allow this operation"):
        ee.data.getAsset(asset)


def test_bigquery_tables_are_overwritten_appended_to_or_left_alone(
    connected: EarthEngineEmulator, output: Path
) -> None:
    def export(**flags: bool) -> dict[str, Any]:
        return run(connected, ee.batch.Export.table.toBigQuery(plots(), "rows", "p.d.t", **flags))

    def count() -> int:
        return len((output / "bigquery" / "p" / "d" / "t.ndjson").read_text().splitlines())

    assert (export()["state"], count()) == ("COMPLETED", 2)
    assert "set overwrite or append" in export()["error_message"]
    assert (export(append=True)["state"], count()) == ("COMPLETED", 4)
    assert (export(overwrite=True)["state"], count()) == ("COMPLETED", 2)


# getInfo


def scene() -> ee.Image:
    return ee.Image(SCENE)


def scenes() -> ee.ImageCollection:
    return ee.ImageCollection(SCENES)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (lambda: scenes().size(), 3),
        (lambda: scenes().filterDate("2020-02-01", "2020-03-01").size(), 1),
        (lambda: scenes().aggregate_array("MGRS_TILE"), ["19GFG"] * 3),
        (lambda: scene().bandNames(), ["B2", "B3", "B4", "B8", "B11", "B12"]),
        (lambda: scene().get("MGRS_TILE"), "19GFG"),
        (lambda: scene().get("nothing"), None),
        (lambda: scene().id(), SCENE.rpartition("/")[2]),
        (lambda: scene().date(), {"type": "Date", "value": 1579099049000}),
        (lambda: scene().date().format("YYYY-MM-dd"), "2020-01-15"),
        (lambda: ee.Date("2020-01-31").advance(1, "month").format(), "2020-02-29T00:00:00"),
        (lambda: ee.Date("2020-03-01").difference(ee.Date("2020-02-01"), "day"), 29),
        (lambda: plots().size(), 2),
        (lambda: plots().first().get("name"), "north"),
        (lambda: ee.Number(3).add(4).divide(2), 3.5),
        (lambda: ee.String("a").cat("b"), "ab"),
        (lambda: ee.List([1, 2, 3]).map(lambda n: ee.Number(n).multiply(2)), [2, 4, 6]),
        (lambda: ee.List([1]).contains(2), False),
        (lambda: ee.Dictionary({"a": 1}).set("b", 2), {"a": 1, "b": 2}),
        (lambda: ee.Geometry.Point([1, 2]), {"type": "Point", "coordinates": [1, 2]}),
    ],
)
def test_values_are_printed(connected: EarthEngineEmulator, question: Callable[[], Any], answer: Any) -> None:
    assert question().getInfo() == answer


def test_an_image_is_printed_with_its_bands(connected: EarthEngineEmulator) -> None:
    image = scene().select(["B4"]).getInfo()
    assert image["bands"] == [
        {
            "id": "B4",
            "data_type": {"type": "PixelType", "precision": "int", "min": 0, "max": 65535},
            "dimensions": [300, 200],
            "crs": UTM,
            "crs_transform": [10, 0, 600000, 0, -10, 4700020],
        }
    ]
    assert (image["type"], image["id"]) == ("Image", SCENE)
    assert image["properties"]["system:time_start"] == 1579099049000
    (first, *_) = scenes().getInfo()["features"]
    assert first["id"] == SCENE


def test_features_are_printed(connected: EarthEngineEmulator) -> None:
    collection = plots().getInfo()
    assert (collection["type"], collection["columns"]) == ("FeatureCollection", {})
    assert [feature["properties"] for feature in collection["features"]] == [
        {"name": "north", "area": 12},
        {"name": "south", "area": 30},
    ]


def test_a_region_is_reduced_to_numbers(connected: EarthEngineEmulator, sample_catalog: Path) -> None:
    reduced = scene().select(["B4", "B8"]).reduceRegion(ee.Reducer.mean(), plot(10, 20, 30, 40), 10).getInfo()
    assert reduced == {
        band: pytest.approx(pixels(sample_catalog, band)[20:60, 10:40].mean()) for band in ("B4", "B8")
    }


def test_the_client_is_told_why_a_value_cannot_be_computed(connected: EarthEngineEmulator) -> None:
    with pytest.raises(ee.EEException, match="The default WGS84 projection is invalid for aggregations"):
        scenes().median().reduceRegion(ee.Reducer.mean(), plot(0, 0, 1, 1)).getInfo()
    with pytest.raises(ee.EEException, match=r"The function 'Image\.unitScale' is not emulated\."):
        scene().select("B4").unitScale(0, 1).getInfo()


def test_the_client_is_told_at_once_what_is_not_emulated(connected: EarthEngineEmulator) -> None:
    with pytest.raises(ee.EEException, match=r"Method maps\.create is not emulated\."):
        scene().select("B4").getMapId()
    logged = requests.get(f"{connected.url}/_emulator/requests").json()["requests"]
    assert [entry["status"] for entry in logged if entry["method"] == "maps.create"] == [400]
