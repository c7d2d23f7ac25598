"""A user connects Airflow to Earth Engine, exports and finds the result, all on Airflow's pages.

The tests are one story, told in this order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from seen_airflow import ASSET_DAG_IDS, DAG_ID, SeenAirflow

from airflow_provider_ee.provider_info import CONNECTION_FIELDS, CONNECTION_NAME, DEFAULT_CONNECTION

if TYPE_CHECKING:
    from airflow_pages import AirflowPages, ConnectionForm, ConnectionsPage, TaskPage

pytestmark = pytest.mark.browser

PROJECT = "demo-project"
WRONG_TOKEN = "mistyped-token"
DESTINATION = "gs://example-bucket/ndvi/20200115"
TASKS_PAGE = f"https://console.cloud.google.com/earth-engine/tasks?project={PROJECT}"
RESULT_PAGE = "https://console.cloud.google.com/storage/browser/example-bucket/ndvi?prefix=20200115"


@pytest.fixture(scope="module")
def connections(pages: AirflowPages) -> ConnectionsPage:
    from airflow_pages import ConnectionsPage

    return ConnectionsPage(pages)


@pytest.fixture(scope="module")
def form(connections: ConnectionsPage) -> ConnectionForm:
    """The form of a new connection."""
    return connections.add(DEFAULT_CONNECTION, CONNECTION_NAME)


@pytest.fixture(scope="module")
def mistyped_connection(airflow: SeenAirflow, pages: AirflowPages, form: ConnectionForm) -> str:
    """A connection that is saved with a wrong token; its id."""
    form.fill({"Project": PROJECT, "API endpoint": airflow.emulator_url})
    form.scroll_up()
    pages.look("connection-form")
    form.fill({"Token": WRONG_TOKEN})
    form.save()
    return DEFAULT_CONNECTION


@pytest.fixture(scope="module")
def connection(airflow: SeenAirflow, connections: ConnectionsPage, mistyped_connection: str) -> str:
    """The connection, with the token corrected."""
    form = connections.edit(mistyped_connection)
    assert form.field("Project").input_value() == PROJECT
    assert form.field("Token").input_value() == "***"
    form.fill({"Token": airflow.token})
    form.save()
    return mistyped_connection


@pytest.fixture(scope="module")
def deferred_task(pages: AirflowPages, connection: str) -> TaskPage:
    """The page of the task, which waits for its export."""
    from airflow_pages import DagPage

    run = DagPage(pages, DAG_ID).trigger("2020-01-15")  # the day of the sample catalog's scene
    task = run.task("export_ndvi")
    task.is_in_state("Deferred")
    return task


@pytest.fixture(scope="module")
def export(airflow: SeenAirflow, deferred_task: TaskPage) -> dict[str, Any]:
    """The operation that it waits for, as the emulator knows it."""
    return airflow.only_export()


@pytest.fixture(scope="module")
def ended_export(airflow: SeenAirflow, export: dict[str, Any]) -> dict[str, Any]:
    """It has succeeded, of which the task hears within half a minute."""
    airflow.end_exports()
    return export


@pytest.fixture(scope="module")
def finished_task(ended_export: dict[str, Any], deferred_task: TaskPage) -> TaskPage:
    """The page of the task, which has heard of it."""
    deferred_task.is_in_state("Success")
    return deferred_task


def test_the_form_asks_for_every_field_and_hides_what_is_secret(form: ConnectionForm) -> None:
    for field in CONNECTION_FIELDS.values():
        label, secret = field["label"], field["schema"].get("format") == "password"
        form.group(label).get_by_text(field["description"]).wait_for()
        kinds = [one.get_attribute("type") for one in form.group(label).locator("input").all()]
        assert ("password" in kinds) is secret, label
    for not_ours in ("Host", "Login", "Password", "Port", "Schema"):
        assert form.group(not_ours).count() == 0


def test_a_connection_that_fails_says_what_mends_it(
    pages: AirflowPages, connections: ConnectionsPage, mistyped_connection: str
) -> None:
    assert connections.test(mistyped_connection)["status"] is False
    pages.sees("check the credentials of the Airflow connection")
    pages.look("connection-test")


def test_a_connection_that_works_says_what_it_reaches(
    pages: AirflowPages, connections: ConnectionsPage, connection: str
) -> None:
    answer = connections.test(connection)
    assert answer["status"] is True, answer
    assert PROJECT in answer["message"]  # which Airflow 3 answers, but does not show
    pages.look()


def test_a_deferred_task_links_to_earth_engine_and_to_its_result(
    pages: AirflowPages, deferred_task: TaskPage
) -> None:
    pages.tab("Details")
    assert pages.follow("Earth Engine Tasks") == TASKS_PAGE
    assert pages.follow("Result") == RESULT_PAGE
    assert pages.witness.asked_elsewhere == [TASKS_PAGE, RESULT_PAGE]
    deferred_task.is_in_state("Deferred")
    pages.look("deferred-task")


def test_the_log_says_what_is_exported_and_waited_for(pages: AirflowPages, ended_export: dict[str, Any]) -> None:
    pages.tab("Logs")
    pages.sees(f"Exporting NDVI-2020-01-15 to {DESTINATION}")
    pages.sees(f"Started operation {ended_export['name']}")
    pages.sees(f"Waiting in the triggerer for operation {ended_export['name']}")
    pages.look()


def test_the_rendered_templates_show_what_was_asked_for(pages: AirflowPages, ended_export: dict[str, Any]) -> None:
    pages.tab("Rendered Templates")
    for text in (DESTINATION, "NDVI 2020-01-15", "Image.normalizedDifference"):
        pages.sees(text)
    pages.scroll_to("expression")
    pages.look("rendered-templates")


def test_a_task_whose_export_has_ended_succeeds(pages: AirflowPages, finished_task: TaskPage) -> None:
    pages.tab("Logs")
    pages.sees("SUCCEEDED")
    pages.look("finished-task")


def test_the_xcoms_hold_the_operation_and_its_destination(
    pages: AirflowPages, finished_task: TaskPage, export: dict[str, Any]
) -> None:
    pages.tab("Storage")
    pages.tab("XCom")
    for text in ("return_value", "operation", export["name"], "destination", DESTINATION):
        pages.sees(text)
    pages.look("xcoms")


def test_an_asset_leads_from_the_dag_that_exports_it_to_the_dag_that_uses_it(pages: AirflowPages) -> None:
    from airflow_pages import AssetPage

    AssetPage(pages, "earthengine://projects/demo-project/assets/vegetation").is_between(*ASSET_DAG_IDS)
    pages.look("asset")


def test_no_page_and_no_answer_holds_a_token(
    airflow: SeenAirflow, pages: AirflowPages, finished_task: TaskPage
) -> None:
    answers = pages.witness.answers()
    for part in ("/api/v2/connections?", "/taskInstances/export_ndvi", "/logs/", "/xcomEntries", "/links"):
        assert [path for path in answers if part in path], f"{part} was not asked for"
    for token in (airflow.token, WRONG_TOKEN):
        assert not [path for path, bodies in answers.items() for body in bodies if token in body]
        assert not [page[:200] for page in pages.witness.shown if token in page]
