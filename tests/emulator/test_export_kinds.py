"""Every kind of export: accepted, refused in the service's words, and given a life cycle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from examples import constant_image

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.export_kinds import KINDS

CLOUD = {"cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "prefix"}}
DRIVE = {"driveDestination": {"folder": "folder", "filenamePrefix": "prefix"}}
ASSET = {"earthEngineDestination": {"name": "projects/p/assets/a"}}
BIGQUERY = {"bigqueryDestination": {"table": "p.d.t"}}
VIEW = {"featureViewDestination": {"name": "projects/p/assets/view"}}

REQUESTS: dict[str, list[dict[str, Any]]] = {
    "image.export": [
        {"fileExportOptions": {"fileFormat": "GEO_TIFF", **CLOUD}},
        {"fileExportOptions": {"fileFormat": "GEO_TIFF", **DRIVE}},
        {"assetExportOptions": {**ASSET, "pyramidingPolicy": "MODE", "tileSize": {"value": 256}}},
    ],
    "table.export": [
        {"fileExportOptions": {"fileFormat": "CSV", **CLOUD}, "selectors": ["a"], "maxVertices": {"value": 5}},
        {"fileExportOptions": {"fileFormat": "KML", **DRIVE}, "maxVertices": 5},
        {"assetExportOptions": ASSET},
        {"bigqueryExportOptions": BIGQUERY},
        {"featureViewExportOptions": VIEW},
    ],
    "video.export": [
        {
            "fileExportOptions": {"fileFormat": "MP4", **CLOUD},
            "videoOptions": {"framesPerSecond": 2, "maxPixelsPerFrame": {"value": "100"}},
        },
        {"fileExportOptions": {"fileFormat": "MP4", **DRIVE}, "videoOptions": {"maxPixelsPerFrame": "100"}},
    ],
    "map.export": [{"tileExportOptions": {"fileFormat": "AUTO_JPEG_PNG", **CLOUD}, "tileOptions": {"endZoom": 3}}],
    "videoMap.export": [{"tileExportOptions": {"fileFormat": "MP4", **CLOUD}, "tileOptions": {"endZoom": 3}}],
    "classifier.export": [{"assetExportOptions": ASSET}],
}
CASES = [(kind, request) for kind, several in REQUESTS.items() for request in several]
TYPES = {
    "image.export": "EXPORT_IMAGE",
    "table.export": "EXPORT_FEATURES",
    "video.export": "EXPORT_VIDEO",
    "map.export": "EXPORT_TILES",
    "videoMap.export": "EXPORT_TILES",
    "classifier.export": "EXPORT_CLASSIFIER",
}


def export(emulator: EarthEngineEmulator, kind: str, **request: Any) -> requests.Response:
    body = {"expression": constant_image(), "description": "export", **request}
    body = {name: value for name, value in body.items() if value is not None}
    return requests.post(f"{emulator.url}/v1/projects/p/{kind.replace('.', ':')}", json=body)


def control(emulator: EarthEngineEmulator, path: str, **body: Any) -> requests.Response:
    return requests.post(f"{emulator.url}/_emulator/{path}", json=body)


def finished(emulator: EarthEngineEmulator, answer: requests.Response) -> dict[str, Any]:
    assert answer.ok, answer.text
    control(emulator, "clock", advance_seconds=60).raise_for_status()
    operation: dict[str, Any] = requests.get(f"{emulator.url}/v1/{answer.json()['name']}").json()
    return operation


def refusal(answer: requests.Response) -> str:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    return str(error["message"])


def test_the_cases_are_about_every_kind() -> None:
    assert {kind.method: kind.operation_type for kind in KINDS} == TYPES
    assert list(REQUESTS) == list(TYPES)


@pytest.mark.parametrize(("kind", "request_"), CASES)
def test_an_operation_is_queued_and_succeeds_without_output_where_a_test_says_so(
    emulator: EarthEngineEmulator, tmp_path: Path, kind: str, request_: dict[str, Any]
) -> None:
    control(emulator, "operations", match="^export$", succeed=True, eecu_seconds=7).raise_for_status()
    started = export(emulator, kind, priority=7, **request_)
    assert (
        started.json()["metadata"] | {"state": "PENDING", "type": TYPES[kind], "priority": 7}
        == (started.json()["metadata"])
    )
    operation = finished(emulator, started)
    assert (operation["done"], operation["metadata"]["state"]) == (True, "SUCCEEDED")
    (uri,) = operation["metadata"]["destinationUris"]
    assert uri.startswith("https://")
    assert operation["metadata"]["batchEecuUsageSeconds"] == 7
    assert not list((tmp_path / "output").rglob("*"))


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("video.export", "videos"),
        ("map.export", "map tiles"),
        ("videoMap.export", "video map tiles"),
        ("classifier.export", "classifiers"),
    ],
)
def test_what_is_not_emulated_fails_and_names_itself(emulator: EarthEngineEmulator, kind: str, what: str) -> None:
    operation = finished(emulator, export(emulator, kind, **REQUESTS[kind][0]))
    assert operation["metadata"]["state"] == "FAILED"
    assert operation["error"]["message"].startswith(f"Exports of {what} are not emulated; ")


@pytest.mark.parametrize("kind", REQUESTS)
def test_every_kind_checks_what_they_have_in_common(emulator: EarthEngineEmulator, kind: str) -> None:
    request = REQUESTS[kind][0]
    (options,) = (name for name in request if name.endswith("ExportOptions"))

    def refused(**changes: Any) -> str:
        return refusal(export(emulator, kind, **{**request, **changes}))

    assert refused(expression=None) == "Invalid argument: 'expression' is required."
    assert refused(**{options: None}).endswith("' is required.")
    assert "names no destination; give it " in refused(**{options: {}})
    assert 'Unknown name "scale": Cannot find field.' in refused(scale=10)
    assert "'priority'" in refused(priority=-1)
    assert "may hold only the characters" in refused(description="white space")


@pytest.mark.parametrize("kind", REQUESTS)
def test_every_kind_is_admitted_alike(start_emulator: Callable[..., EarthEngineEmulator], kind: str) -> None:
    emulator = start_emulator(queue_limit=1)
    control(emulator, "operations", match="", succeed=True).raise_for_status()
    request = REQUESTS[kind][0]
    assert export(emulator, kind, requestId="same", **request).ok
    assert "already started with the given request_id" in export(emulator, kind, requestId="same", **request).text
    while (answer := export(emulator, kind, **request)).ok:
        pass
    assert (answer.status_code, answer.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("kind", REQUESTS)
def test_every_kind_is_logged_and_can_be_made_to_fail(emulator: EarthEngineEmulator, kind: str) -> None:
    control(emulator, "faults", method=kind, status=503, match="^export$").raise_for_status()
    assert export(emulator, kind, **REQUESTS[kind][0]).status_code == 503
    (logged,) = requests.get(f"{emulator.url}/_emulator/requests").json()["requests"]
    assert (logged["method"], logged["description"], logged["status"]) == (kind, "export", 503)


@pytest.mark.parametrize(
    ("kind", "request_", "message"),
    [
        ("map.export", {"tileExportOptions": DRIVE}, "give it cloudStorageDestination."),
        ("video.export", {"fileExportOptions": {**CLOUD, **DRIVE}}, "(oneof)"),
        ("table.export", {"fileExportOptions": CLOUD, "assetExportOptions": ASSET}, "(oneof)"),
        ("table.export", {"fileExportOptions": {"fileFormat": "XLS", **CLOUD}}, "'fileExportOptions.fileFormat'"),
        (
            "table.export",
            {
                "bigqueryExportOptions": {
                    "bigqueryDestination": {"table": "p.d.t", "overwrite": True, "append": True}
                }
            },
            "(oneof)",
        ),
        ("table.export", {"bigqueryExportOptions": {"bigqueryDestination": {"table": "t"}}}, "table'"),
        ("table.export", {"bigqueryExportOptions": {"bigqueryDestination": {}}}, "table' is required."),
        ("table.export", {"bigqueryExportOptions": {"bigqueryDestination": {"table": "p.../.t"}}}, "table"),
        ("table.export", {"bigqueryExportOptions": {"bigqueryDestination": {"table": "p.d./../t"}}}, "table"),
        ("table.export", {"bigqueryExportOptions": {"bigqueryDestination": {"table": "p.d.a/t"}}}, "table"),
        ("classifier.export", {"assetExportOptions": {"earthEngineDestination": {}}}, "must be like projects/"),
        (
            "table.export",
            {"featureViewExportOptions": {"featureViewDestination": {"name": "projects/p/assets/../a"}}},
            "featureViewDestination.name",
        ),
        ("map.export", {"tileExportOptions": CLOUD, "tileOptions": {"endZoom": 1, "scale": 2}}, "(oneof)"),
    ],
)
def test_destinations_that_a_kind_does_not_have(
    emulator: EarthEngineEmulator, kind: str, request_: dict[str, Any], message: str
) -> None:
    assert message in refusal(export(emulator, kind, **request_))


def test_an_operation_cannot_be_told_to_fail_and_to_succeed(emulator: EarthEngineEmulator) -> None:
    answer = control(emulator, "operations", fail={"code": 3, "message": "no"}, succeed=True)
    assert answer.status_code == 422
    assert "cannot both fail and succeed" in answer.json()["error"]["message"]
