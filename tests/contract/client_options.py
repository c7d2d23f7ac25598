"""Every option of every function of ``ee.batch.Export``, each in a call of its own: documented ones and old names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ee


def image() -> Any:
    """An image with a footprint and a projection."""
    return ee.Image("COPERNICUS/S2_SR_HARMONIZED/x").select("B4")


def table() -> Any:
    """A table."""
    return ee.FeatureCollection("projects/p/assets/t").filter(ee.Filter.eq("a", 1))


def video() -> Any:
    """Frames."""
    return ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").map(lambda frame: frame.visualize())


def classifier() -> Any:
    """A classifier."""
    return ee.Classifier.smileRandomForest(10)


MAKERS = {"image": image, "table": table, "video": video, "map": image, "classifier": classifier}


@dataclass(frozen=True)
class Case:
    """A call of one function with some options."""

    function: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.function}({', '.join(self.options)})"

    def task(self) -> Any:
        """The unstarted task that the call makes. Functions are called late: they make ee objects."""
        kind, _, name = self.function.partition(".")
        options = {key: value() if callable(value) else _copied(value) for key, value in self.options.items()}
        export = getattr(ee.batch.Export, kind)
        return (getattr(export, name) if name else export)(MAKERS[kind](), **options)


def _copied(value: Any) -> Any:
    """The client changes some of what it is given."""
    return dict(value) if isinstance(value, dict) else value


def region() -> Any:
    """A place."""
    return ee.Geometry.Rectangle([0, 0, 1, 1])


WHERE_PIXELS_LIE: list[dict[str, Any]] = [
    {"dimensions": 512},
    {"dimensions": "100x50", "region": region},
    {"region": region},
    {"region": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
    {"region": "[[0, 0], [1, 0], [1, 1]]", "scale": 30},
    {"scale": 30},
    {"crs": "EPSG:32719"},
    {"crs": "EPSG:32719", "scale": 10.5, "region": region},
    {"crs": "EPSG:32719", "crsTransform": [10, 0, 600000, 0, -10, 4700020], "dimensions": "300x200"},
    {"crs": "EPSG:32719", "crsTransform": "[10,0,600000,0,-10,4700020]"},
    {"crs": "EPSG:32719", "crs_transform": [10, 0, 600000, 0, -10, 4700020]},
]
PIXELS: list[dict[str, Any]] = [*WHERE_PIXELS_LIE, {"maxPixels": 1e13}, {"maxPixels": 10**9}]
PRIORITY: list[dict[str, Any]] = [{"priority": 0}, {"priority": 9999}, {"description": "named-1"}]
FILES: list[dict[str, Any]] = [
    {"fileFormat": "GeoTIFF"},
    {"fileFormat": "geotiff", "formatOptions": {"cloudOptimized": True}},
    {"fileFormat": "GeoTIFF", "formatOptions": {"cloudOptimized": False}},
    {"formatOptions": {"noData": -9999}},
    {"formatOptions": {"noData": float("nan")}},
    {"formatOptions": {"metadataKeys": ["system:time_start", "b"]}},
    {"formatOptions": {"metadataKeys": "system:time_start"}},
    {"formatOptions": {"fileDimensions": 512}},
    {"tiffCloudOptimized": True},
    {"tiffFileDimensions": (256, 512)},
    {"tiffNoData": 0},
    {"shardSize": 128},
    {"fileDimensions": 1024},
    {"fileDimensions": (512, 1024)},
    {"skipEmptyTiles": True},
    {"skipEmptyTiles": False},
    {
        "fileFormat": "TFRecord",
        "formatOptions": {
            "patchDimensions": [64, 32], "kernelSize": (8, 4), "compressed": True, "maxFileSize": 1e9,
            "defaultValue": -1, "tensorDepths": {"value": 3}, "sequenceData": True, "collapseBands": True,
            "maskedThreshold": 0.5,
        },
    },
    {"fileFormat": "TFRecord", "tfrecordPatchDimensions": [64, 64], "tfrecordMaskedThreshold": 0},
    {"fileFormat": "TFRecord"},
]  # fmt: skip
STORAGE: list[dict[str, Any]] = [{"fileNamePrefix": "a/b"}, {"fileNamePrefix": "folder/"}, {"outputPrefix": "c/d"}]
DRIVE: list[dict[str, Any]] = [
    {"folder": "folder"}, {"fileNamePrefix": "prefix"}, {"folder": "a b/c", "fileNamePrefix": "p q"},
    {"driveFolder": "old", "driveFileNamePrefix": "older"},
]  # fmt: skip
ASSET: list[dict[str, Any]] = [{"overwrite": True}, {"overwrite": False}, {"assetId": "users/someone/a"}]
TABLES: list[dict[str, Any]] = [
    {"selectors": ["a", "b"]}, {"selectors": ("a",)}, {"selectors": "a,b"}, {"maxVertices": 100}, {"maxVertices": 0},
]  # fmt: skip
TABLE_FILES: list[dict[str, Any]] = [
    {"fileFormat": name} for name in ("CSV", "GeoJSON", "KML", "KMZ", "SHP", "TFRecord", "csv")
]
VIDEOS: list[dict[str, Any]] = [
    {"framesPerSecond": 0.5}, {"framesPerSecond": 24}, {"maxFrames": 500}, {"maxPixels": 1e8},
    {"crs": "EPSG:3857", "crsTransform": [10, 0, 0, 0, -10, 0]}, {"dimensions": 720, "region": region},
    {"dimensions": "720x480", "region": region}, {"scale": 30, "region": region},
]  # fmt: skip
MAPS: list[dict[str, Any]] = [
    {"fileFormat": "auto"}, {"fileFormat": "png"}, {"fileFormat": "jpg"}, {"path": "tiles/v1"},
    {"writePublicTiles": False}, {"writePublicTiles": True}, {"maxZoom": 5}, {"scale": 30}, {"minZoom": 2, "maxZoom": 4},
    {"startZoom": 1, "endZoom": 3}, {"region": region}, {"skipEmptyTiles": True}, {"skipEmpty": True},
    {"mapsApiKey": "key"}, {"bucketCorsUris": ["*"]}, {"outputPrefix": "x"},
]  # fmt: skip
RANKING = {
    "maxFeaturesPerTile": 10,
    "thinningStrategy": "HIGHER_DENSITY",
    "thinningRanking": ["a DESC", ".geometryType ASC"],
    "zOrderRanking": ".minZoomLevel ASC, b DESC",
}
POLICIES: list[dict[str, Any]] = [
    {"pyramidingPolicy": {".default": "sample"}},
    {"pyramidingPolicy": {"value": "mode", "B4": "MEAN", ".default": "max"}},
    {"tileSize": 256},
    {"shardSize": 128},
]

_VARIANTS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "image.toCloudStorage": ({"bucket": "bucket"}, [*PIXELS, *FILES, *STORAGE, *PRIORITY]),
    "image.toDrive": ({}, [*PIXELS, *FILES, *DRIVE, *PRIORITY]),
    "image.toAsset": ({"assetId": "projects/p/assets/a"}, [*PIXELS, *POLICIES, *ASSET, *PRIORITY]),
    "image": ({}, [{"config": {"driveFolder": "f", "scale": 30}}, {"config": {"outputBucket": "bucket"}}, *PRIORITY[2:]]),
    "table.toCloudStorage": ({"bucket": "bucket"}, [*TABLES, *TABLE_FILES, *STORAGE, *PRIORITY]),
    "table.toDrive": ({}, [*TABLES, *TABLE_FILES, *DRIVE, *PRIORITY]),
    "table.toAsset": ({"assetId": "projects/p/assets/a"}, [*ASSET, {"maxVertices": 10}, *PRIORITY]),
    "table.toBigQuery": (
        {"table": "project.dataset.table"},
        [*TABLES, {"overwrite": True}, {"append": True}, {"table": "example.com:p.d.t"}, *PRIORITY],
    ),
    "table.toFeatureView": (
        {"assetId": "projects/p/assets/v"}, [{"ingestionTimeParameters": RANKING}, *ASSET[2:], *PRIORITY],
    ),
    "table": ({}, [{"config": {"driveFolder": "f"}}, {"config": {"outputBucket": "bucket", "fileFormat": "KML"}}]),
    "video.toCloudStorage": ({"bucket": "bucket"}, [*VIDEOS, *STORAGE, *PRIORITY]),
    "video.toDrive": ({}, [*VIDEOS, *DRIVE, *PRIORITY]),
    "video": ({}, [{"config": {"driveFolder": "f", "dimensions": 720}}]),
    "map.toCloudStorage": ({"bucket": "bucket"}, [*MAPS, *PRIORITY]),
    "classifier.toAsset": ({"assetId": "projects/p/assets/c"}, [*ASSET, *PRIORITY]),
}  # fmt: skip

OPTIONS = [
    Case(function, {**base, **variant})
    for function, (base, variants) in _VARIANTS.items()
    for variant in [{}, *variants]
]
"""Calls whose request passes through as it is."""

_WORKERS = "maxWorkers is for users within Google only; leave it out."
REFUSED = [
    *(
        (Case(f"{function}", {**_VARIANTS[function][0], "maxWorkers": 3}), _WORKERS)
        for function in ("image.toDrive", "image.toAsset", "table.toDrive", "video.toDrive", "map.toCloudStorage")
    ),
    (
        Case("map.toCloudStorage", {"bucket": "bucket", "fileFormat": "GeoTIFF"}),
        "tileExportOptions.fileFormat must be one of AUTO_JPEG_PNG, JPEG, PNG, not 'GEO_TIFF'.",
    ),
    (
        Case("image.toDrive", {"fileFormat": "png"}),
        "fileExportOptions.fileFormat must be one of GEO_TIFF, TF_RECORD_IMAGE, not 'PNG'.",
    ),
    (
        Case("image.toDrive", {"fileDimensions": 300}),
        "fileExportOptions.geoTiffOptions has tileDimensions of 300 x 300; use multiples of tileSize (256).",
    ),
    (
        Case("table.toBigQuery", {"table": "p.d.t", "overwrite": True, "append": True}),
        "bigqueryExportOptions.bigqueryDestination has both overwrite and append; set only one of them.",
    ),
    (Case("image.toDrive", {"priority": 10_000}), "priority must be at most 9999, not 10000."),
    (
        Case("image.toCloudStorage", {"bucket": "gs://bucket"}),
        "fileExportOptions.cloudStorageDestination has the bucket 'gs://bucket'; a bucket is named without gs://",
    ),
]
"""Calls that the client would send and the service refuse, or that are not for the public."""
