"""The code in the README runs as it is written."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

README = Path(__file__).parents[2] / "README.md"


def test_the_blocks_of_python_run_one_after_the_other() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 5
    # Airflow 2.11 has these elsewhere, as the README says.
    text = "\n".join(blocks).replace("from airflow.sdk import", "from airflow.providers.common.compat.sdk import")
    names: dict[str, object] = {}
    with DAG("readme", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        exec(compile(text, str(README), "exec"), names)  # what we wrote ourselves
    assert names["switzerland"].pixel_count > 9e8  # type: ignore[attr-defined]
    assert set(dag.task_ids) == {"export", "export_tile"}
