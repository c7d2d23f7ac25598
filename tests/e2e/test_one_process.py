"""``dag.test()``: a deferrable task in the process of whoever writes the DAG."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from play import Play

pytestmark = [pytest.mark.e2e]

PROGRAM = """
import sys
from airflow.utils.db import initdb
initdb()
from dag_bag import stored
run = stored(sys.argv[1])["one_process"].test()
print("ended:", run.state, [ti.state for ti in run.get_task_instances()])
"""


def test_dag_test_waits_for_the_export(play: Play) -> None:
    home = Path(tempfile.mkdtemp(dir=play.cluster.home))
    # In the database of the others a scheduler would run the task, too.
    environment = {
        **play.cluster.environment,
        "PYTHONPATH": f"{play.cluster.environment['PYTHONPATH']}{os.pathsep}{Path(__file__).parents[1]}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    play.service.end_after(3, "one-process")
    command = [sys.executable, "-c", PROGRAM, environment["AIRFLOW__CORE__DAGS_FOLDER"]]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert "ended: success ['success']" in finished.stdout, (finished.stdout + finished.stderr)[-4000:]
    assert [export.seen for export in play.service.exports("one-process")] == ["SUCCEEDED"]
