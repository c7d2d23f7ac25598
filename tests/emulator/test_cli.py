"""``ee-emulator``, as a person starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from airflow_provider_ee.emulator.cli import main

COMMAND = [sys.executable, "-m", "airflow_provider_ee.emulator"]


class Server:
    """The command in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        output = folder / "output"
        command = [*COMMAND, "serve", "--port", "0", "--catalog", str(folder), "--output", str(output), *options]
        # As users have it: what is printed waits in a buffer unless it is flushed.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout
        self.line = self.process.stdout.readline()
        found = re.search(r"http://\S+", self.line)
        assert found, self.process.communicate(timeout=10)
        self.url = found[0]

    def stop(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal; returns the status, and what was printed besides the first line."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=10)
        return self.process.returncode, out, err


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """Processes to end, however the test ends."""
    started: list[Server] = []
    yield started
    for server in started:
        server.process.kill()
        server.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_its_url_answers_and_stops_when_told(
    servers: list[Server], tmp_path: Path, number: signal.Signals
) -> None:
    servers.append(server := Server(tmp_path, "--token", "alice=secret-a", "--slots", "7"))
    assert re.fullmatch(r"Earth Engine emulator ready at http://127\.0\.0\.1:[1-9][0-9]*\n", server.line)
    with requests.Session() as session:  # its connection stays open
        url = f"{server.url}/v1/projects/p/config"
        assert session.get(url).status_code == 401
        answer = session.get(url, headers={"Authorization": "Bearer secret-a"})
        assert answer.json()["maxConcurrentExports"] == "7"
        assert server.stop(number) == (0, "", "")
    with pytest.raises(requests.ConnectionError):
        requests.get(url)


def test_serve_stops_while_it_holds_a_request(servers: list[Server], tmp_path: Path) -> None:
    servers.append(server := Server(tmp_path))
    fault = {"method": "getConfig", "hold": "for ever"}
    requests.post(f"{server.url}/_emulator/faults", json=fault).raise_for_status()
    url = f"{server.url}/v1/projects/p/config"
    held = threading.Thread(target=lambda: requests.get(url), daemon=True)
    held.start()
    deadline = time.monotonic() + 10
    while not requests.get(f"{server.url}/_emulator/faults").json()["faults"][0]["fired"]:
        assert time.monotonic() < deadline
    status, out, _ = server.stop(signal.SIGTERM)
    assert (status, out) == (0, "")
    held.join(10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "65536"], "argument --port: 65536 is not a port"),
        (["--port", "-1"], "argument --port: -1 is not a port"),
        (["--port", "http"], "argument --port"),
        (["--task-seconds", "-1"], "-1 is not a number of seconds"),
        (["--task-seconds", "nan"], "nan is not a number of seconds"),
        (["--task-seconds", "inf"], "inf is not a number of seconds"),
        (["--task-seconds", "soon"], "argument --task-seconds"),
        (["--slots", "0"], "0 is not a number of 1 or more"),
        (["--slots", "1.5"], "1.5 is not a number of 1 or more"),
        (["--queue-limit", "-3"], "-3 is not a number of 1 or more"),
        (["--token", "secret"], "write NAME=VALUE"),
        (["--token", "=secret"], "write NAME=VALUE"),
        (["--token", "alice="], "write NAME=VALUE"),
        (["--catalog", "missing"], "missing is not a folder; write one with `ee-emulator sample missing`"),
        (["--verbose"], "unrecognized arguments: --verbose"),
    ],
)
def test_options_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["serve", "--catalog", str(tmp_path), "--output", str(tmp_path), *options])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["start"], "invalid choice: 'start'"),
        (["serve"], "the following arguments are required: --catalog, --output"),
        (["sample"], "the following arguments are required: DIR"),
    ],
)
def test_commands_that_are_not_whole(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def handlers() -> Iterator[None]:
    """``serve`` takes the signals over; here they go back to pytest."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("host", "message"),
    [("0.0.0.0", "is open to others; name a token, or bind 127.0.0.1."), ("my-host", "'my-host' does not appear")],
)
def test_hosts_that_cannot_be_bound(
    handlers: None, capsys: pytest.CaptureFixture[str], tmp_path: Path, host: str, message: str
) -> None:
    assert main(["serve", "--host", host, "--catalog", str(tmp_path), "--output", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("ee-emulator: ")
    assert message in printed.err


def test_a_port_that_is_taken(handlers: None, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--port", port, "--catalog", str(tmp_path), "--output", str(tmp_path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Address already in use" in printed.err


def test_sample_writes_a_catalog(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    catalog = tmp_path / "a" / "catalog"
    assert main(["sample", str(catalog)]) == 0
    assert str(catalog) in capsys.readouterr().out
    assert list(catalog.rglob("*.B8.tif"))


def test_what_is_not_installed_is_told_in_a_sentence(tmp_path: Path) -> None:
    without = "import sys; sys.modules['rasterio'] = None; from airflow_provider_ee.emulator.cli import main; sys.exit(main())"
    serve = ["serve", "--catalog", str(tmp_path), "--output", str(tmp_path / "output")]
    for arguments in (serve, ["sample", str(tmp_path)]):
        told = subprocess.run(
            [sys.executable, "-c", without, *arguments], capture_output=True, text=True, check=False
        )
        assert (told.returncode, told.stderr) == (
            2,
            "ee-emulator: rasterio is not installed; install airflow-provider-ee[emulator].\n",
        )
