"""Assets over HTTP: what there is, who may see it, and what may be removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from evaluation_support import write_tif

from airflow_provider_ee.emulator import EarthEngineEmulator

MISSING = "Asset '{}' does not exist or doesn't allow this operation."


@pytest.fixture
def served(start_emulator: Callable[..., EarthEngineEmulator], tmp_path: Path) -> EarthEngineEmulator:
    """A catalog of a collection, and assets as exports write them."""
    pixels = np.ones((2, 3), "uint16")
    catalog, exported = tmp_path / "catalog", tmp_path / "output" / "assets" / "p"
    for name in ("PUBLIC/c/one", "PUBLIC/c/two", "projects/p/assets/given"):
        write_tif(catalog / f"{name}.tif", pixels)
    (catalog / "PUBLIC/c/one.json").write_text(json.dumps({"system:time_start": 1_600_000_000_000, "cloud": 7}))
    write_tif(exported / "f" / "image.tif", pixels)
    write_tif(exported / "f" / "image.tif.msk", pixels)
    (exported / "f" / "image.json").write_text("{}")
    features = [{"type": "Feature", "geometry": None, "properties": {}}]
    table = {"type": "FeatureCollection", "features": features, "properties": {"season": "wet"}}
    (exported / "table.geojson").write_text(json.dumps(table))
    return start_emulator(catalog=catalog)


def call(emulator: EarthEngineEmulator, verb: str, path: str, **options: Any) -> requests.Response:
    return requests.request(verb, f"{emulator.url}/v1/{path}", **options)


def got(emulator: EarthEngineEmulator, path: str, **query: Any) -> dict[str, Any]:
    answer = call(emulator, "GET", path, params=query)
    assert answer.ok, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: requests.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    return error["code"], error["message"]


def names(assets: dict[str, Any]) -> list[str]:
    return [asset["name"] for asset in assets.get("assets", [])]


def test_an_image_with_its_bands_properties_and_time(served: EarthEngineEmulator) -> None:
    image = got(served, "projects/earthengine-public/assets/PUBLIC/c/one")
    assert image.pop("updateTime")
    assert int(image.pop("sizeBytes")) > 0
    assert image == {
        "type": "IMAGE",
        "name": "projects/earthengine-public/assets/PUBLIC/c/one",
        "id": "PUBLIC/c/one",
        "startTime": "2020-09-13T12:26:40Z",
        "properties": {"cloud": 7},
        "bands": [
            {
                "id": "b1",
                "dataType": {"precision": "INT", "range": {"min": 0, "max": 65535}},
                "grid": {
                    "crsCode": "EPSG:32719",
                    "affineTransform": {
                        "scaleX": 10,
                        "shearX": 0,
                        "translateX": 600000,
                        "shearY": 0,
                        "scaleY": -10,
                        "translateY": 4700020,
                    },
                    "dimensions": {"width": 3, "height": 2},
                },
            }
        ],
    }


def test_tables_collections_and_folders(served: EarthEngineEmulator) -> None:
    table = got(served, "projects/p/assets/table")
    assert (table["type"], table["featureCount"], table["properties"]) == ("TABLE", "1", {"season": "wet"})
    assert got(served, "projects/earthengine-public/assets/PUBLIC/c")["type"] == "IMAGE_COLLECTION"
    assert got(served, "projects/p/assets/f")["type"] == "IMAGE_COLLECTION"
    assert got(served, "projects/earthengine-public/assets/PUBLIC")["type"] == "FOLDER"


@pytest.mark.parametrize(
    "name", ["projects/p/assets/none", "projects/p/assets/../x", "projects/p/assets/f/image.tif"]
)
@pytest.mark.parametrize(
    ("verb", "suffix"),
    [("GET", ""), ("DELETE", ""), ("POST", ":getIamPolicy"), ("GET", ":listAssets")],
)
def test_what_is_not_there(served: EarthEngineEmulator, name: str, verb: str, suffix: str) -> None:
    prepared = requests.Request(verb, served.url).prepare()
    prepared.url = f"{served.url}/v1/{name}{suffix}"  # requests would resolve the dots
    with requests.Session() as session:
        assert refused(session.send(prepared)) == (404, MISSING.format(name))


def test_lists_are_in_pages_by_name(served: EarthEngineEmulator) -> None:
    collection = "projects/earthengine-public/assets/PUBLIC/c"
    first = got(served, f"{collection}:listAssets", pageSize=1)
    assert names(first) == [f"{collection}/one"]
    second = got(served, f"{collection}:listAssets", pageSize=1, pageToken=first["nextPageToken"])
    assert names(second) == [f"{collection}/two"]
    assert "nextPageToken" not in second
    assert "bands" in second["assets"][0]
    (basic, _) = got(served, f"{collection}:listAssets", view="BASIC")["assets"]
    assert set(basic) == {"type", "name", "id", "sizeBytes", "updateTime"}


def test_a_project_lists_what_was_exported_and_what_the_catalog_has(served: EarthEngineEmulator) -> None:
    listed = got(served, "projects/p:listAssets")
    assert names(listed) == [f"projects/p/assets/{name}" for name in ("f", "given", "table")]
    assert got(served, "projects/empty:listAssets") == {}


def test_a_filter_is_not_emulated(served: EarthEngineEmulator) -> None:
    answer = call(served, "GET", "projects/p:listAssets", params={"filter": "x=1"})
    assert refused(answer) == (400, "A filter of listAssets is not emulated.")


def test_a_policy_is_kept(served: EarthEngineEmulator) -> None:
    name = "projects/p/assets/table"
    before = call(served, "POST", f"{name}:getIamPolicy", json={}).json()
    assert before["bindings"] == []
    bindings = [{"role": "roles/viewer", "members": ["allUsers"]}]
    policy = {"policy": {"bindings": bindings, "etag": before["etag"]}}
    changed = call(served, "POST", f"{name}:setIamPolicy", json=policy)
    assert changed.json()["bindings"] == bindings
    assert call(served, "POST", f"{name}:getIamPolicy").json() == changed.json()
    code, message = refused(call(served, "POST", f"{name}:setIamPolicy", json=policy))
    assert (code, "concurrent policy changes" in message) == (409, True)


@pytest.mark.parametrize("body", [{}, {"policy": []}, {"policy": {"binding": []}}, {"policies": {}}])
def test_policies_that_are_none(served: EarthEngineEmulator, body: dict[str, Any]) -> None:
    assert refused(call(served, "POST", "projects/p/assets/table:setIamPolicy", json=body))[0] == 400


def test_public_assets_and_the_catalog_are_not_changed(served: EarthEngineEmulator, tmp_path: Path) -> None:
    public = "projects/earthengine-public/assets/PUBLIC/c/one"
    code, message = refused(call(served, "POST", f"{public}:setIamPolicy", json={"policy": {}}))
    assert (code, message.startswith("Permission 'earthengine.assets.setIamPolicy' denied")) == (403, True)
    for name in (public, "projects/p/assets/given"):
        assert refused(call(served, "DELETE", name))[0] == 403
    assert (tmp_path / "catalog" / "PUBLIC" / "c" / "one.tif").is_file()


def test_an_exported_asset_is_deleted_with_all_its_files(served: EarthEngineEmulator, tmp_path: Path) -> None:
    folder = "projects/p/assets/f"
    assert refused(call(served, "DELETE", folder)) == (
        400,
        "Asset 'projects/p/assets/f' has children; delete them first.",
    )
    assert call(served, "DELETE", f"{folder}/image").json() == {}
    assert refused(call(served, "GET", f"{folder}/image"))[0] == 404
    assert call(served, "DELETE", folder).json() == {}
    assert [path.name for path in (tmp_path / "output" / "assets" / "p").rglob("*")] == ["table.geojson"]


def test_a_folder_in_use_is_not_deleted(served: EarthEngineEmulator, tmp_path: Path) -> None:
    folder = tmp_path / "output" / "assets" / "p" / "busy"
    folder.mkdir()
    (folder / ".0123.part").write_text("")
    code, message = refused(call(served, "DELETE", "projects/p/assets/busy"))
    assert (code, "holds files that are no assets" in message) == (400, True)


@pytest.mark.parametrize("time", [1e300, 9e15, -9e15, "no date", "2020-01-01T00:00:00+99:00", [], True])
def test_a_time_that_is_none_is_a_refusal(served: EarthEngineEmulator, tmp_path: Path, time: Any) -> None:
    (tmp_path / "catalog/PUBLIC/c/one.json").write_text(json.dumps({"system:time_start": time}))
    code, message = refused(call(served, "GET", "projects/earthengine-public/assets/PUBLIC/c/one"))
    assert (code, message.startswith("Date: ")) == (400, True)


def test_what_a_link_leads_to_is_not_deleted(served: EarthEngineEmulator, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write_tif(outside / "image.tif", np.ones((2, 2), "uint8"))
    (tmp_path / "output" / "assets" / "p" / "linked").symlink_to(outside)
    assert refused(call(served, "DELETE", "projects/p/assets/linked/image"))[0] == 403
    assert (outside / "image.tif").is_file()


def test_a_broken_asset_is_a_refusal(served: EarthEngineEmulator, tmp_path: Path) -> None:
    (tmp_path / "catalog" / "PUBLIC" / "c" / "one.tif").write_text("no image")
    code, message = refused(call(served, "GET", "projects/earthengine-public/assets/PUBLIC/c/one"))
    assert (code, "is not a raster file" in message) == (400, True)
