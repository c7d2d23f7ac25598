"""What the tests of the emulator's pixels share: small rasters, graphs written by hand, one way to export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ee
import numpy as np
import rasterio
from affine import Affine

from airflow_provider_ee.emulator.catalog import Catalog
from airflow_provider_ee.emulator.export import ExportedImage, export_image

UTM = "EPSG:32719"
CORNER = Affine(10, 0, 600000, 0, -10, 4700020)


class Workplace:
    """A catalog and an output folder."""

    def __init__(self, root: Path) -> None:
        self.assets = root / "catalog"
        self.output = root / "output"
        self.catalog = Catalog(self.assets, self.output)

    def add_image(
        self,
        asset_id: str,
        bands: dict[str, np.ndarray],
        transform: Affine = CORNER,
        crs: str = UTM,
        nodata: float | None = 0,
        **properties: Any,
    ) -> None:
        """Puts an image into the catalog, a file for each band."""
        for name, values in bands.items():
            write_tif(self.assets / f"{asset_id}.{name}.tif", values, transform, crs, nodata)
        (self.assets / f"{asset_id}.json").write_text(json.dumps(properties))

    def export(self, image: Any, **request: Any) -> ExportedImage:
        """Exports an image of the client, or an expression, to a file unless the request says otherwise."""
        if not isinstance(image, dict):
            image = serialized(image)
        if "assetExportOptions" not in request:
            request.setdefault("fileExportOptions", geotiff())
        return export_image(
            {"expression": image, **request},
            catalog=self.catalog,
            output=self.output,
            report=lambda done, total: None,
        )

    def pixels(self, image: Any, **request: Any) -> np.ma.MaskedArray:
        """The exported pixels, masked where no data was written."""
        (path,) = self.export(image, **request).files
        with rasterio.open(path) as dataset:
            return dataset.read(masked=True)

    def values(self, image: Any, **request: Any) -> np.ndarray:
        """The pixels of the first band, as they are in the file."""
        (path,) = self.export(image, **request).files
        with rasterio.open(path) as dataset:
            return dataset.read(1)


def serialized(image: Any) -> dict[str, Any]:
    """An expression as the client sends it."""
    return json.loads(json.dumps(ee.serializer.encode(image, for_cloud_api=True)))


def write_tif(
    path: Path, values: np.ndarray, transform: Affine = CORNER, crs: str = UTM, nodata: float | None = 0
) -> None:
    """Writes one band, or several."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stack = values if values.ndim == 3 else values[np.newaxis]
    count, height, width = stack.shape
    profile = {"count": count, "height": height, "width": width, "dtype": values.dtype.name, "nodata": nodata}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **profile) as dataset:
        dataset.write(stack)


def grid(width: int, height: int, transform: Affine = CORNER, crs: str = UTM) -> dict[str, Any]:
    """A grid of a request."""
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    return {
        "crsCode": crs,
        "affineTransform": dict(zip(names, transform[:6], strict=True)),
        "dimensions": {"width": width, "height": height},
    }


def geotiff(prefix: str = "folder/image", **options: Any) -> dict[str, Any]:
    """File options of a request, to the bucket "bucket"."""
    destination = {"bucket": "bucket", "filenamePrefix": prefix}
    return {"fileFormat": "GEO_TIFF", "cloudStorageDestination": destination, "geoTiffOptions": options}


def call(function: str, **arguments: Any) -> dict[str, Any]:
    """A node that calls a function, written by hand. Arguments that are no nodes become constants."""
    nodes = {name: each if is_node(each) else {"constantValue": each} for name, each in arguments.items()}
    return {"functionInvocationValue": {"functionName": function, "arguments": nodes}}


def is_node(value: Any) -> bool:
    """Whether a value is already a node of a graph."""
    return isinstance(value, dict) and any(key.endswith(("Value", "Reference")) for key in value)


def graph(result: dict[str, Any], **others: Any) -> dict[str, Any]:
    """An expression with ``result`` as its result."""
    return {"result": "result", "values": {"result": result, **others}}
