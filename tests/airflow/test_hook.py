"""A connection becomes a client: its fields, its defaults, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import google.auth
import pytest
import requests
from examples import GRID, constant_image
from google.auth.credentials import AnonymousCredentials

from airflow_provider_ee.earthengine.errors import (
    AuthError,
    EarthEngineError,
    OperationTimeoutError,
    RequestError,
)
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook

Connect = Callable[..., None]
FILES = {"filenamePrefix": "x"}


def test_the_fields_of_a_connection_reach_the_client(connect: Connect) -> None:
    connect(
        "mine",
        project="p",
        token="abcdef",
        api_endpoint="http://127.0.0.1:8085/",
        num_retries="2",
        timeout="7",
        scopes="https://www.googleapis.com/auth/drive, https://www.googleapis.com/auth/cloud-platform",
        quota_project_id="payer",
    )
    hook = EarthEngineHook("mine")
    assert hook.project_id == hook.client.project == "p"
    assert hook.client.endpoint == "http://127.0.0.1:8085"
    assert hook.get_credentials().token == "abcdef"
    assert hook.get_credentials().quota_project_id == "payer"
    assert (hook.client._timeout, hook.client._repeat.stop.max_attempt_number) == (7, 3)
    assert hook._settings.scopes[0] == "https://www.googleapis.com/auth/drive"


def test_arguments_come_before_the_connection(connect: Connect) -> None:
    connect("mine", project="p", impersonation_chain="a@x")
    hook = EarthEngineHook("mine", project_id="other", impersonation_chain=["b@x", "c@x"])
    assert hook.project_id == "other"
    assert hook._settings.impersonation_chain == ("b@x", "c@x")
    assert EarthEngineHook("mine")._settings.impersonation_chain == ("a@x",)
    rendered = EarthEngineHook("mine", impersonation_chain='["d@x", "e@x"]')
    assert rendered._settings.impersonation_chain == ("d@x", "e@x")


class Broken:
    """A connection whose extra Airflow could not read, which it says in its log only."""

    def __init__(self, extra: str) -> None:
        self.extra = extra
        self.extra_dejson: Any = {} if extra == "{nope" else json.loads(extra)


@pytest.mark.parametrize("extra", ["{nope", "[1]", "5"])
def test_an_extra_that_is_no_json_object_does_not_become_another_identity(
    monkeypatch: pytest.MonkeyPatch, extra: str
) -> None:
    monkeypatch.setattr(EarthEngineHook, "get_connection", lambda self, conn_id: Broken(extra))
    with pytest.raises(RequestError, match="the connection 'mine' has an extra that is not a JSON object"):
        assert EarthEngineHook("mine").client


@pytest.mark.parametrize("prefix", ["", "extra__google_cloud_platform__"])
def test_a_google_cloud_connection_works_too(connect: Connect, prefix: str) -> None:
    extra = {
        f"{prefix}project": "composer-project",
        f"{prefix}key_path": "",
        f"{prefix}scope": "https://www.googleapis.com/auth/cloud-platform",
        f"{prefix}num_retries": 5,
        f"{prefix}is_anonymous": True,
        "api_endpoint": "http://localhost:1",
    }
    connect("google_cloud_default", conn_type="google_cloud_platform", **extra)
    hook = EarthEngineHook("google_cloud_default")
    assert hook.client.project == "composer-project"
    assert isinstance(hook.get_credentials(), AnonymousCredentials)
    assert hook._settings.scopes == ("https://www.googleapis.com/auth/cloud-platform",)


def test_without_the_default_connection_the_machine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google.auth, "default", lambda scopes: (AnonymousCredentials(), "machine-project"))
    assert EarthEngineHook().project_id == "machine-project"


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"anonymous": True}, "no Cloud project is known; set project in the connection 'mine', or project_id."),
        (
            {"project": "p", "key_secret_name": "s"},
            "the connection 'mine' sets key_secret_name, which is not supp",
        ),
        (
            {"project": "p", "anonymous": True, "token": "t"},
            "the connection sets anonymous and token; set only one",
        ),
        (
            {"project": "p", "anonymous": True, "num_retries": "x"},
            "sets num_retries to 'x'; write a whole number from 0 to 100.",
        ),
        (
            {"project": "p", "anonymous": True, "timeout": 0},
            "sets timeout to 0; write a whole number from 1 to 86400.",
        ),
        ({"project": "p", "anonymous": True, "num_retries": "2.7"}, "sets num_retries to '2.7'; write a whole"),
        ({"project": "p", "anonymous": "maybe"}, "sets anonymous to 'maybe'; write true or false."),
        ({"project": "p", "scopes": 5}, "scopes must be a list of text or text with commas, not 5."),
        ({"project": "../x", "anonymous": True}, "project '../x' is not the id or number of a Cloud project."),
        (
            {"project": "p", "anonymous": True, "timeout": -1},
            "sets timeout to -1; write a whole number from 1 to 86400.",
        ),
        ({"project": "p", "anonymous": True}, "anonymous and token are for an emulator on a loopback address"),
        ({"project": "p", "api_endpoint": "http://127.0.0.1:1"}, "where real credentials must not go"),
        ({"project": "p", "api_endpoint": "https://example.com"}, "must be https://….googleapis.com"),
    ],
)
def test_a_wrong_connection_is_told_in_a_sentence(connect: Connect, extra: dict[str, Any], sentence: str) -> None:
    endpoint = {} if "anonymous and token are" in sentence else {"api_endpoint": "http://127.0.0.1:1"}
    connect("mine", **{**endpoint, **extra})
    with pytest.raises(EarthEngineError) as refusal:
        assert EarthEngineHook("mine").client
    assert sentence in str(refusal.value)


def test_a_connection_that_was_named_must_exist() -> None:
    with pytest.raises(
        RequestError, match="the connection 'missing' does not exist; create it, or leave ee_conn_id"
    ):
        assert EarthEngineHook("missing").client


def test_a_hook_exports_lists_and_cancels(connected_emulator: EarthEngineEmulator) -> None:
    hook = EarthEngineHook()
    request = {
        "expression": constant_image(),
        "grid": GRID,
        "fileExportOptions": {"driveDestination": FILES},
    }
    operation = hook.export_image(request)
    assert [one["name"] for one in hook.list_operations()] == [operation["name"]]
    hook.cancel_operation(operation["name"])
    assert hook.get_operation(operation["name"])["metadata"]["state"] == "CANCELLING"


def test_a_hook_waits_for_an_operation_and_cancels_nothing(connected_emulator: EarthEngineEmulator) -> None:
    hook = EarthEngineHook()
    request = {"expression": constant_image(), "grid": GRID, "fileExportOptions": {"driveDestination": FILES}}
    name = hook.export_image(request)["name"]
    with pytest.raises(OperationTimeoutError, match=r"has not ended within timeout=0\.05 seconds"):
        hook.wait_for_operation(name, poll_interval=0.01, timeout=0.05)
    assert not hook.get_operation(name).get("done")
    connected_emulator.operations.advance(60)
    assert hook.wait_for_operation(name)["metadata"]["state"] == "SUCCEEDED"


def test_a_hook_checks_what_it_sends(connected_emulator: EarthEngineEmulator) -> None:
    with pytest.raises(RequestError, match="has neither fileExportOptions"):
        EarthEngineHook().export_image({"expression": constant_image()})
    with pytest.raises(RequestError, match="an export of the kind 'tabel' is not known; known are image, table"):
        EarthEngineHook().export("tabel", {})


def test_no_secret_reaches_a_log_or_an_error(
    start_emulator: Callable[..., EarthEngineEmulator], connect: Connect, capfd: Any, caplog: Any
) -> None:
    emulator = start_emulator(tokens={"alice": "right-token-aaaa"})
    connect("mine", project="p", token="wrong-token-bbbb", api_endpoint=emulator.url, num_retries=0)
    caplog.set_level("DEBUG")
    with pytest.raises(AuthError) as refusal:
        EarthEngineHook("mine").get_operation("projects/p/operations/A")
    out, err = capfd.readouterr()
    shown = "".join([out, err, str(refusal.value), repr(refusal.value), repr(EarthEngineHook("mine").__dict__)])
    assert "wrong-token-bbbb" not in shown
    log = json.dumps(requests.get(f"{emulator.url}/_emulator/requests").json())
    assert "wrong-token-bbbb" not in log
