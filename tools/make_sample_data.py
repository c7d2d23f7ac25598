"""Makes the real scene of the emulator's sample catalog from the Sentinel-2 example of xarray-spatial 0.5.3.

    pip install --no-deps xarray-spatial==0.5.3
    python tools/make_sample_data.py [DIRECTORY]

The example is six netCDF files, whole numbers stored as float64. They become GeoTIFFs of uint16, values unchanged.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from scipy.io import netcdf_file

from airflow_provider_ee.emulator.sample import COLLECTION, DATA, REAL_SCENE, write_band, write_properties

BANDS = {"blue": "B2", "green": "B3", "red": "B4", "nir": "B8", "swir1": "B11", "swir2": "B12"}
VARIABLE = "__xarray_dataarray_variable__"


def main(directory: Path = DATA) -> None:
    """Writes the scene into ``directory``."""
    folder = directory / COLLECTION
    folder.mkdir(parents=True, exist_ok=True)
    for colour, band in BANDS.items():
        values, crs, transform = read_netcdf(source_folder() / f"{colour}_band.nc")
        write_band(folder / f"{REAL_SCENE}.{band}.tif", values, crs, transform)
    write_properties(folder, REAL_SCENE, "real", 1.5)


def read_netcdf(path: Path) -> tuple[np.ndarray, CRS, Affine]:
    """The pixels of one file as uint16, and where they lie."""
    with netcdf_file(path, mmap=False) as dataset:
        variable = dataset.variables[VARIABLE]
        values = np.array(variable.data, dtype="float64")
        crs = CRS.from_user_input(variable.crs.decode().removeprefix("+init="))
        transform = Affine(*(float(number) for number in variable.transform[:6]))
    whole = values.astype("uint16")
    if not (whole == values).all() or not whole.all():
        raise ValueError(f"{path} holds values that are not whole numbers from 1 to 65535")
    return whole, crs, transform


def source_folder() -> Path:
    """Where the netCDF files were installed. The package is only found, since importing it needs much more."""
    package = importlib.util.find_spec("xrspatial")
    if package is None or not package.submodule_search_locations:
        raise SystemExit("pip install --no-deps xarray-spatial==0.5.3 first")
    return Path(package.submodule_search_locations[0]) / "datasets" / "sentinel-2"


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
