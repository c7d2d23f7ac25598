"""For every function of ``ee.batch.Export`` and every option it takes, our request is the client's."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import ee
import pytest
import requests
from client_options import OPTIONS, REFUSED, Case
from google.auth.credentials import AnonymousCredentials
from httplib2 import Response
from packaging.version import Version

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.expression import request_from_task
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.schema import read_body

OLD_CLIENT = Version(ee.__version__) < Version("1.7.48")  # whose options are those of the cases
MESSAGES = {
    "image": "ExportImageRequest",
    "table": "ExportTableRequest",
    "video": "ExportVideoRequest",
    "map": "ExportMapRequest",
    "classifier": "ExportClassifierRequest",
}


class Recorded:
    """The transport of the real client: reads come from the emulator, exports are kept instead of sent."""

    def __init__(self) -> None:
        self.kind = ""
        self.body: dict[str, Any] = {}

    def request(self, uri: str, method: str = "GET", body: Any = None, **rest: Any) -> tuple[Response, bytes]:
        """As httplib2 has it."""
        if method == "GET":
            answer = requests.get(uri)
            return Response({"status": answer.status_code}), answer.content
        self.kind = uri.partition("?")[0].rpartition("/")[2].removesuffix(":export")
        self.body = json.loads(body)  # which reads a NaN, as the client writes it
        return Response({"status": 200}), b'{"name": "projects/p/operations/1"}'


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """What the real client sends last."""
    transport, folder = Recorded(), tmp_path_factory.mktemp("emulator")
    with EarthEngineEmulator(folder, folder / "output") as emulator:
        credentials = AnonymousCredentials()
        ee.Initialize(credentials, url=emulator.url, project="p", http_transport=transport)
        yield transport
        ee.Reset()


def plain(value: Any, name: str = "") -> Any:
    """A request of the client without the wrappers around its numbers."""
    if isinstance(value, dict) and name not in ("expression", "tensorDepths", "pyramidingPolicyOverrides"):
        if set(value) == {"value"}:
            return value["value"]
        return {key: plain(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return "NaN" if value != value else value


@pytest.mark.parametrize("case", OPTIONS, ids=str)
def test_our_request_is_the_client_s(case: Case, sent: Recorded) -> None:
    try:
        case.task()
    except ee.EEException as error:
        if not OLD_CLIENT or "Unknown" not in str(error):
            raise
        pytest.skip("this client has no such option yet")
    kind, ours = request_from_task(case.task())
    case.task().start()
    theirs = {name: value for name, value in sent.body.items() if name != "requestId"}
    assert kind == sent.kind
    assert ours == plain(theirs)
    assert read_body(json.dumps(ours).encode(), MESSAGES[kind]) == ours


@pytest.mark.parametrize(("case", "reason"), REFUSED, ids=str)
@pytest.mark.usefixtures("sent")
def test_what_is_not_passed_on_is_refused_with_a_reason(case: Case, reason: str) -> None:
    with pytest.raises(RequestError) as refusal:
        request_from_task(case.task())
    assert reason in str(refusal.value)


@pytest.mark.usefixtures("sent")
def test_no_option_of_the_client_is_forgotten() -> None:
    cases = [*OPTIONS, *(case for case, _ in REFUSED)]
    for kind in ("image", "table", "video", "map", "classifier"):
        functions = inspect.getmembers(getattr(ee.batch.Export, kind), inspect.isfunction)
        for name, function in functions:
            if name.startswith("to"):
                wanted = {name for name in inspect.signature(function).parameters if name != "kwargs"}
                given = {option for case in cases if case.function == f"{kind}.{name}" for option in case.options}
                assert wanted - given - {kind, "image", "collection"} == set(), f"{kind}.{name}"
