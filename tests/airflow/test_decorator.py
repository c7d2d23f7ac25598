"""``@task.ee_export``: what a function returns is exported, once, with the parameters of the operators."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ee
import pytest
import requests
from airflow.providers.common.compat.sdk import AirflowFailException, task
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS
from client_options import MAKERS, Case
from examples import GRID, constant_image

from airflow_provider_ee.decorators.export import ee_export_task
from airflow_provider_ee.earthengine.expression import request_from_task
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.hooks.earth_engine import EarthEngineHook


@pytest.fixture(autouse=True)
def no_session() -> Any:
    ee.Reset()
    yield
    ee.Reset()


@pytest.fixture
def decorated(run: Any) -> Callable[..., Any]:
    """The operator that a decorated function becomes."""

    def make(function: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
        named = {name: parameters.pop(name) for name in ("ti",) if name in parameters}
        with run.dag:
            operator = task.ee_export(**{"task_id": "export", **parameters})(function)(
                *arguments, **named
            ).operator
        operator.list_grace = ()
        return run.render(operator)

    return make


def body(operator: Any, run: Any) -> dict[str, Any]:
    """The request that a task would send."""
    request: dict[str, Any] = json.loads(operator._request(run.context).body())
    return request


CASES = [
    Case("image.toCloudStorage", {"bucket": "bucket", "fileNamePrefix": "a", "scale": 30, "maxPixels": 1e9}),
    Case("image.toAsset", {"assetId": "projects/p/assets/a", "pyramidingPolicy": {".default": "mode"}}),
    Case("table.toBigQuery", {"table": "p.d.t", "append": True, "selectors": "a,b"}),
    Case("table.toFeatureView", {"assetId": "projects/p/assets/v"}),
    Case("video.toDrive", {"folder": "f", "framesPerSecond": 12}),
    Case("map.toCloudStorage", {"bucket": "bucket", "maxZoom": 5}),
    Case("classifier.toAsset", {"assetId": "projects/p/assets/c", "overwrite": True}),
]


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.usefixtures("connected_emulator")
def test_a_task_of_the_client_is_sent_as_the_client_would(
    decorated: Callable[..., Any], run: Any, case: Case
) -> None:
    sent = body(decorated(case.task), run)
    EarthEngineHook().initialize_ee()
    assert sent == request_from_task(case.task())[1]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_kind_is_submitted_by_the_one_protocol(
    decorated: Callable[..., Any], run: Any, connected_emulator: EarthEngineEmulator, case: Case
) -> None:
    operation = decorated(case.task).execute(run.context)
    kind = case.function.partition(".")[0]
    assert operation["metadata"]["description"].startswith(f"myExport{kind.title()}Task--")
    assert run.ti.xcoms["operation"] == operation["name"]
    log = requests.get(f"{connected_emulator.url}/_emulator/requests").json()["requests"]
    assert [one["method"] for one in log if "export" in one["method"]] == [f"{kind}.export"]


@pytest.mark.parametrize(
    ("function", "parameters", "kind"),
    [
        (MAKERS["image"], {"grid": GRID, "destination": "gs://bucket/a"}, "image"),
        (MAKERS["image"], {"destination": "gs://bucket/a", "tile_options": {"endZoom": 2}}, "map"),
        (MAKERS["video"], {"destination": "gs://bucket/a"}, "video"),
        (MAKERS["video"], {"destination": "gs://bucket/a", "tile_options": {"endZoom": 2}}, "videoMap"),
        (MAKERS["table"], {"destination": "bq://p.d.t", "selectors": ["a"]}, "table"),
        (MAKERS["classifier"], {"destination": "projects/p/assets/c"}, "classifier"),
        (lambda: ee.Image("a").get("b"), {"destination": "gs://bucket/a", "grid": GRID}, "image"),
        (lambda: {"expression": constant_image(), "grid": GRID}, {"destination": "gs://bucket/a"}, "image"),
    ],
)
@pytest.mark.usefixtures("connected_emulator")
def test_an_object_says_of_which_kind_the_export_is(
    decorated: Callable[..., Any], run: Any, function: Any, parameters: dict[str, Any], kind: str
) -> None:
    assert decorated(function, **parameters)._request(run.context).kind == kind


@pytest.mark.parametrize(
    ("function", "parameters", "sentence"),
    [
        (lambda: None, {}, "the function returned None, which cannot be exported"),
        (
            lambda: [Case("image.toDrive").task()],
            {},
            "the function returned a list, but one Airflow task starts one",
        ),
        (lambda: ee.Number(1), {}, "the function returned an ee.Number, which cannot be exported"),
        (
            MAKERS["image"],
            {"destination": "gs://bucket/a", "version": "V1", "tile_options": {}},
            "version is not for the export of an ee.Image; leave it out.",
        ),
        (lambda: ee.Feature(None), {}, "the function returned an ee.Feature, which cannot be exported"),
        (
            lambda: MAKERS["table"](),
            {"grid": GRID},
            "grid is not for the export of an ee.FeatureCollection; leave it out.",
        ),
        (
            lambda: Case("image.toDrive").task(),
            {"destination": "gs://bucket/a"},
            "the ee.batch.Task that the function returned says its own destination; leave it out.",
        ),
        (
            lambda: Case("image.toDrive").task(),
            {"selectors": "a"},
            "selectors is not for the image export that the function returned; leave it out.",
        ),
        (
            lambda: {"expression": Case("image.toDrive").task()},
            {},
            "the function returned an ee.batch.Task in a dict; return the task itself.",
        ),
        (
            lambda: ee.Image("a").get("b"),
            {"destination": "gs://bucket/a"},
            "the function returned a computation that does not say what it is",
        ),
        (
            lambda: MAKERS["image"]().multiply(float("nan")),
            {"destination": "gs://bucket/a"},
            "expression holds a number that JSON cannot",
        ),
    ],
)
def test_what_cannot_be_exported_fails_the_task_with_a_sentence(
    decorated: Callable[..., Any],
    run: Any,
    sent: Callable[[], list[str]],
    function: Any,
    parameters: dict[str, Any],
    sentence: str,
) -> None:
    with pytest.raises(AirflowFailException) as refusal:
        decorated(function, **parameters).execute(run.context)
    assert sentence in str(refusal.value)
    assert not [method for method in sent() if "export" in method]


def test_a_task_that_was_started_is_refused(
    decorated: Callable[..., Any], run: Any, connected_emulator: EarthEngineEmulator
) -> None:
    def start() -> Any:
        export = Case("image.toDrive").task()
        export.start()
        return export

    with pytest.raises(
        AirflowFailException,
        match=r"has been started already as projects/test-project/operations/\w+, which runs on; return it without",
    ):
        decorated(start).execute(run.context)


@pytest.mark.usefixtures("connected_emulator")
def test_what_a_task_leaves_open_comes_from_the_decorator(decorated: Callable[..., Any], run: Any) -> None:
    parameters = {"workload_tag": "team", "priority": 3, "max_pixels": "{{ 5 * 10 }}"}
    sent = body(decorated(Case("image.toDrive", {"scale": 30}).task, **parameters), run)
    assert (sent["workloadTag"], sent["priority"], sent["maxPixels"]) == ("team", 3, "50")


@pytest.mark.usefixtures("connected_emulator")
def test_a_function_is_given_its_arguments_rendered_and_the_context(
    decorated: Callable[..., Any], run: Any
) -> None:
    def build(value: str, ds: str, *, ti: Any = None) -> dict[str, Any]:
        assert ti is run.ti
        return {"expression": constant_image(float(value)), "destination": f"gs://bucket/{ds}", "grid": GRID}

    sent = body(decorated(build, "{{ 3 + 4 }}"), run)
    assert sent["fileExportOptions"]["cloudStorageDestination"]["filenamePrefix"] == "2020-01-15"
    assert sent["expression"] == constant_image(7.0)


def test_the_decorator_takes_no_expression(decorated: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="takes no expression; the function returns it"):
        decorated(lambda: None, expression={})


def test_the_function_is_importable_and_typed(run: Any) -> None:
    @ee_export_task(destination="gs://bucket/a", task_id="named")
    def build() -> Any:
        return None

    with run.dag:
        assert build().operator.task_id == "named"
        assert build().operator.custom_operator_name == "@task.ee_export"


def test_flags_are_checked_as_those_of_an_operator(decorated: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="max_eecu_seconds=5 needs a wait"):
        decorated(lambda: None, max_eecu_seconds=5)
    operator = decorated(lambda: None, deferrable=True, max_eecu_seconds=5, poll_interval=20)
    assert (operator.deferrable, operator.wait_for_completion, operator.poll_interval) == (True, True, 20)


@pytest.mark.skipif(not AIRFLOW_V_3_0_PLUS, reason="Airflow 2 refuses this of every decorator")
def test_positional_arguments_leave_the_others_alone(decorated: Callable[..., Any], run: Any) -> None:
    seen = []

    def build(*parts: str, scale: int = 1, ds: str) -> dict[str, Any]:
        seen.append((parts, scale, ds))
        return {"expression": constant_image(), "grid": GRID, "destination": "gs://bucket/a"}

    with run.dag:
        operator = task.ee_export(build)("a", "b", scale=30).operator
    operator._called(run.context)
    assert seen == [(("a", "b"), 30, "2020-01-15")]


@pytest.mark.parametrize(
    ("function", "defaults", "field"),
    [
        (MAKERS["table"], {"max_pixels": 1e9}, None),
        (Case("table.toDrive").task, {"max_pixels": 1e9, "priority": 4}, ("priority", 4)),
        (Case("image.toDrive", {"maxPixels": 5}).task, {"max_pixels": 1e9}, ("maxPixels", "5")),
        (Case("image.toDrive").task, {"max_pixels": 1e9}, ("maxPixels", "1000000000")),
        (MAKERS["image"], {"tile_options": {"endZoom": 3}, "max_pixels": 7}, ("maxPixels", "7")),
        (lambda: {"expression": ee.Image(1), "max_pixels": 8}, {"max_pixels": 7}, ("maxPixels", "8")),
    ],
)
@pytest.mark.usefixtures("connected_emulator")
def test_default_args_are_for_those_that_take_them(
    run: Any, function: Any, defaults: dict[str, Any], field: tuple[str, Any] | None
) -> None:
    defaults = {"destination": "gs://bucket/a", **defaults}
    run = type(run)(default_args=defaults)
    with run.dag:
        operator = task.ee_export(task_id="export")(function)().operator
    request = run.render(operator)._request(run.context)
    assert request.kind in ("image", "table")
    if field:
        assert request.fields()[field[0]] == field[1]


@pytest.mark.usefixtures("connected_emulator")
def test_a_tag_that_code_has_set_is_sent_and_left_to_nobody(decorated: Callable[..., Any], run: Any) -> None:
    def build() -> Any:
        ee.data.setWorkloadTag("team")
        return ee.Image(1)

    where = {"grid": GRID, "destination": "gs://bucket/a"}
    assert body(decorated(build, **where), run)["workloadTag"] == "team"
    assert "workloadTag" not in body(decorated(lambda: ee.Image(1), task_id="other", **where), run)
    assert body(decorated(build, task_id="own", workload_tag="own", **where), run)["workloadTag"] == "own"


def test_an_ee_object_is_not_given_while_the_dag_is_parsed(
    decorated: Callable[..., Any], connected_emulator: EarthEngineEmulator
) -> None:
    EarthEngineHook().initialize_ee()
    image = ee.Image(1)

    def build(image: Any) -> Any:
        return image

    with pytest.raises(
        TypeError, match=r"build is given an ee\.Image while the DAG is parsed; make it in the func"
    ):
        decorated(build, image)


@pytest.mark.usefixtures("connected_emulator")
def test_a_coroutine_is_none(decorated: Callable[..., Any], run: Any) -> None:
    async def build() -> Any:
        return ee.Image(1)

    with pytest.raises(AirflowFailException, match="the function returned a coroutine, which cannot be exported"):
        decorated(build).execute(run.context)


def test_names_of_the_context_may_be_arguments(
    decorated: Callable[..., Any], run: Any, connected_emulator: EarthEngineEmulator
) -> None:
    def build(ti: str) -> dict[str, Any]:
        assert ti == "x"
        return {"expression": constant_image(), "grid": GRID, "destination": "gs://bucket/a"}

    decorated(build, ti="x").execute(run.context)
    assert run.ti is not None
