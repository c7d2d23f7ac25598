"""What an author writes is rendered, checked and sent as one request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, BaseOperator
from examples import GRID, constant_image

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.operators.export import EEImageExportOperator
from airflow_provider_ee.operators.templated_expression import ExpressionKind


def build(run: Any, **arguments: Any) -> EEImageExportOperator:
    defaults = {"expression": constant_image(), "destination": "gs://bucket/prefix", "grid": GRID}
    number = len(run.dag.task_ids)
    task_id = f"export-{number}" if number else "export"
    operator = EEImageExportOperator(task_id=task_id, dag=run.dag, **{**defaults, **arguments})
    operator.list_grace = ()
    return operator


def requested(run: Any, **arguments: Any) -> dict[str, Any]:
    """The request that a task would send."""
    operator = run.render(build(run, **arguments))
    request: dict[str, Any] = json.loads(operator._request(run.context).body())
    return request


def add(first: int, second: int = 0) -> dict[str, Any]:
    """An expression that a function builds."""
    return constant_image(first + second)


def as_text(value: int) -> str:
    return json.dumps(constant_image(value))


def test_the_operation_is_returned_and_the_destination_is_told(
    run: Any, connected_emulator: EarthEngineEmulator
) -> None:
    operation = run(build(run))
    assert operation["name"].startswith("projects/test-project/operations/")
    assert operation["metadata"]["state"] == "PENDING"
    assert re.fullmatch(r"dag-export--[a-z0-9]{10}-0-0", operation["metadata"]["description"])
    told = {key: value for key, value in run.ti.xcoms.items() if not key.startswith("_link_")}
    assert told == {"destination": "gs://bucket/prefix", "operation": operation["name"]}


def test_a_task_that_is_rendered_once_more_keeps_its_expression(run: Any, tmp_path: Any) -> None:
    (tmp_path / "seven.json").write_text(json.dumps(constant_image()).replace("7", "{{ params.value }}"))
    run.dag.template_searchpath = [str(tmp_path)]
    run.context["params"] = {"value": 7}
    operator = run.render(build(run, expression="seven.json"))
    once = operator.expression
    assert json.loads(once) == constant_image()
    assert run.render(operator).expression == once


def test_every_argument_is_rendered(run: Any, sent: Any) -> None:
    run.context["params"] = {"value": 7, "grid": GRID, "cog": True, "chain": "robot@p.iam.gserviceaccount.com"}
    request = requested(
        run,
        expression=json.dumps(constant_image()).replace("7", "{{ params.value }}"),
        destination="gs://bucket/{{ ds_nodash }}/",
        description="NDVI {{ ds }}",
        grid="{{ params.grid | tojson }}",
        max_pixels="{{ 10 ** 9 }}",
        request_id="id-{{ ds }}",
        workload_tag="tag-{{ ds_nodash }}",
        priority="{{ 100 + 1 }}",
        file_export_options={"geoTiffOptions": {"cloudOptimized": "{{ params.cog }}"}},
    )
    assert request == {
        "expression": constant_image(),
        "description": "NDVI-2020-01-15",
        "maxPixels": "1000000000",
        "grid": {**GRID, "affineTransform": {"shearX": 0.0, "shearY": 0.0, **GRID["affineTransform"]}},
        "requestId": "id-2020-01-15",
        "workloadTag": "tag-20200115",
        "priority": 101,
        "fileExportOptions": {
            "fileFormat": "GEO_TIFF",
            "cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "20200115/"},
            "geoTiffOptions": {"cloudOptimized": True},
        },
    }


def test_a_description_names_the_files_where_nothing_else_does(run: Any) -> None:
    request = requested(run, destination="gs://bucket", description="NDVI {{ ds }}")
    assert request["fileExportOptions"]["cloudStorageDestination"]["filenamePrefix"] == "NDVI-2020-01-15"


def test_a_pixel_grid_may_be_given_as_it_is(run: Any) -> None:
    grid = PixelGrid.from_bounds("EPSG:32719", 10, (600000, 4699820, 600300, 4700020))
    assert requested(run, grid=grid)["grid"] == grid.to_rest()


@pytest.mark.parametrize("native", [False, True])
def test_native_rendering_changes_nothing_that_counts(run: Any, native: bool) -> None:
    run = type(run)(render_template_as_native_obj=native)
    run.context["params"] = {"value": 7}
    request = requested(
        run,
        expression=json.dumps(constant_image()).replace("7", "{{ params.value }}"),
        max_pixels="{{ 1000000 }}",
        priority="{{ 5 }}",
        grid=json.dumps(GRID),
        file_export_options={"geoTiffOptions": {"cloudOptimized": "{{ true }}"}},
    )
    assert request["expression"] == constant_image()
    assert (request["maxPixels"], request["priority"]) == ("1000000", 5)


def test_a_date_that_became_a_number_is_refused(run: Any, sent: Any) -> None:
    run = type(run)(render_template_as_native_obj=True)
    with pytest.raises(
        AirflowFailException,
        match="description must be text, not the number 20200115; where rendering made it one",
    ):
        run(build(run, description="{{ ds_nodash }}"))


@pytest.mark.parametrize(
    ("expression", "arguments"),
    [
        (add, {"first": 5, "second": "{{ 1 + 1 }}"}),
        ("test_export_operator.as_text", {"value": "{{ 3 + 4 }}"}),
    ],
)
def test_a_function_is_called_when_the_task_runs(
    run: Any, connected_emulator: EarthEngineEmulator, expression: Any, arguments: dict[str, Any]
) -> None:
    run = type(run)(render_template_as_native_obj=True)
    assert requested(run, expression=expression, expression_kwargs=arguments)["expression"] == constant_image(7)


def test_a_function_is_not_called_while_the_dag_is_parsed_or_rendered(run: Any) -> None:
    def explode() -> None:
        raise AssertionError("called too early")

    operator = run.render(build(run, expression=explode))
    assert operator.expression is None


def test_a_template_file_beside_the_dag_is_rendered(run: Any, tmp_path: Path) -> None:
    (tmp_path / "constant.json").write_text(json.dumps(constant_image()).replace("7", "{{ params.value }}"))
    run = type(run)(template_searchpath=str(tmp_path))
    run.context["params"] = {"value": 9, "name": "constant"}
    for path in ("constant.json", "{{ params.name }}.json"):
        assert requested(run, expression=path)["expression"] == constant_image(9)


def test_the_words_json_and_gs_elsewhere_mean_nothing(run: Any) -> None:
    request = requested(run, destination="gs://bucket/region.json", workload_tag="a")
    assert request["fileExportOptions"]["cloudStorageDestination"]["filenamePrefix"] == "region.json"


@pytest.mark.parametrize("text", ["{% raw %}x.json{% endraw %}", "{{ params.path }}"])
def test_rendered_text_is_never_a_path(run: Any, tmp_path: Path, sent: Any, text: str) -> None:
    (tmp_path / "x.json").write_text(json.dumps(constant_image()))
    run = type(run)(template_searchpath=str(tmp_path))
    run.context["params"] = {"path": "x.json"}
    with pytest.raises(AirflowFailException, match="never as a path or as code"):
        run(build(run, expression=text))


MARKED = {"result": "0", "values": {"0": {"constantValue": "{{ ds }}"}}}


@pytest.mark.parametrize("how", ["expand", "expand_kwargs"])
def test_what_another_task_returned_is_never_a_template_a_path_or_code(run: Any, tmp_path: Path, how: str) -> None:
    (tmp_path / "x.json").write_text(json.dumps(constant_image()))
    run = type(run)(template_searchpath=str(tmp_path))
    upstream = BaseOperator(task_id="upstream", dag=run.dag).output
    partial = EEImageExportOperator.partial(task_id="export", dag=run.dag, destination="gs://bucket/prefix")
    mapped = partial.expand(expression=upstream) if how == "expand" else partial.expand_kwargs(upstream)
    for value in ("x.json", "os.getcwd", "{{ ds }}", MARKED, "{% raw %}"):
        operator = mapped.unmap({"expression": value})
        operator._do_render_template_fields(
            operator, operator.template_fields, run.context, operator.get_template_env(), set()
        )
        kept = value if isinstance(value, str) else json.dumps(value)
        assert operator.expression == kept
        assert operator._kind_of_expression() is ExpressionKind.DATA


@pytest.mark.parametrize("how", ["expand", "expand_kwargs", "partial"])
def test_what_the_author_maps_over_means_what_it_says(
    run: Any, connected_emulator: EarthEngineEmulator, tmp_path: Path, how: str
) -> None:
    (tmp_path / "x.json").write_text(json.dumps(constant_image(8)).replace("8", "{{ ds_nodash }}"))
    run = type(run)(template_searchpath=str(tmp_path))
    dotted_path = "test_export_operator.twenty_twenty"
    literals = ["x.json", dotted_path, twenty_twenty, json.dumps(constant_image(20200115))]
    for number, literal in enumerate(literals):
        given = {"expression": literal} if how == "partial" else {"destination": "gs://bucket/prefix"}
        partial = EEImageExportOperator.partial(task_id=f"export-{number}", dag=run.dag, **given)
        if how == "partial":
            mapped = partial.expand(destination=["gs://bucket/prefix"])
        elif how == "expand":
            mapped = partial.expand(expression=[literal])
        else:
            mapped = partial.expand_kwargs([{"expression": literal}])
        expanded = mapped.expand_input.value
        (values,) = expanded if how == "expand_kwargs" else [{name: value for name, (value,) in expanded.items()}]
        operator = mapped.unmap(values)
        operator._do_render_template_fields(
            operator, operator.template_fields, run.context, operator.get_template_env(), set()
        )
        assert operator._request(run.context).expression == constant_image(20200115)


def twenty_twenty() -> dict[str, Any]:
    return constant_image(20200115)


def test_strings_of_a_dict_are_rendered_within_themselves(run: Any) -> None:
    """Quotes in a template and in what fills it change neither the JSON nor the graph."""
    run.context["params"] = {"x": 'a "b", "extra": {}\n\\n'}
    graph = {"result": "0", "values": {"0": {"constantValue": '{{ params["x"] }}'}}}
    sent = requested(run, expression=graph)["expression"]
    assert sent == {"result": "0", "values": {"0": {"constantValue": run.context["params"]["x"]}}}


def test_brackets_of_a_dict_are_not_delimiters(run: Any) -> None:
    run = type(run)(jinja_environment_kwargs={"variable_start_string": "[[", "variable_end_string": "]]"})
    graph = {"result": "0", "values": {"0": {"constantValue": [[1, 2], [3, "[[ ds ]]"]]}}}
    sent = requested(run, expression=graph)["expression"]
    assert sent["values"]["0"] == {"constantValue": [[1, 2], [3, "2020-01-15"]]}


def test_text_is_rendered_as_text_where_all_else_is_native(run: Any) -> None:
    run = type(run)(render_template_as_native_obj=True)
    text = '{"result": "0", "values": {"0": {"constantValue": "a\\/b {{ ds }}"}}}'
    assert requested(run, expression=text)["expression"]["values"]["0"] == {"constantValue": "a/b 2020-01-15"}


@pytest.mark.parametrize("unset", ["", "{{ params.get('x', '') }}"])
def test_a_template_that_yields_nothing_leaves_the_field_out(run: Any, unset: str) -> None:
    fields = ("request_id", "workload_tag", "priority", "max_pixels", "description", "grid", "file_export_options")
    request = requested(run, **dict.fromkeys(fields, unset))
    assert set(request) == {"expression", "description", "fileExportOptions"}


@pytest.mark.parametrize("field", ["request_id", "workload_tag", "description", "destination", "grid", "priority"])
def test_the_text_none_is_refused(run: Any, sent: Any, field: str) -> None:
    with pytest.raises(AirflowFailException, match=f"{field} is 'None' after rendering; the template is empty"):
        run(build(run, **{field: "{{ params.get('x') }}"}))


def test_a_dict_is_kept_as_text_from_the_start(run: Any) -> None:
    assert build(run).expression == json.dumps(constant_image())


def test_expressions_without_templates_are_not_parsed_by_jinja(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jinja2.Environment.from_string", lambda *_: pytest.fail("parsed"))
    operator = build(run, destination=None, grid=None, ee_conn_id="")
    assert run.render(operator).expression == json.dumps(constant_image())


@pytest.mark.parametrize(
    ("fault", "retried", "sentence"),
    [
        ({"status": 503}, True, "was refused: The service is currently unavailable; try again later."),
        ({"drop": True}, True, "image.export got no answer from http://127.0.0.1"),
        ({"status": 400, "message": "Bad."}, False, "was refused: Bad; correct the request."),
        ({"status": 403, "message": "No."}, False, "grant the caller roles/earthengine.writer"),
        ({"status": 404, "message": "No project."}, False, "was refused: No project; check its spelling"),
    ],
)
def test_a_refusal_fails_the_task_in_the_way_that_fits(
    run: Any, connected_emulator: EarthEngineEmulator, fault: dict[str, Any], retried: bool, sentence: str
) -> None:
    faults = f"{connected_emulator.url}/_emulator/faults"
    requests.post(faults, json={"method": "image.export", **fault}).raise_for_status()
    with pytest.raises(AirflowException) as failure:
        run(build(run))
    assert sentence in str(failure.value)
    assert isinstance(failure.value, AirflowFailException) is not retried
    assert requests.get(faults).json()["faults"][0]["fired"] == 1


def test_one_request_is_sent(run: Any, sent: Callable[[], list[str]]) -> None:
    run(build(run))
    assert sent() == ["image.export"]


def test_a_subclass_adds_to_the_fields_of_its_kind(run: Any) -> None:
    class Tile(EEImageExportOperator):
        template_fields = (*EEImageExportOperator.template_fields, "tile")
        template_fields_renderers = {"expression": "py"}

        def __init__(self, *, tile: str, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.tile = tile

    class Named(Tile):
        kind = "image"

    for operator_class in (Tile, Named):
        operator = operator_class(task_id=operator_class.__name__, dag=run.dag, expression="{}", tile="{{ ds }}")
        assert run.render(operator).tile == "2020-01-15"
        assert operator.template_fields_renderers["expression"] == "py"
        assert operator.template_fields_renderers["grid"] == "json"
        assert "tile" not in operator.request_parameters


def test_a_group_may_be_mapped_over_expressions(run: Any) -> None:
    from airflow.providers.common.compat.sdk import task_group

    with run.dag:

        @task_group
        def group(graph: Any) -> None:
            EEImageExportOperator(task_id="whole", expression=graph, grid=GRID, destination="gs://bucket/a")
            EEImageExportOperator(task_id="part", expression={"a": graph}, grid=GRID, destination="gs://bucket/b")

        group.expand(graph=[constant_image(1), constant_image(2)])
    assert {"group.whole", "group.part"} <= set(run.dag.task_ids)


@pytest.mark.parametrize("field", ["project_id", "impersonation_chain", "ee_conn_id"])
def test_the_text_none_names_nothing(run: Any, connected_emulator: EarthEngineEmulator, field: str) -> None:
    with pytest.raises(AirflowFailException, match=f"{field} is 'None' after rendering; the template is empty"):
        run(build(run, **{field: "{{ none }}"}))
