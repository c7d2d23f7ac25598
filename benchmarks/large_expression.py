"""A graph of 10,000 nodes, from the argument of an operator to the bytes that are sent."""

from __future__ import annotations

import gc
import json
import statistics
import sys
from time import perf_counter
from typing import Any

from airflow.providers.common.compat.sdk import DAG, timezone

from airflow_provider_ee.operators.export import EEImageExportOperator

NODES = 10_000
ROUNDS = 15


def graph(name: str, nodes: int = NODES) -> dict[str, Any]:
    """About 1.5 MB: a chain of sums, as a client writes it, which loads an asset."""
    arguments = {"id": {"constantValue": name}}
    values: dict[str, Any] = {
        "0": {"functionInvocationValue": {"functionName": "Image.load", "arguments": arguments}}
    }
    for index in range(1, nodes):
        arguments = {
            "image1": {"valueReference": str(index - 1)},
            "image2": {"valueReference": "0"} if index % 2 else {"constantValue": index + 0.123456789},
        }
        values[str(index)] = {"functionInvocationValue": {"functionName": "Image.add", "arguments": arguments}}
    return {"result": str(nodes - 1), "values": values}


def seconds(given: str | dict[str, Any]) -> tuple[float, float]:
    """What the way of an expression takes, and `json.loads` with `json.dumps` of the same text."""
    with DAG("dag", schedule=None, start_date=timezone.datetime(2020, 1, 1)):
        export = EEImageExportOperator(task_id="export", expression=given, destination="gs://bucket/prefix")
    gc.disable()  # else whoever comes first pays for the other's objects
    start = perf_counter()
    export.render_template_fields({"ds": "2020-01-15"})
    export._request({}).body()
    ours = perf_counter() - start
    start = perf_counter()
    json.dumps(json.loads(export.expression))
    plain = perf_counter() - start
    gc.enable()
    return ours, plain


def main() -> bool:
    """Print the table; tells whether the promises hold."""
    holds = True
    print(
        f"An expression of {NODES} nodes, {len(json.dumps(graph('a'))) / 1e6:.2f} MB (median of {ROUNDS} rounds)"
    )
    cases = (
        ("text without Jinja", json.dumps(graph("asset/20200115")), 3),
        ("text with Jinja", json.dumps(graph("asset/{{ ds }}")), 6),
        ("dict with Jinja", graph("asset/{{ ds }}"), 6),
    )
    for name, given, promised in cases:
        rounds = [seconds(given) for _ in range(ROUNDS)]
        ratio = statistics.median(ours / plain for ours, plain in rounds)
        ours, plain = (statistics.median(column) * 1000 for column in zip(*rounds, strict=True))
        print(
            f"  {name:18} rendered, checked, serialised {ours:6.1f} ms; json.loads + json.dumps {plain:5.1f} ms; ",
            end="",
        )
        print(f"{ratio:.2f} times (promised: at most {promised})")
        holds &= ratio <= promised
    return holds


if __name__ == "__main__":
    sys.exit(not main())
