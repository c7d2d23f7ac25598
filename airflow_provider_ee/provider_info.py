"""What Airflow learns about this package: plain data, read from the ``apache_airflow_provider`` entry point."""

# Airflow imports this while its own configuration loads: import nothing of Airflow here.

from __future__ import annotations

from typing import Any

from airflow_provider_ee import __version__

CONNECTION_TYPE = "earth_engine"
CONNECTION_NAME = "Google Earth Engine"
DEFAULT_CONNECTION = "earth_engine_default"


def _field(label: str, description: str, type_: str = "string", **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": [type_, "null"], **schema}}


CONNECTION_FIELDS: dict[str, dict[str, Any]] = {
    "project": _field("Project", "Cloud project that exports run in and are paid by."),
    "key_path": _field("Key file path", "Path of a service account key or authorised user file."),
    "keyfile_dict": _field("Key file JSON", "The content of a key file, instead of its path.", format="password"),
    "credential_config_file": _field(
        "Credential configuration file", "Path of a workload identity federation configuration."
    ),
    "impersonation_chain": _field(
        "Impersonation chain", "Service accounts, comma separated; the last one is acted as."
    ),
    "quota_project_id": _field("Quota project", "Project charged for API use, where it is not the project."),
    "scopes": _field("Scopes", "OAuth scopes, comma separated; exports to Drive need the drive scope."),
    "num_retries": _field(
        "Retries",
        "How often a call that may be repeated is repeated.",
        "integer",
        default=5,
        minimum=0,
        maximum=100,
    ),
    "timeout": _field(
        "Timeout", "Seconds to wait for an answer.", "integer", default=60, minimum=1, maximum=86_400
    ),
    "api_endpoint": _field("API endpoint", "Base URL; empty for the real service.", format="url"),
    "anonymous": _field("Anonymous", "Send no credentials (for an emulator).", "boolean", default=False),
    "token": _field("Token", "Fixed bearer token (for an emulator on a loopback address).", format="password"),
    "deployment": _field("Deployment", "A word that tells two Airflows with the same DAGs on one project apart."),
}
"""The fields of a connection, kept in its extra: name -> form field."""

# `extra` is shown: on Airflow 2 the button Test does nothing where no field for JSON is seen.
FIELD_BEHAVIOUR: dict[str, Any] = {
    "hidden-fields": ["host", "schema", "login", "password", "port"],
    "relabeling": {},
    "placeholders": {
        "project": "my-project",
        "key_path": "/keys/earth-engine.json",
        "impersonation_chain": "exporter@my-project.iam.gserviceaccount.com",
        "scopes": "https://www.googleapis.com/auth/cloud-platform, https://www.googleapis.com/auth/drive",
        "api_endpoint": "https://earthengine.googleapis.com",
    },
}
"""What the form makes of the fields that every connection has, and examples in empty ones (before Airflow 3.2)."""


_ASSET_URIS = {
    "schemes": ["earthengine"],
    "handler": "airflow_provider_ee.assets.sanitize_uri",
    "factory": "airflow_provider_ee.assets.create_asset",
    "to_openlineage_converter": "airflow_provider_ee.assets.convert_asset_to_openlineage",
}


def _modules(*names: str) -> dict[str, Any]:
    modules = [f"airflow_provider_ee.{name}" for name in names]
    return {"integration-name": CONNECTION_NAME, "python-modules": modules}


def get_provider_info() -> dict[str, Any]:
    """The provider as ``airflow/provider_info.schema.json`` describes it."""
    return {
        "package-name": "airflow-provider-ee",
        "name": CONNECTION_NAME,
        "description": "Export from Google Earth Engine, and wait for it.",
        "versions": [__version__],
        "task-decorators": [
            {"class-name": "airflow_provider_ee.decorators.export.ee_export_task", "name": "ee_export"}
        ],
        "extra-links": ["airflow_provider_ee.links.EETasksLink", "airflow_provider_ee.links.EEResultLink"],
        "integrations": [
            {
                "integration-name": CONNECTION_NAME,
                "external-doc-url": "https://developers.google.com/earth-engine/reference/rest",
                "tags": ["gcp"],
            }
        ],
        "operators": [_modules("operators.export")],
        "sensors": [_modules("sensors.operation")],
        "hooks": [_modules("hooks.earth_engine")],
        "triggers": [_modules("triggers.operation")],
        "asset-uris": [_ASSET_URIS],
        "dataset-uris": [_ASSET_URIS],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-class-name": "airflow_provider_ee.hooks.earth_engine.EarthEngineHook",
                "hook-name": CONNECTION_NAME,
                "ui-field-behaviour": FIELD_BEHAVIOUR,
                "conn-fields": CONNECTION_FIELDS,
            }
        ],
    }
