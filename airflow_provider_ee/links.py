"""Links from a task in Airflow's UI to Earth Engine's tasks and to where the result is.

The URLs are pushed as XComs as soon as the operation is known, so that they are there while the task runs or is
deferred; what Airflow does at its end, and what Airflow 2 asks for when a page is shown, reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperatorLink

from airflow_provider_ee.earthengine.pages import result_page, tasks_page
from airflow_provider_ee.reporting import harmless

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

    from airflow_provider_ee.earthengine.operation import Operation


class _PushedLink(BaseOperatorLink):
    """Is what was pushed under its key."""

    @property
    def xcom_key(self) -> str:
        """Where Airflow 3 reads the URL."""
        return f"_link_{type(self).__name__}"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The URL; empty where there is none yet."""
        from airflow.providers.common.compat.sdk import XCom

        return XCom.get_value(ti_key=ti_key, key=self.xcom_key) or ""

    def push(self, ti: Any, url: str) -> None:
        """Show the URL from now on.

        :param ti: the task instance.
        """
        ti.xcom_push(key=self.xcom_key, value=url)


class EETasksLink(_PushedLink):
    """The tasks page of the Cloud project."""

    name = "Earth Engine Tasks"


class EEResultLink(_PushedLink):
    """The bucket's folder, the asset, the table or the Drive folder."""

    name = "Result"


LINKS = (EETasksLink(), EEResultLink())
"""What each task of ours links to."""


@harmless("A link")
def push_links(ti: Any, operations: Sequence[Operation], destination: str = "") -> None:
    """Show the pages of the operations of a task from now on.

    :param ti: the task instance.
    :param operations: of one project; only of a single one a result is shown.
    :param destination: where it writes, as users write it; where that is not known, or has no page before it is
        written, the service says which page shows it once the operation has succeeded.
    """
    if not operations:
        return
    tasks, result = LINKS
    tasks.push(ti, tasks_page(operations[0].name.split("/")[1]))
    told = operations[0].destination_uris if len(operations) == 1 else ()
    if destination and not (told and destination.startswith("drive://")):
        result.push(ti, result_page(destination))
    elif told:
        result.push(ti, told[0])
