"""The emulator as the scenarios see it: what truly runs there, and the hand that ends it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import requests
from waiting import wait_for

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.operations import Behaviour

LIVE = ("PENDING", "RUNNING")
SLOTS = 400


class Service:
    """An emulator whose exports run until a scenario ends them.

    :param folder: where exports are written.
    """

    def __init__(self, folder: Path, *, slots: int = SLOTS, queue_limit: int = 3000) -> None:
        self._catalog = folder / "catalog"
        self._catalog.mkdir(parents=True)
        self._emulator = EarthEngineEmulator(
            self._catalog, folder / "output", slots=slots, queue_limit=queue_limit
        )
        self._emulator.operations.add_behaviour(Behaviour(stay="RUNNING"))
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Service:
        self._emulator.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._emulator.__exit__(None, None, None)

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._emulator.url

    def connection(self, project: str) -> dict[str, Any]:
        """Extra of an Airflow connection to it."""
        return {"project": project, "api_endpoint": self.url, "anonymous": True}

    def exports(self, words: str) -> list[Export]:
        """The exports whose description begins with these words, oldest first."""
        found = self._control("GET", "operations")["operations"]
        mine = [one for one in found if one["metadata"]["description"].startswith(words)]
        return [Export(self, one) for one in sorted(mine, key=lambda one: one["metadata"]["createTime"])]

    def requests(self, method: str = "", project: str = "") -> list[dict[str, Any]]:
        """The requests so far, by the beginning of the method's name, to a project."""
        return [
            entry
            for entry in self._control("GET", "requests")["requests"]
            if (entry["method"] or "").startswith(method) and f"/projects/{project}" in entry["path"]
        ]

    def end_after(self, seconds: float, words: str) -> None:
        """Exports of this description end by themselves."""
        self._control("POST", "operations", {"match": f"^{words}", "duration_seconds": seconds})

    def hold_answer(self, words: str) -> None:
        """The answer to the first export of this description never comes."""
        fault = {"method": "image.export", "point": "after", "hold": words, "match": f"^{words}"}
        self._control("POST", "faults", fault)

    def holds(self, words: str) -> bool:
        """Whether it does so."""
        faults = self._control("GET", "faults")["faults"]
        return any(fault["fired"] for fault in faults if fault["hold"] == words)

    def start_export(self, project: str, description: str) -> Export:
        """An export of somebody else's."""
        from examples import GRID, constant_image

        body = {
            "expression": constant_image(),
            "description": description,
            "grid": GRID,
            "fileExportOptions": {
                "fileFormat": "GEO_TIFF",
                "cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": description},
            },
        }
        self._session.post(f"{self.url}/v1/projects/{project}/image:export", json=body).raise_for_status()
        return self.exports(description)[0]

    def finish(self, name: str) -> None:
        """Let an export succeed."""
        operation = self._emulator.operations.get(name)
        assert operation, name
        operation.duration = max(time.time() - (operation.start_time or 0.0), 0.0)
        operation.behaviour = Behaviour()

    def _control(self, verb: str, path: str, body: Any = None) -> Any:
        answer = self._session.request(verb, f"{self.url}/_emulator/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()


class Export:
    """An operation, as it was when it was looked at."""

    def __init__(self, service: Service, resource: dict[str, Any]) -> None:
        self._service = service
        self.name: str = resource["name"]
        self.description: str = resource["metadata"]["description"]
        self.seen: str = resource["metadata"]["state"]

    def __repr__(self) -> str:
        return f"{self.name.rpartition('/')[2][:6]}:{self.seen}"

    @property
    def state(self) -> str:
        """Its state now."""
        (same,) = [one for one in self._service.exports(self.description) if one.name == self.name]
        return same.seen

    @property
    def live(self) -> bool:
        """Whether it ran when it was looked at."""
        return self.seen in LIVE

    def finish(self) -> None:
        """Let it succeed."""
        assert self.state in LIVE, f"{self} does not run any more: it is {self.state}"
        self._service.finish(self.name)
        wait_for(lambda: self.state == "SUCCEEDED", f"{self.name} to succeed")
