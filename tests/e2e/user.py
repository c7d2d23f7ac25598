"""What a user does in Airflow and sees there, by the REST API of Airflow 3.

A task instance is given by DAG, run and map index; it is called ``task`` in every DAG.
"""

from __future__ import annotations

from typing import Any

from local_airflow import AirflowApi


class ApiUser:
    """A user of the REST API."""

    def __init__(self, api: AirflowApi) -> None:
        self._api = api

    def knows_the_dags(self) -> bool:
        """Whether they are parsed."""
        broken = self._api.ask("GET", "importErrors")["import_errors"]
        assert not broken, broken[0]["stack_trace"]
        return bool(self._api.ask("GET", "dags/sensor_timeout"))

    def triggerers(self) -> set[int]:
        """The ids of all that were ever at work."""
        jobs = self._api.ask("GET", "jobs", job_type="TriggererJob", limit=1000)
        return {job["id"] for job in jobs["jobs"]}

    def start_run(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Start a run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        assert self._api.ask("POST", f"dags/{dag_id}/dagRuns", body), f"no DAG {dag_id}"

    def end_run(self, dag_id: str, run_id: str) -> None:
        """Mark it as failed."""
        self._api.ask("PATCH", f"dags/{dag_id}/dagRuns/{run_id}", {"state": "failed"})

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Delete it."""
        self._api.ask("DELETE", f"dags/{dag_id}/dagRuns/{run_id}")

    def states(self, dag_id: str, run_id: str) -> dict[int, str | None]:
        """The state of each task instance of a run, by map index; none where the run was deleted."""
        found = self._api.ask("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=1000)
        return {one["map_index"]: one["state"] for one in found["task_instances"]} if found else {}

    def task(self, dag_id: str, run_id: str, map_index: int) -> dict[str, Any]:
        """What Airflow says of a task instance."""
        found: dict[str, Any] = self._api.ask("GET", _path(dag_id, run_id, map_index))
        return found

    def mark(self, dag_id: str, run_id: str, map_index: int, state: str) -> None:
        """Mark it as failed, or as success."""
        assert self._api.ask("PATCH", _path(dag_id, run_id, map_index), {"new_state": state})

    def clear(self, dag_id: str, run_id: str, map_index: int) -> None:
        """Clear it."""
        body = {
            "dag_run_id": run_id,
            "task_ids": ["task" if map_index < 0 else ["task", map_index]],
            "dry_run": False,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        cleared = self._api.ask("POST", f"dags/{dag_id}/clearTaskInstances", body)
        assert cleared["total_entries"] == 1, cleared

    def xcom(self, dag_id: str, run_id: str, map_index: int, key: str) -> Any:
        """What it pushed; None where it has not."""
        path = f"{_path(dag_id, run_id)}/xcomEntries/{key}"
        found = self._api.ask("GET", path, map_index=map_index, deserialize=True)
        return found["value"] if found else None

    def log(self, dag_id: str, run_id: str, map_index: int, try_number: int) -> str:
        """What the log page shows of a try."""
        path = f"{_path(dag_id, run_id)}/logs/{try_number}"
        found = self._api.ask("GET", path, map_index=map_index, full_content=True)
        return "\n".join(str(line.get("event", line)) for line in found["content"]) if found else ""


def _path(dag_id: str, run_id: str, map_index: int = -1) -> str:
    index = f"/{map_index}" if map_index >= 0 else ""
    return f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/task{index}"
