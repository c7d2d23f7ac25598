"""The methods of assets: what there is, who may see it, and removing what an export has written.

REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.assets
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_ee.emulator.call import Call
from airflow_provider_ee.emulator.catalog import Asset, Catalog
from airflow_provider_ee.emulator.clock import timestamp
from airflow_provider_ee.emulator.errors import ServiceError
from airflow_provider_ee.emulator.evaluation.dates import Date
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.evaluation.footprint import Extent
from airflow_provider_ee.emulator.evaluation.image import Band
from airflow_provider_ee.emulator.evaluation.limits import computing
from airflow_provider_ee.emulator.evaluation.pixel_type import Precision
from airflow_provider_ee.emulator.paging import page_of
from airflow_provider_ee.emulator.schema import read_body
from airflow_provider_ee.emulator.value_json import described

_PUBLIC = "projects/earthengine-public/assets/"
_PAGE_SIZE = 1000
_BASIC_PAGE_SIZE = 10_000


class AssetMethods:
    """Answers calls about the assets of a catalog. Policies are kept while the emulator runs."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._policies: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.handlers: dict[str, Callable[[Call], dict[str, Any]]] = {
            "assets.get": self._get,
            "assets.delete": self._delete,
            "assets.getIamPolicy": self._get_policy,
            "assets.setIamPolicy": self._set_policy,
            "assets.listAssets": self._list,
            "listAssets": self._list,
        }

    def _get(self, call: Call) -> dict[str, Any]:
        return self._described(self._known(call.resource))

    def _list(self, call: Call) -> dict[str, Any]:
        if call.query.get("filter"):
            raise ServiceError(400, "A filter of listAssets is not emulated.")
        basic = call.query.get("view", "").startswith("BASIC")
        page = page_of(call.query, _BASIC_PAGE_SIZE if basic else _PAGE_SIZE)
        root = call.method.name == "listAssets"
        parent = f"{call.resource}/assets" if root else call.resource
        assets = self._catalog.children(parent)
        if not (assets or root):
            self._known(parent)
        describe = _outline if basic else self._described
        answer: dict[str, Any] = page.next_token(len(assets))
        if listed := [describe(asset) for asset in assets[page.slice]]:
            answer["assets"] = listed
        return answer

    def _delete(self, call: Call) -> dict[str, Any]:
        asset = self._known(call.resource)
        if not asset.exported:
            raise _denied("delete", call.resource)
        if asset.type in ("FOLDER", "IMAGE_COLLECTION"):
            if self._catalog.children(call.resource):
                raise ServiceError(400, f"Asset '{call.resource}' has children; delete them first.")
            _remove_folder(asset)
        for file in asset.files:
            file.unlink(missing_ok=True)
        with self._lock:
            self._policies.pop(asset.id, None)
        return {}

    def _get_policy(self, call: Call) -> dict[str, Any]:
        read_body(call.body, "GetIamPolicyRequest")
        asset = self._known(call.resource)
        with self._lock:
            return self._policies.get(asset.id, _with_etag({"bindings": []}, 0))

    def _set_policy(self, call: Call) -> dict[str, Any]:
        request = read_body(call.body, "SetIamPolicyRequest")
        if "policy" not in request:
            raise ServiceError(400, "Invalid argument: 'policy' is required.")
        asset = self._known(call.resource)
        if call.resource.startswith(_PUBLIC):
            raise _denied("setIamPolicy", call.resource)
        with self._lock:
            current = self._policies.get(asset.id, _with_etag({}, 0))
            given = request["policy"].get("etag")
            if given and given != current["etag"]:
                raise ServiceError(409, "There were concurrent policy changes. Please retry the whole operation.")
            policy = _with_etag({"bindings": [], **request["policy"]}, _number_of(current) + 1)
            self._policies[asset.id] = policy
        return policy

    def _known(self, name: str) -> Asset:
        asset = self._catalog.asset(name)
        if asset is None:
            raise ServiceError(404, f"Asset '{name}' does not exist or doesn't allow this operation.")
        return asset

    def _described(self, asset: Asset) -> dict[str, Any]:
        try:
            with computing():
                return _outline(asset) | self._contents(asset)
        except EvaluationError as error:
            raise ServiceError(400, error.message) from error

    def _contents(self, asset: Asset) -> dict[str, Any]:
        if asset.type == "IMAGE":
            image = self._catalog.image(asset.id)
            contents: dict[str, Any] = {"bands": [_band(band) for band in image.bands]}
            properties = image.properties
        elif asset.type == "TABLE":
            table = self._catalog.table(asset.id)
            contents = {"featureCount": str(len(table.elements))}
            properties = table.properties
        else:
            contents, properties = {}, self._catalog.properties(asset.place)
        own = {name: described(value) for name, value in properties.items() if not name.startswith("system:")}
        if own:
            contents["properties"] = own
        return contents | _times(properties)


def _remove_folder(asset: Asset) -> None:
    try:
        asset.place.rmdir()
    except OSError:
        raise ServiceError(
            400,
            f"Asset '{asset.id}' holds files that are no assets, perhaps of an export that runs; delete it later.",
        ) from None


def _outline(asset: Asset) -> dict[str, Any]:
    is_cloud_asset = asset.id.startswith("projects/")
    legacy = "earthengine-legacy" if asset.id.startswith("users/") else "earthengine-public"
    outline: dict[str, Any] = {
        "type": asset.type,
        "name": asset.id if is_cloud_asset else f"projects/{legacy}/assets/{asset.id}",
        "id": asset.id,
    }
    if asset.files:
        outline["sizeBytes"] = str(sum(file.stat().st_size for file in asset.files))
        outline["updateTime"] = timestamp(max(file.stat().st_mtime for file in asset.files))
    return outline


def _band(band: Band) -> dict[str, Any]:
    about: dict[str, Any] = {"id": band.name, "dataType": {"precision": band.type.precision.name}}
    if band.type.precision is Precision.INT:
        about["dataType"]["range"] = {"min": band.type.low, "max": band.type.high}
    assert isinstance(band.footprint, Extent)  # as every band of a file
    grid = band.footprint.grid
    names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
    about["grid"] = {
        "crsCode": grid.projection.crs,
        "affineTransform": dict(zip(names, grid.projection.transform[:6], strict=True)),
        "dimensions": {"width": grid.width, "height": grid.height},
    }
    return about


def _times(properties: Mapping[str, Any]) -> dict[str, str]:
    fields = {"startTime": "system:time_start", "endTime": "system:time_end"}
    return {
        field: timestamp(Date.parse(properties[name]).moment().timestamp())
        for field, name in fields.items()
        if properties.get(name) is not None
    }


def _with_etag(policy: dict[str, Any], number: int) -> dict[str, Any]:
    return {**policy, "etag": base64.b64encode(number.to_bytes(8, "big")).decode()}


def _number_of(policy: Mapping[str, Any]) -> int:
    return int.from_bytes(base64.b64decode(policy["etag"]), "big")


def _denied(action: str, name: str) -> ServiceError:
    return ServiceError(
        403, f"Permission 'earthengine.assets.{action}' denied on resource '{name}' (or it may not exist)."
    )
