"""NDVI of 10,000 x 10,000 pixels by the emulator, as a process of its own: its memory at most, and its time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import requests
from rasterio.windows import Window

SIDE = 10_000
ROWS = 1_000
TRANSFORM = {"scaleX": 10, "translateX": 600_000, "scaleY": -10, "translateY": 4_700_020}


def write_scene(catalog: Path) -> None:
    """Two bands of waves and noise, compressed."""
    noise = np.random.default_rng(0)
    columns = np.sin(np.arange(SIDE) / 300)[None, :]
    profile = {
        "driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "uint16", "nodata": 0,
        "crs": "EPSG:32719", "transform": rasterio.Affine(10, 0, 600_000, 0, -10, 4_700_020),
        "tiled": True, "compress": "deflate", "zlevel": 1,
    }  # fmt: skip
    for band in ("B4", "B8"):
        with rasterio.open(catalog / f"scene.{band}.tif", "w", **profile) as dataset:
            for top in range(0, SIDE, ROWS):
                waves = 2000 + 1000 * columns * np.cos(np.arange(top, top + ROWS) / 200)[:, None]
                pixels = waves + noise.integers(0, 200, (ROWS, SIDE))
                dataset.write(pixels.astype("uint16"), 1, window=Window(0, top, SIDE, ROWS))


def request() -> dict[str, Any]:
    """NDVI of the scene, on its own grid."""
    load = {"functionName": "Image.load", "arguments": {"id": {"constantValue": "scene"}}}
    arguments = {"input": {"functionInvocationValue": load}, "bandNames": {"constantValue": ["B8", "B4"]}}
    node = {"functionInvocationValue": {"functionName": "Image.normalizedDifference", "arguments": arguments}}
    dimensions = {"width": SIDE, "height": SIDE}
    destination = {"bucket": "bucket", "filenamePrefix": "ndvi"}
    return {
        "expression": {"result": "0", "values": {"0": node}},
        "grid": {"crsCode": "EPSG:32719", "affineTransform": TRANSFORM, "dimensions": dimensions},
        "fileExportOptions": {"fileFormat": "GEO_TIFF", "cloudStorageDestination": destination},
    }


def main() -> bool:
    """Print the figures; tells whether the promise holds."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = Path(folder) / "catalog"
        catalog.mkdir()
        write_scene(catalog)
        command = [
            sys.executable,
            "-m",
            "airflow_provider_ee.emulator",
            "serve",
            "--port",
            "0",
            "--task-seconds",
            "0",
        ]
        folders = ["--catalog", str(catalog), "--output", str(Path(folder) / "output")]
        with subprocess.Popen([*command, *folders], stdout=subprocess.PIPE, text=True) as emulator:
            try:
                assert emulator.stdout
                url = emulator.stdout.readline().split()[-1]
                before = memory(emulator.pid)
                seconds = export(url)
                most = memory(emulator.pid)
            finally:
                emulator.terminate()
    print(f"The emulator exports NDVI of {SIDE:,} x {SIDE:,} pixels")
    print(
        f"  memory of its process, at most         {most:7.0f} MB   (promised: at most 300; at rest {before:.0f})"
    )
    print(f"  time                                   {seconds:7.1f} s")
    return most <= 300


def export(url: str) -> float:
    """Seconds from submission to the end."""
    start = time.perf_counter()
    name = requests.post(f"{url}/v1/projects/p/image:export", json=request()).json()["name"]
    while not (operation := requests.get(f"{url}/v1/{name}").json()).get("done"):
        time.sleep(0.2)
    assert operation["metadata"]["state"] == "SUCCEEDED", operation
    return time.perf_counter() - start


def memory(process: int) -> float:
    """The most memory that a process has had so far, in MB (Linux)."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(not main())
