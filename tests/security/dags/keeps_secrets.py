"""Exports whose connections, variables and failures all hold secrets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task
from examples import GRID, constant_image

from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.sensors.operation import EEOperationSensor


def build(word: str) -> dict[str, Any]:
    """An expression that is made of a secret, and does not hold it."""
    return constant_image(len(word))


def fail(word: str) -> dict[str, Any]:
    """What a user's code may do with one."""
    raise ValueError(f"cannot build with {word}")


WHERE: dict[str, Any] = {"grid": GRID, "destination": "gs://bucket/{{ ti.task_id }}"}

with DAG("keeps_secrets", schedule=None, start_date=datetime(2020, 1, 1)):
    waits = EEImageExportOperator(
        task_id="waits",
        expression="keeps_secrets.build",
        expression_kwargs={"word": "{{ var.value.secret_word }}"},
        workload_tag="{{ var.value.secret_tag }}",
        deferrable=True,
        poll_interval=0.3,
        **WHERE,
    )
    EEOperationSensor(task_id="senses", operation=waits.output, deferrable=True, poke_interval=0.3)

    @task.ee_export(wait_for_completion=True, poll_interval=0.3, **WHERE)
    def computes(word: str) -> Any:
        import ee

        return ee.Image(ee.Number(len(word)).getInfo())

    computes("{{ var.value.secret_word }}")

    EEImageExportOperator(
        task_id="fails_in_code",
        expression="keeps_secrets.fail",
        expression_kwargs={"word": "{{ var.value.secret_word }}"},
        **WHERE,
    )
    EEImageExportOperator(
        task_id="fails_in_request",
        expression=constant_image(),
        priority="{{ var.value.secret_word }}",
        workload_tag="{{ var.value.secret_word }}!",
        **WHERE,
    )
    for conn_id in (
        "wrong_token",
        "unreachable_key",
        "broken_key",
        "key_for_a_path",
        "key_for_an_emulator",
        "no_json",
    ):
        EEImageExportOperator(
            task_id=f"fails_with_{conn_id}", expression=constant_image(), ee_conn_id=conn_id, **WHERE
        )
