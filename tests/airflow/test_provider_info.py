"""Airflow finds the provider, its connection type and its fields."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

import jsonschema
from airflow.providers_manager import ProvidersManager

from airflow_provider_ee.earthengine.credentials import CredentialSettings
from airflow_provider_ee.provider_info import CONNECTION_FIELDS, get_provider_info


def test_airflow_discovers_the_connection_type() -> None:
    hook = ProvidersManager().hooks["earth_engine"]
    assert hook is not None
    assert hook.hook_name == "Google Earth Engine"
    assert hook.connection_type == "earth_engine"
    assert hook.connection_testable
    assert "airflow-provider-ee" in ProvidersManager().providers


def test_the_information_is_what_airflow_expects() -> None:
    schema = json.loads((files("airflow") / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_the_entry_point_leads_to_it() -> None:
    (point,) = [one for one in entry_points(group="apache_airflow_provider") if "airflow_provider_ee" in one.value]
    assert point.load()() == get_provider_info()


def test_every_setting_of_the_credentials_is_a_field_of_the_connection() -> None:
    assert {field.name for field in fields(CredentialSettings)} <= set(CONNECTION_FIELDS)


def test_secrets_are_shown_as_passwords() -> None:
    passwords = {name for name, field in CONNECTION_FIELDS.items() if field["schema"].get("format") == "password"}
    assert passwords == {"keyfile_dict", "token"}


def test_airflow_lists_all_that_the_provider_brings() -> None:
    manager = ProvidersManager()
    assert set(get_provider_info()["extra-links"]) <= set(manager.extra_links_class_names)
    triggers = [one for one in manager.trigger if one.package_name == "airflow-provider-ee"]
    assert [one.trigger_class_name for one in triggers] == ["airflow_provider_ee.triggers.operation"]
    assert "ee_export" in dict(manager.taskflow_decorators)


def test_every_name_in_it_leads_to_something() -> None:
    info = get_provider_info()
    parts = ("operators", "sensors", "hooks", "triggers")
    modules = [module for part in parts for one in info[part] for module in one["python-modules"]]
    assert all(import_module(module) for module in modules)
    names = [*info["extra-links"], *(one["class-name"] for one in info["task-decorators"])]
    uris = [value for one in info["asset-uris"] for name, value in one.items() if name != "schemes"]
    for name in (*names, *uris, *(one["hook-class-name"] for one in info["connection-types"])):
        module, _, attribute = name.rpartition(".")
        assert callable(getattr(import_module(module), attribute))


def test_every_operator_sensor_and_trigger_of_ours_is_listed() -> None:
    """A module that is added must be listed as well."""
    info = get_provider_info()
    for part in ("operators", "sensors", "hooks", "triggers"):
        listed = {module for one in info[part] for module in one["python-modules"]}
        folder = import_module(f"airflow_provider_ee.{part}").__path__[0]
        for path in Path(folder).glob("*.py"):
            module = import_module(f"airflow_provider_ee.{part}.{path.stem}") if path.stem != "__init__" else None
            public = module and [name for name in vars(module) if name.startswith("EE") or name.endswith("Hook")]
            own = public and any(vars(module)[name].__module__ == module.__name__ for name in public)
            assert not own or module.__name__ in listed
