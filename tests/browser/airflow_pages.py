"""The pages of Airflow 3, and what a user does there: by the roles and labels that a user sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect
from witness import Witness

PATIENCE = 90_000.0
"""Milliseconds; the machine may be busy."""

expect.set_options(timeout=PATIENCE)


class AirflowPages:
    """One user's browser, on Airflow's first page.

    :param page: in which Airflow is looked at.
    """

    def __init__(self, page: Page, url: str, witness: Witness) -> None:
        self.page, self.witness = page, witness
        page.set_default_timeout(PATIENCE)
        page.goto(url)

    def look(self, picture: str = "") -> None:
        """Remember what is seen now."""
        self.witness.look_at(self.page, picture)

    def tab(self, name: str) -> None:
        """Choose a tab of the page."""
        self.page.get_by_role("link", name=name, exact=True).click()

    def follow(self, link: str) -> str:
        """Follow a link that leads away from Airflow, in a window of its own; the address that is asked for."""
        with self.page.expect_popup() as opened:
            self.page.get_by_role("link", name=link, exact=True).click()
        opened.value.wait_for_load_state()
        address: str = opened.value.url
        opened.value.close()
        return address

    def scroll_to(self, text: str) -> None:
        """Bring a text into view."""
        self.page.get_by_text(text, exact=True).first.scroll_into_view_if_needed()

    def sees(self, text: str) -> None:
        """Wait for a text."""
        expect(self.page.get_by_text(text).first).to_be_visible()


class ConnectionsPage:
    """Admin, Connections."""

    def __init__(self, pages: AirflowPages) -> None:
        self._pages, self._page = pages, pages.page
        self._page.get_by_role("button", name="Admin").click()
        self._page.get_by_role("menuitem", name="Connections").click()

    def add(self, conn_id: str, connection_type: str) -> ConnectionForm:
        """The empty form of a type."""
        self._page.get_by_role("button", name="Add Connection").first.click()
        form = ConnectionForm(self._page)
        form.dialog.get_by_label("Connection ID").fill(conn_id)
        form.dialog.get_by_role("combobox", name="Connection Type").fill(connection_type)
        self._page.get_by_role("option", name=connection_type, exact=True).click()
        form.show_extra_fields()
        return form

    def edit(self, conn_id: str) -> ConnectionForm:
        """The form of a connection that is there."""
        self._row(conn_id).get_by_role("button", name="Edit Connection").click()
        form = ConnectionForm(self._page)
        form.show_extra_fields()
        return form

    def test(self, conn_id: str) -> dict[str, Any]:
        """Press the button that tests a connection; what Airflow answers."""
        address = "**/connections/test"
        self._page.route(address, _send_no_port_where_there_is_none)
        with self._page.expect_response(address) as answered:
            self._row(conn_id).get_by_role("button", name="Test Connection").click()
        self._page.unroute(address)
        answer: dict[str, Any] = answered.value.json()
        return answer

    def _row(self, conn_id: str) -> Locator:
        return self._page.get_by_role("row").filter(has_text=conn_id)


def _send_no_port_where_there_is_none(route: Route) -> None:
    """Airflow 3.3.1 and 3.3.2 test a connection that has no port as one with port 0, and refuse it for that.

    See https://github.com/apache/airflow/pull/73298.
    """
    body = route.request.post_data_json
    route.continue_(post_data=json.dumps({**body, "port": body.get("port") or None}))


class ConnectionForm:
    """The form of a connection, opened."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.dialog = page.get_by_role("dialog")

    def show_extra_fields(self) -> None:
        """Unfold the fields of the type."""
        self.dialog.get_by_role("button", name="Extra Fields", exact=True).click()
        # Unfolding takes a moment, and what is typed meanwhile may be lost.
        expect(self.dialog.get_by_role("button", name="Extra Fields", exact=True)).to_have_attribute(
            "aria-expanded", "true"
        )

    def group(self, label: str) -> Locator:
        """A field with its label and its description."""
        return self.dialog.get_by_role("group").filter(has=self._page.get_by_text(label, exact=True))

    def field(self, label: str) -> Locator:
        """Where something is typed in."""
        return self.group(label).get_by_role("textbox")

    def fill(self, values: Mapping[str, str]) -> None:
        """Type in values, by label."""
        for label, value in values.items():
            self.field(label).fill(value)

    def scroll_up(self) -> None:
        """Go back to where it begins."""
        self.dialog.get_by_role("heading").scroll_into_view_if_needed()

    def save(self) -> None:
        """Save, and wait until that is done."""
        self.dialog.get_by_role("button", name="Save").click()
        expect(self.dialog).to_be_hidden()


class DagPage:
    """The page of a DAG."""

    def __init__(self, pages: AirflowPages, dag_id: str) -> None:
        self._page = pages.page
        self._page.get_by_role("link", name="Dags", exact=True).click()
        self._page.get_by_role("link", name=dag_id, exact=True).click()
        expect(self._page.get_by_role("heading", name=dag_id)).to_be_visible()

    def trigger(self, date: str) -> RunPage:
        """Start a run for a date (YYYY-MM-DD), and unpause the DAG."""
        page = self._page
        page.get_by_role("button", name="Trigger Dag", exact=True).click()
        form = page.get_by_role("dialog").filter(has=page.get_by_role("heading", name="Trigger Dag"))
        # Airflow shows the date as a text, which a click turns into fields.
        form.get_by_role("group").filter(has_text="Logical Date").get_by_role("paragraph").click()
        page.get_by_role("textbox", name="Logical Date").fill(date.replace("-", "/"))
        page.get_by_placeholder("HH:mm").fill("00:00")
        page.get_by_placeholder("HH:mm").press("Enter")
        expect(form.get_by_role("checkbox", name="Unpause")).to_be_checked()
        form.get_by_role("button", name="Trigger").click()
        page.wait_for_url("**/runs/*")
        return RunPage(page)


class RunPage:
    """The page of a DAG run."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def task(self, task_id: str) -> TaskPage:
        """The page of one of its tasks."""
        self._page.get_by_role("row").get_by_role("link", name=task_id, exact=True).click()
        return TaskPage(self._page)


class AssetPage:
    """The page of an asset."""

    def __init__(self, pages: AirflowPages, uri: str) -> None:
        self._page = pages.page
        self._page.get_by_role("link", name="Assets", exact=True).click()
        self._page.get_by_role("link", name=uri, exact=True).click()

    def is_between(self, *dag_ids: str) -> None:
        """Wait until the graph shows these DAGs."""
        for dag_id in dag_ids:
            expect(self._page.get_by_test_id("rf__wrapper").get_by_text(dag_id, exact=True)).to_be_visible()


class TaskPage:
    """The page of a task instance."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def is_in_state(self, state: str) -> None:
        """Wait until the page shows a state; it follows by itself."""
        heading = self._page.get_by_role("heading", level=2)
        expect(heading.locator("xpath=..").get_by_text(state, exact=True).first).to_be_visible()
