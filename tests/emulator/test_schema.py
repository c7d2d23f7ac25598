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


@pytest.mark.parametrize(
    "flags", [{}, {"overwrite": True}, {"append": True}, {"overwrite": True, "append": False}]
)
def test_a_table_is_overwritten_or_appended_to(flags: dict[str, bool]) -> None:
    body = bigquery(**flags)
    assert read_body(body, "ExportTableRequest") == json.loads(body)


def test_a_table_is_not_overwritten_and_appended_to() -> None:
    message = refused(bigquery(overwrite=True, append=True), "ExportTableRequest")
    assert "bigqueryDestination' (oneof), only one of its fields may be set" in message


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400, "9" * 5000])
def test_numbers_beyond_double_precision_are_refused(number: str) -> None:
    body = f'{{"expression": {{"result": "0", "values": {{"0": {{"constantValue": {number}}}}}}}}}'
    message = refused(body.encode(), "ComputeValueRequest")
    assert message.startswith("Invalid JSON payload received. Number out of range: ")


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"a\\uDFFFb"', b'"\xed\xa0\x80"', b'"\xff"'])
@pytest.mark.parametrize(
    "where", [b'{"requestId": %s}', b"{%s: 1}", b'{"expression": {"values": {"0": {"constantValue": [%s]}}}}']
)
def test_text_is_made_of_whole_characters(text: bytes, where: bytes) -> None:
    assert refused(where % text, "ExportImageRequest").startswith("Invalid JSON payload received. ")


def test_pairs_of_surrogates_are_characters() -> None:
    body = b'{"expression": {"values": {"0": {"constantValue": "\\ud83d\\ude00"}}}}'
    assert read_body(body, "ComputeValueRequest")["expression"]["values"]["0"]["constantValue"] == "😀"
