"""The official client is served by the emulator, and gets the pixels that our requests get."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ee
import numpy as np
import pytest
import rasterio
import requests
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.oauth2.credentials import Credentials

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.earthengine.request import export_request
from airflow_provider_ee.emulator import EarthEngineEmulator


def ndvi(start: str, end: str) -> ee.Image:
    """NDVI as people write it."""
    scenes = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterDate(start, end)
    return scenes.median().normalizedDifference(["B8", "B4"]).rename("NDVI")


def advance(emulator: EarthEngineEmulator) -> None:
    requests.post(f"{emulator.url}/_emulator/clock", json={"advance_seconds": 60}).raise_for_status()


def test_the_client_exports_watches_and_lists(connected: EarthEngineEmulator, tmp_path: Path) -> None:
    task = ee.batch.Export.image.toCloudStorage(
        image=ndvi("2020-01-15", "2020-01-16"),
        description="client",
        bucket="bucket",
        fileNamePrefix="client",
        crs="EPSG:32719",
        crsTransform=[10, 0, 600000, 0, -10, 4700020],
        dimensions="300x200",
    )
    task.start()
    assert task.status()["state"] == "RUNNING"
    assert task.active()
    advance(connected)
    status = task.status()
    assert status["state"] == "COMPLETED", status
    assert status["batch_eecu_usage_seconds"] == 5
    (listed,) = ee.data.listOperations()
    assert listed["metadata"]["description"] == "client"
    assert [one.id for one in ee.batch.Task.list()] == [task.id]

    with rasterio.open(tmp_path / "output" / "gs" / "bucket" / "client.tif") as image:
        assert tuple(image.transform)[:6] == (10, 0, 600000, 0, -10, 4700020)
        theirs = image.read(1)
    np.testing.assert_array_equal(theirs, exported_by_us(connected, tmp_path))


def exported_by_us(emulator: EarthEngineEmulator, folder: Path) -> np.ndarray:
    """The same computation through our request, which says by its grid what the client says by wrapping."""
    grid = PixelGrid.from_bounds("EPSG:32719", 10, (600000, 4698020, 603000, 4700020))
    expression = ee.serializer.encode(ndvi("2020-01-15", "2020-01-16"), for_cloud_api=True)
    arguments = {"grid": grid, "destination": "gs://bucket/ours"}
    body = export_request("image", expression, arguments, default_description="ours").body()
    requests.post(f"{emulator.url}/v1/projects/test-project/image:export", data=body).raise_for_status()
    advance(emulator)
    with rasterio.open(folder / "output" / "gs" / "bucket" / "ours.tif") as image:
        ours: np.ndarray = image.read(1)
        return ours


def test_the_client_cancels(connected: EarthEngineEmulator) -> None:
    task = ee.batch.Export.image.toDrive(image=ee.Image(1), description="slow", scale=10, region=[[0, 0], [1, 1]])
    task.start()
    task.cancel()
    assert task.status()["state"] == "CANCEL_REQUESTED"
    advance(connected)
    assert task.status()["state"] == "CANCELLED"


def test_the_client_learns_why_an_export_failed(connected: EarthEngineEmulator) -> None:
    image = ee.Image("COPERNICUS/S2_SR_HARMONIZED/nothing").select("B4")
    task = ee.batch.Export.image.toCloudStorage(image=image, description="bad", bucket="bucket")
    task.start()
    advance(connected)
    status = task.status()
    assert status["state"] == "FAILED"
    assert "not found" in status["error_message"]


def test_the_client_is_told_of_a_repeated_request_id(connected: EarthEngineEmulator) -> None:
    task = ee.batch.Export.image.toCloudStorage(image=ee.Image(1), description="twice", bucket="bucket")
    task.start()
    with pytest.raises(
        ee.EEException, match="A different Operation was already started with the given request_id"
    ):
        task.start()


def test_the_client_needs_a_token_once_one_is_named(start_emulator: Callable[..., EarthEngineEmulator]) -> None:
    emulator = start_emulator(tokens={"alice": "secret-a"})
    with pytest.raises(GoogleAuthError, match="cannot be refreshed"):  # what it does about a 401
        ee.Initialize(AnonymousCredentials(), url=emulator.url, project="p")
    ee.Initialize(Credentials(token="secret-a"), url=emulator.url, project="p")
    assert ee.data.listOperations() == []
    ee.Reset()
