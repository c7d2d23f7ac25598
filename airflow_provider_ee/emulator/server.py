"""EarthEngineEmulator: the service on a port of this machine."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import uvicorn

from airflow_provider_ee.emulator.app import Front, create_app
from airflow_provider_ee.emulator.catalog import Catalog
from airflow_provider_ee.emulator.clock import Clock
from airflow_provider_ee.emulator.control import add_control
from airflow_provider_ee.emulator.export_kinds import Exports
from airflow_provider_ee.emulator.faults import Faults
from airflow_provider_ee.emulator.gate import gated, is_loopback
from airflow_provider_ee.emulator.operations import Operations
from airflow_provider_ee.emulator.service import Service

_TICK_SECONDS = 0.2


class EarthEngineEmulator:
    """Serve the Earth Engine REST API while the ``with`` block lasts.

    :param catalog: folder of the assets that expressions load.
    :param output: folder that exports write to.
    :param host: address to bind; anything but loopback needs ``tokens``.
    :param port: 0 picks a free one.
    :param task_seconds: how long an operation runs at least, in seconds.
    :param slots: how many operations run at a time.
    :param queue_limit: how many operations of a user may be pending.
    :param tokens: user name -> bearer token; once one is named, requests need one.
    :param clock: the time that operations live in.
    :raises ValueError: if the address is open to others and no token is named.
    """

    def __init__(
        self,
        catalog: Path | str,
        output: Path | str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        task_seconds: float = 5.0,
        slots: int = 2,
        queue_limit: int = 3000,
        tokens: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        loopback = is_loopback(host)
        if not loopback and not tokens:
            raise ValueError(f"host {host} is open to others; name a token, or bind 127.0.0.1.")
        output = Path(output)
        assets = Catalog(Path(catalog), output)
        self.operations = Operations(clock or Clock(), task_seconds=task_seconds, slots=slots)
        self.service = Service(
            self.operations,
            Exports(assets, output),
            assets,
            queue_limit=queue_limit,
            slots=slots,
        )
        self.faults = Faults()
        front = Front(self.service, self.faults, {token: user for user, token in (tokens or {}).items()})
        app = gated(create_app(front, lambda app: add_control(app, front)), front, loopback=loopback)
        self._socket = socket.create_server((host, port), family=_family(host))
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                lifespan="off",
                log_level=logging.WARNING,
                date_header=False,  # the service's time is that of the clock
                timeout_graceful_shutdown=1,
            )
        )
        self._threads = [
            threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True),
            threading.Thread(target=self._tick, daemon=True),
        ]
        self._closed = threading.Event()
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self._socket.getsockname()[1]}"

    def __enter__(self) -> EarthEngineEmulator:
        for thread in self._threads:
            thread.start()
        while not self._server.started:
            if not self._threads[0].is_alive():
                raise RuntimeError("the emulator's server did not start; see its log.")
            time.sleep(0.005)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closed.set()
        self.faults.clear()
        self._server.should_exit = True
        for thread in self._threads:
            thread.join(timeout=10)
        self.operations.close()
        self._socket.close()

    def _tick(self) -> None:
        """Operations go on while nobody looks."""
        while not self._closed.wait(_TICK_SECONDS):
            self.operations.settle()


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
