"""A small catalog of real Sentinel-2 pixels to try things on.

The scene of January is real (``sample_data/NOTICE.md`` names its source). The scenes of February and March are
made from it here: one covers less ground, one has holes where clouds might be. All dates are synthetic.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS

DATA = Path(__file__).with_name("sample_data")
COLLECTION = "COPERNICUS/S2_SR_HARMONIZED"
REAL_SCENE = "20200115T143729_20200115T144602_T19GFG"
SMALLER_SCENE = "20200214T143729_20200214T144602_T19GFG"
CLOUDY_SCENE = "20200315T143729_20200315T144602_T19GFG"
NO_DATA = 0

_CLOUDS = ((600700.0, 4699500.0, 450.0), (602100.0, 4698700.0, 600.0))
"""Easting, northing and radius of discs, in metres."""

Change = Callable[[np.ndarray, Affine], tuple[np.ndarray, Affine]]


def write_sample(directory: Path) -> None:
    """Write the sample catalog.

    :param directory: is made if it is not there; what it holds already stays, but for files of the same names.
    """
    shutil.copytree(DATA, directory, dirs_exist_ok=True)
    folder = directory / COLLECTION
    _derive(
        folder,
        SMALLER_SCENE,
        _smaller,
        "real pixels of the scene of January, cut to a part of it and times 0.9",
        2.5,
    )
    _derive(
        folder, CLOUDY_SCENE, _cloudy, "real pixels of the scene of January, times 1.1, with round holes", 21.0
    )


def write_band(path: Path, values: np.ndarray, crs: CRS, transform: Affine) -> None:
    """Writes one band of a scene, with the notice that its licence asks for."""
    height, width = values.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": values.dtype.name}
    with rasterio.open(
        path, "w", **profile, crs=crs, transform=transform, nodata=NO_DATA, compress="deflate", predictor=2
    ) as dataset:
        dataset.write(values, 1)
        dataset.update_tags(
            TIFFTAG_COPYRIGHT="Contains modified Copernicus Sentinel data",
            TIFFTAG_IMAGEDESCRIPTION="From the Sentinel-2 example of xarray-spatial 0.5.3 (MIT licence)",
        )


def write_properties(folder: Path, scene: str, pixels: str, cloud_percentage: float) -> None:
    """Writes the properties of a scene, with a word on what about it is real and what is not."""
    taken = datetime.strptime(f"{scene[:15]}+0000", "%Y%m%dT%H%M%S%z")
    properties = {
        "system:time_start": round(taken.timestamp() * 1000),
        "CLOUDY_PIXEL_PERCENTAGE": cloud_percentage,
        "MGRS_TILE": scene[-5:],
        "note": f"Pixels: {pixels}. Synthetic: the date, the name, the processing level and the cloud percentage.",
        "source": "Contains modified Copernicus Sentinel data; from xarray-spatial 0.5.3 (MIT licence).",
    }
    path = folder / f"{scene}.json"
    path.write_text(json.dumps(properties, indent=2) + "\n", encoding="utf-8")


def _derive(folder: Path, scene: str, change: Change, pixels: str, cloud_percentage: float) -> None:
    for source in sorted(folder.glob(f"{REAL_SCENE}.*.tif")):
        with rasterio.open(source) as dataset:
            values, transform = change(dataset.read(1), dataset.transform)
            write_band(source.with_name(source.name.replace(REAL_SCENE, scene)), values, dataset.crs, transform)
    write_properties(folder, scene, pixels, cloud_percentage)


def _smaller(values: np.ndarray, transform: Affine) -> tuple[np.ndarray, Affine]:
    """A part that starts 600 m east and 400 m south of the corner, a little darker."""
    column, row = round(600 / transform.a), round(400 / -transform.e)
    window = values[row : row + round(1600 / -transform.e), column : column + round(2400 / transform.a)]
    return _scaled(window, 9), transform * Affine.translation(column, row)


def _cloudy(values: np.ndarray, transform: Affine) -> tuple[np.ndarray, Affine]:
    """The whole scene, a little brighter, with holes."""
    eastings = transform.c + transform.a * (np.arange(values.shape[1]) + 0.5)
    northings = transform.f + transform.e * (np.arange(values.shape[0]) + 0.5)
    brighter = _scaled(values, 11)
    for easting, northing, radius in _CLOUDS:
        away = np.hypot(eastings[np.newaxis, :] - easting, northings[:, np.newaxis] - northing)
        brighter[away < radius] = NO_DATA
    return brighter, transform


def _scaled(values: np.ndarray, tenths: int) -> np.ndarray:
    return (values.astype("uint32") * tenths // 10).astype(values.dtype)
