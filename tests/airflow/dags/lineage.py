"""One export to an asset, waited for in the triggerer, and what comes of it."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias

from airflow_provider_ee.operators.export import EEImageExportOperator

LOAD = {"functionName": "Image.load", "arguments": {"id": {"constantValue": "COPERNICUS/S2_SR_HARMONIZED/a"}}}

with DAG("lineage", schedule=None, start_date=datetime(2020, 1, 1), default_args={"retries": 0}):
    EEImageExportOperator(
        task_id="export",
        expression={"result": "0", "values": {"0": {"functionInvocationValue": LOAD}}},
        destination="projects/p/assets/made/{{ ds_nodash }}",
        deferrable=True,
        poll_interval=0.3,
        outlets=[Asset("earthengine://projects/p/assets/made"), AssetAlias("day")],
    )
