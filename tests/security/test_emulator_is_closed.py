"""The emulator serves the programs of its machine: no page of a browser, and nothing outside of its folders."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from examples import GRID, constant_image
from rasterio.crs import CRS

from airflow_provider_ee.emulator import EarthEngineEmulator

StartEmulator = Callable[..., EarthEngineEmulator]

EXPORT = {
    "expression": constant_image(),
    "grid": GRID,
    "fileExportOptions": {
        "fileFormat": "GEO_TIFF",
        "cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "prefix"},
    },
}


def ask(emulator: EarthEngineEmulator, verb: str, path: str, body: str | None = None, **headers: str) -> Any:
    """A request whose path and headers are sent as they are; returns the status and the answer."""
    connection = http.client.HTTPConnection(urlsplit(emulator.url).netloc, timeout=10)
    connection.request(verb, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
    answer = connection.getresponse()
    told = answer.status, json.loads(answer.read())
    connection.close()
    return told


# Pages of a browser


def test_a_name_that_was_made_to_lead_here_opens_no_path(emulator: EarthEngineEmulator) -> None:
    """DNS rebinding: the page is of the same origin then, and may read what it is answered."""
    for verb, path in (
        ("GET", "/v1/projects/p/operations"),
        ("POST", "/v1/projects/p/image:export"),
        ("DELETE", "/v1/projects/p/assets/a"),
        ("GET", "/$discovery/rest"),
        ("GET", "/_emulator/requests"),
        ("GET", "/nothing"),
    ):
        status, answer = ask(emulator, verb, path, Host="rebound.example:8085")
        assert (status, answer["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert ask(emulator, "GET", "/_emulator/requests")[1] == {"requests": []}


@pytest.mark.parametrize(
    "origin", ["http://page.example", "https://localhost.page.example", "null", "file://", "["]
)
def test_a_page_of_another_host_starts_no_export(emulator: EarthEngineEmulator, origin: str) -> None:
    """A page may post text to any address without asking first, and a browser then names the page."""
    page = {"Origin": origin, "Content_Type": "text/plain"}
    assert ask(emulator, "POST", "/v1/projects/p/image:export", json.dumps(EXPORT), **page)[0] == 403
    assert ask(emulator, "POST", "/_emulator/clock", '{"advance_seconds": 1}', **page)[0] == 403
    assert emulator.operations.all() == []


def test_a_page_of_this_machine_may_ask(emulator: EarthEngineEmulator) -> None:
    for origin in (emulator.url, "http://localhost:3000", "http://[::1]"):
        assert ask(emulator, "GET", "/v1/projects/p/operations", Origin=origin) == (200, {})


def test_no_page_is_told_that_it_may_read(emulator: EarthEngineEmulator) -> None:
    answer = requests.options(
        f"{emulator.url}/v1/projects/p/operations", headers={"Origin": "http://page.example"}
    )
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


# Who is not known


def test_it_binds_loopback_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    with EarthEngineEmulator(tmp_path, tmp_path / "output") as emulator:
        assert emulator._socket.getsockname()[0] == "127.0.0.1"


def test_elsewhere_nothing_that_a_stranger_sends_is_read(start_emulator: StartEmulator) -> None:
    """Else whoever reaches the port could fill the memory."""
    emulator = start_emulator(host="0.0.0.0", tokens={"alice": "token-of-alice"})
    port = urlsplit(emulator.url).port
    for path in ("/_emulator/clock", "/_emulator/faults", "/v1/projects/p/image:export"):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            head = f"POST {path} HTTP/1.1\r\nHost: emulator.example\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode())  # and then nothing more
            assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_the_request_log_tells_no_credentials(start_emulator: StartEmulator) -> None:
    """Google's APIs take them as parameters, too."""
    emulator = start_emulator(tokens={"alice": "token-of-alice"})
    as_alice = {"Authorization": "Bearer token-of-alice"}
    for name in ("key", "access_token", "oauth_token"):
        query = {name: "hush-hush", "pageSize": "5"}
        requests.get(f"{emulator.url}/v1/projects/p/operations", params=query, headers=as_alice)
    told = requests.get(f"{emulator.url}/_emulator/requests").text
    assert [(entry["user"], entry["query"]) for entry in json.loads(told)["requests"]] == [
        ("alice", {"pageSize": "5"})
    ] * 3
    assert "hush-hush" not in told
    assert "token-of-alice" not in told


# What lies outside


@pytest.mark.parametrize(
    "path",
    [
        "assets/../../outside",
        "assets/%2e%2e/%2e%2e/outside",
        "assets/..%2f..%2foutside",
        "assets/%2e%2e%5coutside",
        "assets//outside",
        "assets/%2foutside",
        "assets/a%00/../outside",
        "assets/./outside",
        "assets/" + "a/" * 1500 + "outside",
        "assets/" + "a" * 5000,
    ],
)
@pytest.mark.parametrize("verb", ["GET", "DELETE"])
def test_no_path_leads_out_of_its_folders(
    emulator: EarthEngineEmulator, tmp_path: Path, verb: str, path: str
) -> None:
    for folder in (tmp_path, tmp_path / "output", tmp_path / "output" / "assets"):
        folder.mkdir(exist_ok=True)
        (folder / "outside.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    assert ask(emulator, verb, f"/v1/projects/p/{path}")[0] in (400, 404)
    assert len(list(tmp_path.rglob("outside.geojson"))) == 3


class Page(BaseHTTPRequestHandler):
    """What a CRS could be fetched from."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    do_HEAD = do_GET  # noqa: N815 (a name of http.server)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def page() -> Iterator[str]:
    Page.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def answer_to_crs(emulator: EarthEngineEmulator, crs: str) -> requests.Response:
    """What the scale of a projection in this CRS is."""
    projection = {"functionName": "Projection", "arguments": {"crs": {"constantValue": crs}}}
    scale = {
        "functionName": "Projection.nominalScale",
        "arguments": {"proj": {"functionInvocationValue": projection}},
    }
    expression = {"result": "0", "values": {"0": {"functionInvocationValue": scale}}}
    return requests.post(f"{emulator.url}/v1/projects/p/value:compute", json={"expression": expression})


def test_a_crs_is_no_file_and_no_page(emulator: EarthEngineEmulator, tmp_path: Path, page: str) -> None:
    """The library that reads it opens and fetches what is neither a code nor WKT."""
    file, codes = tmp_path / "file.wkt", tmp_path / "codes"
    file.write_text(CRS.from_epsg(32719).to_wkt())
    codes.write_text("<mine> +proj=longlat +ellps=bessel <>\n")
    for crs in (str(file), f"ESRI::{file}", f"+init={codes}:mine", f"{page}/crs", f"{page}/def/crs"):
        answer = answer_to_crs(emulator, crs)
        assert (answer.status_code, "could not be parsed" in answer.text) == (400, True), crs
    assert Page.asked == []


def test_no_wkt_names_a_file_to_open(emulator: EarthEngineEmulator) -> None:
    """Grids of datum shifts are files, of any name; opening one may take for ever."""
    degrees = CRS.from_epsg(4326).to_wkt(version="WKT1_GDAL")
    spheroid = 'SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]]'
    assert spheroid in degrees
    mercator = CRS.from_epsg(3857).to_wkt(version="WKT1_GDAL")
    assert "+nadgrids=@null" in mercator
    for wkt in (
        degrees.replace(spheroid, f'{spheroid},EXTENSION["PROJ4_GRIDS","/dev/random"]'),
        mercator.replace("@null", "/dev/random"),
        f'BOUNDCRS[{degrees},PARAMETERFILE["Latitude and longitude difference file","/dev/random"]]',
    ):
        answer = answer_to_crs(emulator, wkt)
        assert (answer.status_code, "could not be parsed" in answer.text) == (400, True), wkt
    assert answer_to_crs(emulator, mercator).json() == {"result": 1}
