"""Runs a DAG as a whole, in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from airflow_provider_ee.testing.dag_bag import parse, store

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import DAG


@dataclass(frozen=True)
class Outcome:
    """How a DAG run has ended."""

    state: str
    """Of the run: ``success`` or ``failed``."""
    tasks: dict[str, str]
    """Of each task: ``{"export": "success", "mapped[0]": "skipped"}``."""
    errors: dict[str, str]
    """What each task that failed for good has failed with."""


class ParsedDag:
    """A DAG as Airflow parses it.

    :param dag: the path of its file, or the DAG.
    :param dag_id: which of the file's.
    :raises ValueError: if the file cannot be imported, or does not say which DAG is meant.
    """

    def __init__(self, dag: DAG | Path | str, dag_id: str | None = None) -> None:
        if isinstance(dag, str | Path):
            path = Path(dag).resolve()
            if not path.is_file():
                raise ValueError(f"There is no file {path}; give the path of one with a DAG, or a DAG.")
            self._bag = _bag(path)
            self._dag: Any = _chosen(self._bag.dags, dag_id, path)
        else:
            self._bag, self._dag = _bag(Path(os.devnull)), dag
            self._bag.dags[dag.dag_id] = dag

    @property
    def connections(self) -> list[str]:
        """The ids of the connections that its tasks of ours name themselves."""
        settings = (getattr(task, "partial_kwargs", task.__dict__) for task in self._dag.tasks)
        names = {each.get("ee_conn_id") for each in settings}
        return [name for name in names if isinstance(name, str) and "{" not in name]

    def run(self, day: str | date | None, conf: Mapping[str, Any] | None, mark_success: str | None) -> Outcome:
        """Run it; see ``EarthEngine.run``."""
        errors: dict[str, str] = {}
        with _prepared(self._dag, errors):
            store(self._bag)
            run = self._dag.test(**_when(day), run_conf=dict(conf or {}), mark_success_pattern=mark_success)
        tasks = sorted(run.get_task_instances(), key=lambda each: (each.task_id, each.map_index))
        return Outcome(
            _text(run.state), {_name(each.task_id, each.map_index): _text(each.state) for each in tasks}, errors
        )


def _bag(path: Path) -> Any:
    """What Airflow makes of a file."""
    if path.is_file() and str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # as Airflow does with the folder of its DAGs
    return parse(path)


def _chosen(dags: Mapping[str, Any], dag_id: str | None, path: Path) -> Any:
    if dag_id is None and len(dags) == 1:
        return next(iter(dags.values()))
    if dag_id is None or dag_id not in dags:
        wanted = "give the dag_id of one" if dag_id is None else f"{dag_id} is not among them"
        raise ValueError(f"The DAGs in {path} are: {', '.join(sorted(dags)) or 'none'}; {wanted}.")
    return dags[dag_id]


@contextmanager
def _prepared(dag: Any, errors: dict[str, str]) -> Iterator[None]:
    """Airflow waits neither between tries nor, in the database, between looks; what fails is remembered."""
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

    def remember(context: Any) -> None:
        ti = context["ti"]
        errors[_name(ti.task_id, ti.map_index)] = str(context.get("exception"))

    with ExitStack() as changes:
        if AIRFLOW_V_3_0_PLUS:
            changes.enter_context(_telling_callbacks_why())
        for task in dag.tasks:
            mapped = getattr(task, "partial_kwargs", None)
            settings = task.__dict__ if mapped is None else mapped
            changed: dict[str, Any] = {
                "retry_delay": timedelta(0),
                "on_failure_callback": [*_listed(settings.get("on_failure_callback")), remember],
            }
            if settings.get("mode") == "reschedule":
                changed["mode"] = "poke"
            if mapped is not None:
                changes.enter_context(mock.patch.dict(mapped, changed))
                continue
            for name, value in changed.items():
                changes.enter_context(mock.patch.object(task, name, value))
        yield


@contextmanager
def _telling_callbacks_why() -> Iterator[None]:
    """From 3.0 to 3.2 Airflow tells them what a task has failed with in its workers, and not in ``dag.test()``."""
    runner = import_module("airflow.sdk.execution_time.task_runner")
    run = runner.run

    def telling_run(ti: Any, context: Any, log: Any) -> Any:
        state, message, error = run(ti, context, log)
        context["exception"] = error
        return state, message, error

    with mock.patch.object(runner, "run", telling_run):
        yield


def _listed(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


def _name(task_id: str, map_index: int) -> str:
    return task_id if map_index < 0 else f"{task_id}[{map_index}]"


def _text(state: Any) -> str:
    return str(getattr(state, "value", state))


def _when(day: str | date | None) -> dict[str, datetime]:
    from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

    if day is None:
        return {}
    if isinstance(day, str):
        day = datetime.fromisoformat(day)
    if not isinstance(day, datetime):
        day = datetime(day.year, day.month, day.day)
    moment = day if day.tzinfo else day.replace(tzinfo=timezone.utc)
    return {"logical_date" if AIRFLOW_V_3_0_PLUS else "execution_date": moment}
