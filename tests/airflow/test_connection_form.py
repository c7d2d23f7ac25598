"""Each Airflow shows the form that one table describes, and the hook reads what the form stores."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from airflow.providers_manager import ProvidersManager

from airflow_provider_ee.hooks.connection_form import KEPT_SECRET
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook
from airflow_provider_ee.provider_info import CONNECTION_FIELDS, FIELD_BEHAVIOUR, get_provider_info

Connect = Callable[..., None]
on_airflow2 = pytest.mark.skipif(AIRFLOW_V_3_0_PLUS, reason="Airflow 3 has another form")

# What a person pastes, and what a password input makes of it: browsers drop the line breaks.
KEY = json.dumps({"type": "service_account", "private_key": "-----BEGIN\nAB\n-----END\n"}, indent=2)
PASTED = KEY.replace("\n", "")


def described(name: str, field: dict[str, Any]) -> dict[str, Any]:
    schema = field["schema"]
    return {
        "name": name,
        "label": field["label"],
        "description": field["description"],
        "type": schema["type"][0],
        "default": schema.get("default"),
        "secret": schema.get("format") == "password",
    }


def shown_by_airflow3() -> list[dict[str, Any]]:
    fields = form_of_airflow3().extra_fields or {}
    return [
        described(
            name,
            {**field, "label": field["schema"]["title"], "schema": {**field["schema"], "default": field["value"]}},
        )
        for name, field in fields.items()
    ]


def form_of_airflow3() -> Any:
    if airflow_version.startswith("3.0."):
        pytest.importorskip("flask_appbuilder", reason="without it Airflow 3.0 shows no provider's fields")
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    (form,) = [one for one in HookMetaService.hook_meta_data() if one.connection_type == "earth_engine"]
    return form


def shown_by_airflow2() -> list[dict[str, Any]]:
    types = {
        "StringField": "string",
        "PasswordField": "string",
        "IntegerField": "integer",
        "BooleanField": "boolean",
    }
    widgets = ProvidersManager().connection_form_widgets.values()
    return [
        {
            "name": widget.field_name,
            "label": widget.field.kwargs["label"],
            "description": widget.field.kwargs["description"],
            "type": types[widget.field.field_class.__name__],
            "default": widget.field.kwargs["default"],
            "secret": widget.is_sensitive,
        }
        for widget in widgets
        if widget.hook_class_name == "EarthEngineHook"
    ]


def test_airflow_shows_the_fields_of_the_table_and_no_others() -> None:
    shown = shown_by_airflow3() if AIRFLOW_V_3_0_PLUS else shown_by_airflow2()
    assert shown == [described(name, field) for name, field in CONNECTION_FIELDS.items()]


def test_airflow_hides_what_a_connection_to_earth_engine_does_not_have() -> None:
    if AIRFLOW_V_3_0_PLUS:
        fields = form_of_airflow3().standard_fields.model_dump()
        hidden = {name.removeprefix("url_") for name, field in fields.items() if field and field["hidden"]}
    else:
        hidden = set(ProvidersManager().field_behaviours["earth_engine"]["hidden_fields"])
    assert hidden == {"host", "schema", "login", "password", "port"}


@on_airflow2
def test_empty_fields_show_examples() -> None:
    examples = ProvidersManager().field_behaviours["earth_engine"]["placeholders"]
    assert examples["extra__earth_engine__project"] == FIELD_BEHAVIOUR["placeholders"]["project"]


def test_both_ways_to_describe_a_form_say_the_same() -> None:
    told = EarthEngineHook.get_ui_field_behaviour()
    assert {key.replace("_", "-"): value for key, value in told.items()} == FIELD_BEHAVIOUR
    assert set(told["placeholders"]) <= set(CONNECTION_FIELDS)


def test_the_hook_reads_each_field_and_no_other(connect: Connect) -> None:
    connect("mine", project="p", anonymous=True, api_endpoint="http://127.0.0.1:1")
    hook = EarthEngineHook("mine")
    read: set[str] = set()

    class Fields(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    hook.__dict__["_fields"] = Fields(hook._fields)
    assert hook.client
    assert hook.deployment == ""
    assert read == set(CONNECTION_FIELDS)


@pytest.mark.parametrize("empty", ["", None])
def test_a_field_that_was_left_empty_is_as_good_as_none(connect: Connect, empty: Any) -> None:
    filled = {"project": "p", "anonymous": True, "api_endpoint": "http://127.0.0.1:1"}
    connect("mine", **{name: filled.get(name, empty) for name in CONNECTION_FIELDS})
    client = EarthEngineHook("mine").client
    assert (client.project, client.num_retries, client._timeout) == ("p", 5, 60)


def test_numbers_and_boxes_may_come_as_text(connect: Connect) -> None:
    connect("mine", project="p", anonymous="y", num_retries="0", timeout="7", api_endpoint="http://127.0.0.1:1")
    client = EarthEngineHook("mine").client
    assert (client.num_retries, client._timeout) == (0, 7)


def test_a_key_that_a_password_input_took_the_line_breaks_of_is_the_same_key(connect: Connect) -> None:
    connect("mine", project="p", keyfile_dict=PASTED)
    assert json.loads(EarthEngineHook("mine")._settings.keyfile_dict) == json.loads(KEY)


def test_the_description_of_the_form_is_one_that_airflow_allows() -> None:
    schema = files("airflow") / "provider.yaml.schema.json"
    if not schema.is_file() or "conn-fields" not in schema.read_text():
        pytest.skip("this Airflow does not describe conn-fields")
    (connection_type,) = get_provider_info()["connection-types"]
    allowed = json.loads(schema.read_text())["properties"]["connection-types"]["items"]
    jsonschema.validate(connection_type, allowed)


def test_airflow_lists_the_hook_and_warns_of_nothing() -> None:
    command = [sys.executable, "-W", "always", "-m", "airflow", "providers", "hooks", "-o", "json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(listed.stdout[listed.stdout.index("[{") :])
    (row,) = [row for row in rows if row["connection_type"] == "earth_engine"]
    assert row["class"] == "airflow_provider_ee.hooks.earth_engine.EarthEngineHook"
    assert "EarthEngineHook" not in listed.stderr


@pytest.fixture
def page() -> Iterator[Any]:
    """The connection page of Airflow 2: ``save`` takes what a browser sends, ``show`` draws the form."""
    from airflow.www.forms import create_connection_form_class
    from airflow.www.views import ConnectionModelView
    from flask import Flask

    site = Flask("page")
    site.config.update(WTF_CSRF_ENABLED=False, SECRET_KEY="x")
    view = object.__new__(ConnectionModelView)
    form_class = create_connection_form_class()

    def save(**fields: str) -> dict[str, Any]:
        sent = {f"extra__earth_engine__{name}": fields.get(name, "") for name in CONNECTION_FIELDS}
        sent = {name: text for name, text in sent.items() if text or not name.endswith("__anonymous")}
        sent |= {"conn_id": "mine", "conn_type": "earth_engine", "extra": fields.get("extra", "")}
        with site.test_request_context(method="POST", data=sent):
            form = form_class()
            assert form.validate(), form.errors
            view.process_form(form, True)
            stored: dict[str, Any] = json.loads(form.extra.data)
            return stored

    def show(extra: dict[str, Any]) -> dict[str, str]:
        with site.test_request_context():
            form = form_class(data={"conn_id": "mine", "conn_type": "earth_engine", "extra": json.dumps(extra)})
            view.prefill_form(form, 1)
            drawn = {name: str(form[f"extra__earth_engine__{name}"]()) for name in CONNECTION_FIELDS}
            shown = {name: (re.findall(r'value="([^"]*)"', html) or [""])[0] for name, html in drawn.items()}
            return {**shown, "extra": form.extra.data}

    return SimpleNamespace(save=save, show=show)


@on_airflow2
def test_what_the_form_stores_is_what_the_hook_reads(page: Any, connect: Connect) -> None:
    stored = page.save(project=" p ", keyfile_dict=PASTED, num_retries="2", timeout="7", deployment="blue")
    connect("mine", **stored)
    hook = EarthEngineHook("mine")
    assert (hook.project_id, hook.deployment, hook._number("num_retries"), hook._number("timeout")) == (
        "p",
        "blue",
        2,
        7,
    )
    assert (hook._settings.source, hook._settings.anonymous) == ("keyfile_dict", False)
    assert json.loads(hook._settings.keyfile_dict) == json.loads(KEY)
    connect("mine", **page.save(project="p", anonymous="y"))
    assert EarthEngineHook("mine")._settings.anonymous


@on_airflow2
@pytest.mark.parametrize(("field", "text"), [("num_retries", "x"), ("num_retries", "-1"), ("timeout", "0")])
def test_the_form_refuses_numbers_that_the_hook_refuses(page: Any, field: str, text: str) -> None:
    with pytest.raises(AssertionError, match=field):
        page.save(**{field: text})


@on_airflow2
def test_a_secret_is_not_on_the_page_and_outlives_an_edit(page: Any, connect: Connect) -> None:
    saved = page.save(project="p", keyfile_dict=PASTED, num_retries="5", timeout="60")
    connect("mine", **saved)
    shown = page.show(saved)
    assert "BEGIN" not in json.dumps(shown)
    assert page.save(**{**shown, "project": "other", "anonymous": ""}) == {**saved, "project": "other"}


@on_airflow2
def test_a_secret_that_was_emptied_is_gone(page: Any, connect: Connect) -> None:
    saved = page.save(project="p", keyfile_dict=PASTED)
    connect("mine", **saved)
    assert "keyfile_dict" not in page.save(**{**page.show(saved), "keyfile_dict": "", "anonymous": ""})


@on_airflow2
def test_what_stands_for_a_secret_is_airflows_word_for_it() -> None:
    from airflow.www.views import SENSITIVE_FIELD_PLACEHOLDER

    assert KEPT_SECRET == SENSITIVE_FIELD_PLACEHOLDER
