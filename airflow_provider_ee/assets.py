"""What exports read and write as Airflow assets (datasets on Airflow 2), and ``earthengine://`` among them.

An Earth Engine asset is ``earthengine://projects/PROJECT/assets/NAME``. Objects and tables have the URIs that
Airflow's Google provider knows: ``gs://bucket/object``, ``bigquery://project/dataset/table``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_ee.reporting import harmless

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.common.compat.sdk import Asset, BaseHook, BaseOperator, Context

    from airflow_provider_ee.earthengine.exported import Exported
    from airflow_provider_ee.earthengine.operation import Operation

SCHEME = "earthengine"


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Check an ``earthengine://`` URI, as Airflow asks for it.

    :raises ValueError: if it does not name an asset.
    """
    name = f"{uri.netloc}{uri.path}"
    if not re.fullmatch(r"projects/[^/\s]+/(locations/[^/\s]+/)?assets/\S*[^\s/]", name) or uri.query:
        raise ValueError(
            f"The URI {uri.geturl()!r} names no Earth Engine asset; write {SCHEME}://projects/PROJECT/assets/NAME."
        )
    return uri


def create_asset(*, name: str, extra: dict[str, Any] | None = None) -> Asset:
    """The Airflow asset for an Earth Engine asset.

    :param name: ``projects/PROJECT/assets/NAME``.
    :param extra: of the Airflow asset.
    """
    from airflow.providers.common.compat.sdk import Asset

    return Asset(uri=f"{SCHEME}://{name}", extra=extra)


def convert_asset_to_openlineage(asset: Asset, lineage_context: Any) -> Dataset:
    """The OpenLineage dataset for an asset with an ``earthengine://`` URI."""
    from airflow_provider_ee.lineage import dataset_of

    return dataset_of(asset.uri.partition("://")[2])


def asset_uri(dataset: str) -> str | None:
    """The URI of what is read or written; None for Drive, which no URI is known for.

    :param dataset: as users write it: ``projects/p/assets/name``, ``gs://bucket/object``,
        ``bq://project.dataset.table``.
    """
    scheme, separator, rest = dataset.partition("://")
    if not separator:
        return f"{SCHEME}://{dataset}"
    if scheme == "bq":
        return f"bigquery://{'/'.join(rest.rsplit('.', 2))}"
    return dataset if scheme == "gs" else None


@harmless("An asset event")
def tell_outlets(
    task: BaseOperator, context: Context, operations: Sequence[Operation], *, destination: str = ""
) -> None:
    """Give the asset events of a task the operations and what they wrote.

    An outlet that is an asset gets them as the extra of its event. One that is an alias gets an event of the
    destination's asset, once that is written.

    :param operations: that the task has started or waited for.
    :param destination: as users write it, where the task knows it.
    """
    outlets = getattr(task, "outlets", None)
    events: Any = context.get("outlet_events")
    if not outlets or events is None or not operations:
        return
    from airflow.providers.common.compat.sdk import Asset, AssetAlias

    extra = _extra(operations, destination)
    uri = asset_uri(destination) if destination else None
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            if uri and all(operation.state == "SUCCEEDED" for operation in operations):
                events[outlet].add(Asset(uri=uri), extra=extra)
        elif isinstance(outlet, Asset):
            events[outlet].extra.update(extra)


@harmless("The lineage of an export")
def collect_lineage(hook: BaseHook, exported: Exported) -> None:
    """Tell Airflow's collector of hooks' lineage what an export reads and writes, for tasks that are not ours."""
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    collector = get_hook_lineage_collector()
    for add, names in (
        (collector.add_input_asset, exported.inputs),
        (collector.add_output_asset, [exported.destination]),
    ):
        for uri in filter(None, map(asset_uri, names)):
            with suppress(ValueError):  # what an expression names need not be fit for a URI
                add(context=hook, uri=uri)


def _extra(operations: Sequence[Operation], destination: str) -> dict[str, Any]:
    told = [_told(operation) for operation in operations]
    where: Mapping[str, Any] = {"destination": destination} if destination else {}
    return {**where, **(told[0] if len(told) == 1 else {"operations": told})}


def _told(operation: Operation) -> dict[str, Any]:
    return {
        "operation": operation.name,
        "state": operation.state,
        "destination_uris": operation.destination_uris,  # no list: Airflow 2 hashes the extra of an alias
        "eecu_seconds": operation.eecu_seconds,
    }
