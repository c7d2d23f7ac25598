"""What a computation reads: assets, objects in Cloud Storage and tables in BigQuery.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/Expression,
https://developers.google.com/earth-engine/reference/rest/v1/projects.assets (names)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_provider_ee.earthengine.graph import Expression

_ASSET = re.compile(r"projects/[^/]+/(locations/[^/]+/)?assets/.+")


def asset_name(identity: str) -> str:
    """The full name of an asset; ids like ``COPERNICUS/S2`` and ``users/me/a`` leave out the project."""
    if _ASSET.fullmatch(identity):
        return identity
    owner = "legacy" if identity.startswith(("users/", "projects/")) else "public"
    return f"projects/earthengine-{owner}/assets/{identity}"


def datasets_read(expression: Expression) -> list[str]:
    """Each dataset that an expression loads by a name that stands in it, once, in the order of the graph.

    Assets by their full names; others as ``gs://bucket/object`` and ``bq://project.dataset.table``. What is loaded
    by a name that the service computes is not known.
    """
    values = expression["values"]
    found = (_dataset(call, values) for node in values.values() for call in _calls(node))
    return list(dict.fromkeys(name for name in found if name))


_LOADERS: dict[str, tuple[str, Callable[[str], str]]] = {
    "Image.load": ("id", asset_name),
    "ImageCollection.load": ("id", asset_name),
    "Collection.loadTable": ("tableId", asset_name),
    "Classifier.load": ("id", asset_name),
    "Image.loadGeoTIFF": ("uri", str),
    "FeatureCollection.loadBigQueryTable": ("table", "bq://{}".format),
}
"""Each function that loads something, which argument names that, and what its name is in full."""


def _dataset(call: Mapping[str, Any], values: Mapping[str, Any]) -> str | None:
    argument, in_full = _LOADERS.get(call.get("functionName", ""), ("", str))
    node = (call.get("arguments") or {}).get(argument)
    while node and "valueReference" in node:
        node = values.get(node["valueReference"])
    name = (node or {}).get("constantValue")
    return in_full(name) if name and isinstance(name, str) else None


def _calls(node: Any) -> Iterator[Mapping[str, Any]]:
    """The calls within a node. Constants, which may be large, are not gone through."""
    nodes = [node]
    while nodes:
        node = nodes.pop()
        if call := node.get("functionInvocationValue"):
            yield call
            nodes += (call.get("arguments") or {}).values()
        elif array := node.get("arrayValue"):
            nodes += array.get("values") or ()
        elif dictionary := node.get("dictionaryValue"):
            nodes += (dictionary.get("values") or {}).values()
