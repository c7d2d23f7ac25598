"""Scenarios against a real Airflow: boots one for each backend, plays them, and counts.

A scenario is a test function whose first argument is ``play``. It is played on the backends that it is
parametrised with, at the same time as others; one that is marked ``alone`` is played when they have ended.
A ``conftest.py`` that takes all that is here says which backends, and what an Airflow is (``cluster_type``).
"""

from __future__ import annotations

import shutil
import signal
import time
from typing import Any

import pytest
from backends import known_backends
from cluster import Cluster
from stage import Scenario, Stage
from waiting import interrupted

TAIL = 25  # lines
_terminal: Any = None
_began = time.monotonic()
_stage: Stage | None = None
_played: list[Scenario] = []
_failed = False


@pytest.fixture
def play(request: pytest.FixtureRequest, cluster_type: type[Cluster]) -> Scenario:
    """The scenario of a test, in the cluster of its backend, which is booted for the first one."""
    global _stage
    backend = known_backends()[request.param]
    if backend.missing:
        pytest.skip(backend.missing)
    if _stage is None or _stage.cluster.backend.name != backend.name:
        _close()
        signal.signal(signal.SIGTERM, lambda *_: pytest.exit("asked to end"))  # leaving nothing behind
        _stage = Stage(cluster_type(backend), _say)
        _stage.cluster.boot(_say)
        mine = [item for item in request.session.items if _is_scenario(item) and _backend(item) == backend.name]
        added = [(item, _stage.add(item.name, *_call(item))) for item in mine]
        _stage.start([scenario for item, scenario in added if not _alone(item)])
    if not _stage.scenarios:
        pytest.fail("Airflow could not be booted; the first test of this backend says why")
    return _stage.scenarios[request.node.name]


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for the scenario where it is played already, else play it."""
    if not _is_scenario(pyfuncitem):
        return None
    scenario: Scenario = pyfuncitem.funcargs["play"]
    if _alone(pyfuncitem):
        scenario.run()
    while not scenario.ended.wait(1):
        dead = _stage.cluster.dead() if _stage else []
        assert not dead, f"ended by itself: {', '.join(dead)}"
    _played.append(scenario)
    if scenario.error:
        raise scenario.error
    return True


def pytest_sessionstart(session: pytest.Session) -> None:
    global _terminal
    _terminal = session.config.pluginmanager.get_plugin("terminalreporter")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    global _failed
    _failed |= report.failed


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """A line for each scenario is enough."""
    return (report.outcome, "", "") if report.when == "call" else None


def pytest_terminal_summary() -> None:
    if not _played or not _stage:
        return
    if _failed:
        logs = _stage.cluster.all_logs
        for log in sorted(logs.glob("*/*.log")):
            _terminal.write_line(f"--- {log.relative_to(logs)}, its end")
            _terminal.write_line("\n".join(log.read_text(errors="replace").splitlines()[-TAIL:])[-4000:])
    verdicts = [scenario.verdict for scenario in _played]
    cancelled = sum(len(verdict.healthy_cancelled) for verdict in verdicts)
    orphans = sum(len(verdict.orphans) for verdict in verdicts)
    exports = sum(verdict.exports for verdict in verdicts)
    _terminal.write_line(
        f"{_stage.cluster.kind}: scenarios {len(_played)}, exports {exports}, healthy exports cancelled {cancelled}, "
        f"orphans {orphans} ({time.monotonic() - _began:.0f} s)"
    )


def pytest_sessionfinish() -> None:
    if _stage is None:
        return  # tests of another kind
    interrupted.set()
    _close()
    shutil.rmtree(_stage.cluster.all_homes, ignore_errors=True)
    if not _failed:
        shutil.rmtree(_stage.cluster.all_logs, ignore_errors=True)


def in_order(items: list[pytest.Item], backends: list[str]) -> None:
    """Backend by backend; those that disturb others at the end."""
    items.sort(key=lambda one: (backends.index(_backend(one)), _alone(one)) if _is_scenario(one) else (-1, False))


def _close() -> None:
    if _stage:
        _stage.cluster.close()


def _say(line: str) -> None:
    _terminal.write_line(f"[{time.monotonic() - _began:4.0f} s] {line}")


def _is_scenario(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "play" in item.fixturenames


def _backend(item: Any) -> str:
    return str(item.callspec.params["play"])


def _alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


def _call(item: Any) -> tuple[Any, dict[str, Any]]:
    """The function of a test, and its arguments beside ``play``."""
    return item.obj, {name: value for name, value in item.callspec.params.items() if name != "play"}
