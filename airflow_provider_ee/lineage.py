"""What OpenLineage is told of exports.

Only OpenLineage's own plugin asks for it, so nothing here is loaded where that is not installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.openlineage.facet import Dataset, ExternalQueryRunFacet, RunFacet
from airflow.providers.common.compat.sdk import Asset
from airflow.providers.openlineage.extractors import OperatorLineage
from attr import define, field

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator

    from airflow_provider_ee.earthengine.exported import Exported
    from airflow_provider_ee.earthengine.operation import Operation

FACET = "earthEngine"
"""The name of the run facet."""

_SOURCE = "earthengine"


@define
class EarthEngineRunFacet(RunFacet):
    """What Earth Engine did in a run.

    :param operations: name, state and EECU-seconds of each operation that was started or waited for.
    :param eecuSeconds: compute that all of them used, in EECU-seconds.
    :param kind: of the export, where the run started one: ``image``, ``table``, …
    :param pixelCount: of its grid, where the request says how large that is.
    :param expressionHash: SHA-256 of its expression as sent.
    """

    operations: list[dict[str, Any]] = field(factory=list)
    eecuSeconds: float = field(default=0.0)  # noqa: N815 (facets are written so)
    kind: str | None = field(default=None)
    pixelCount: int | None = field(default=None)  # noqa: N815
    expressionHash: str | None = field(default=None)  # noqa: N815


def export_lineage(
    task: BaseOperator, operations: Sequence[Operation], exported: Exported | None
) -> OperatorLineage[Any, Any]:
    """The lineage of a task: what was read and written, and what Earth Engine did.

    What the author of the DAG names as inlets and outlets is told as well.

    :param operations: that the task has started or waited for.
    :param exported: what it has exported, where it knows that.
    """
    inputs, outputs = _declared(task.inlets), _declared(task.outlets)
    if exported:
        inputs += [dataset_of(name) for name in exported.inputs]
        outputs += [dataset_of(exported.destination)]
    return OperatorLineage(
        inputs=_each_once(inputs), outputs=_each_once(outputs), run_facets=_facets(operations, exported)
    )


def dataset_of(name: str) -> Dataset:
    """The OpenLineage dataset of what is read or written.

    OpenLineage has names for objects and tables. For Earth Engine it has none: the namespace is ``earthengine``,
    the name that of the asset; Drive likewise.

    :param name: as users write it: ``projects/p/assets/name``, ``gs://bucket/prefix``, …
    """
    scheme, separator, rest = name.partition("://")
    if not separator:
        return Dataset(namespace=_SOURCE, name=name)
    if scheme == "gs":
        bucket, _, prefix = rest.partition("/")
        return Dataset(namespace=f"gs://{bucket}", name=prefix or "/")
    return Dataset(namespace={"bq": "bigquery"}.get(scheme, scheme), name=rest)


def _facets(operations: Sequence[Operation], exported: Exported | None) -> dict[str, Any]:
    if not operations and not exported:
        return {}
    facet = EarthEngineRunFacet(
        operations=[{"name": one.name, "state": one.state, "eecuSeconds": one.eecu_seconds} for one in operations],
        eecuSeconds=sum(one.eecu_seconds for one in operations),
        kind=exported.kind if exported else None,
        pixelCount=exported.pixel_count if exported else None,
        expressionHash=exported.expression_hash if exported else None,
    )
    query = {"externalQuery": ExternalQueryRunFacet(externalQueryId=operations[0].name, source=_SOURCE)}
    return {FACET: facet, **(query if len(operations) == 1 else {})}


def _declared(entities: Sequence[Any]) -> list[Dataset]:
    from airflow.providers.openlineage.extractors.manager import ExtractorManager
    from airflow.providers.openlineage.utils.utils import translate_airflow_asset

    converted = (
        # Not known to the manager of older versions.
        translate_airflow_asset(one, None)
        if isinstance(one, Asset)
        else ExtractorManager.convert_to_ol_dataset(one)
        for one in entities
    )
    return [dataset for dataset in converted if dataset]


def _each_once(datasets: Sequence[Dataset]) -> list[Dataset]:
    return list({(dataset.namespace, dataset.name): dataset for dataset in datasets}.values())
