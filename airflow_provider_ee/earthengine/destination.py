"""Where an export writes: ``gs://bucket/prefix``, ``drive://folder/prefix`` or ``projects/p/assets/a``.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/ImageFileExportOptions,
https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export#ImageAssetExportOptions
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.messages import (
    ImageAssetExportOptions,
    ImageExportRequest,
    ImageFileExportOptions,
)
from airflow_provider_ee.earthengine.validation import Message, parse

_FORMS = "gs://bucket/prefix, drive://folder/prefix or projects/PROJECT/assets/NAME"


def place_from(destination: str) -> dict[str, Any]:
    """The part of a request's options that a destination stands for.

    :raises RequestError: if it has none of the three forms.
    """
    if not isinstance(destination, str):
        raise RequestError(f"destination must be text, not {destination!r:.80}; write {_FORMS}.")
    scheme, separator, rest = destination.partition("://")
    if separator and scheme in ("gs", "drive"):
        container, _, prefix = rest.partition("/")
        if scheme == "gs":
            if not container:
                raise RequestError(f"destination {destination!r} names no bucket; write gs://bucket/prefix.")
            place = {"bucket": container, "filenamePrefix": prefix}
            return {"fileExportOptions": {"cloudStorageDestination": _set(place)}}
        return {"fileExportOptions": {"driveDestination": _set({"folder": container, "filenamePrefix": prefix})}}
    if destination.startswith(("projects/", "users/")):
        return {"assetExportOptions": {"earthEngineDestination": {"name": destination}}}
    raise RequestError(f"destination {destination!r} is not understood; write {_FORMS}.")


def export_options(
    destination: str | None,
    file_export_options: Mapping[str, Any] | str | None,
    asset_export_options: Mapping[str, Any] | str | None,
) -> dict[str, Any]:
    """Merge where (the destination) and how (the options) into the options of a request.

    :raises RequestError: if an option is wrong, or a place is given twice.
    """
    given = {
        "fileExportOptions": _as_given(ImageFileExportOptions, "fileExportOptions", file_export_options),
        "assetExportOptions": _as_given(ImageAssetExportOptions, "assetExportOptions", asset_export_options),
    }
    # Empty options say nothing of where, unless they are all there is.
    options = {
        name: option for name, option in given.items() if option or (option is not None and not destination)
    }
    if not destination:
        return options
    return _merged(options, place_from(destination), destination)


def name_files(options: dict[str, Any], description: str) -> None:
    """Name the files after the description where neither destination nor options name them."""
    files = options.get("fileExportOptions") or {}
    for place in ("cloudStorageDestination", "driveDestination"):
        if place in files:
            files[place].setdefault("filenamePrefix", description)


def destination_of(request: ImageExportRequest) -> str:
    """``gs://…``, ``drive://…`` or the asset's name: the way a destination is written."""
    files, asset = request.file_export_options, request.asset_export_options
    if asset and asset.earth_engine_destination:
        return asset.earth_engine_destination.name or ""
    if files and files.cloud_storage_destination:
        storage = files.cloud_storage_destination
        return f"gs://{storage.bucket}/{storage.filename_prefix}"
    drive = files.drive_destination if files else None
    return f"drive://{drive.folder or ''}/{drive.filename_prefix}" if drive else ""


def _as_given(model: type[Message], name: str, options: Mapping[str, Any] | str | None) -> dict[str, Any] | None:
    """The options under their REST names, without the defaults."""
    if options is None:
        return None
    return parse(model, options, at=(name,)).model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude_none=True
    )


def _merged(options: dict[str, Any], place: dict[str, Any], destination: str) -> dict[str, Any]:
    """Merge two trees that may share branches but no leaf, and no second place."""
    ((option, branch),) = place.items()
    ((kind, fields),) = branch.items()
    others = set(options) - {option}
    target = options.setdefault(option, {})
    rivals = {"cloudStorageDestination", "driveDestination"} & set(target) - {kind}
    twice = set(fields) & set(target.get(kind, {}))
    if others or rivals or twice:
        second = sorted(others or rivals or {f"{kind}.{name}" for name in twice})[0]
        raise RequestError(
            f"destination {destination!r} says where to write, and so does {second}; give only one."
        )
    target[kind] = {**target.get(kind, {}), **fields}
    return options


def _set(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
