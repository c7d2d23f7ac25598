"""Airflow finds the provider, its connection type and its fields."""

from __future__ import annotations

import json
from dataclasses import fields
from importlib.metadata import entry_points
from importlib.resources import files

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
