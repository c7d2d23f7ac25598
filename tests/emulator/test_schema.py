"""Bodies of requests: what is refused before anything is made of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_ee.emulator.errors import ServiceError
from airflow_provider_ee.emulator.schema import read_body


def bigquery(**flags: Any) -> bytes:
    destination = {"table": "p.d.t", **flags}
    return json.dumps({"bigqueryExportOptions": {"bigqueryDestination": destination}}).encode()


def refused(body: bytes, message: str) -> str:
    with pytest.raises(ServiceError) as refusal:
        read_body(body, message)
    assert refusal.value.code == 400
    return refusal.value.message


@pytest.mark.parametrize("flags", [{}, {"overwrite": True}, {"append": True}, {"overwrite": True, "append": False}])
def test_a_table_is_overwritten_or_appended_to(flags: dict[str, bool]) -> None:
    body = bigquery(**flags)
    assert read_body(body, "ExportTableRequest") == json.loads(body)


def test_a_table_is_not_overwritten_and_appended_to() -> None:
    message = refused(bigquery(overwrite=True, append=True), "ExportTableRequest")
    assert "bigqueryDestination' (oneof), only one of its fields may be set" in message
