"""Where an export goes, and which path in the output folder stands for that place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError

_ASSET_NAME = re.compile(r"projects/([^/]+)/assets/(.+)")
_ASSET_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_LEGACY_NAME = re.compile(r"(?:users|projects)/.+")


@dataclass(frozen=True)
class Destination:
    """A place for files. ``separator`` stands between the prefix and the position of one of many files."""

    folder: Path
    prefix: str
    uri: str
    separator: str = ""
    asset: str = ""
    overwrite: bool = True

    def file(self, position: str = "") -> Path:
        """The path of the only file, or of the one at a position among many."""
        # A prefix that ends in a slash names a folder: the files in it have only their positions for names.
        if not self.prefix:
            return self.folder / f"{position or '0000000000-0000000000'}.tif"
        return self.folder / f"{self.prefix}{self.separator if position else ''}{position}.tif"


def destination_of(request: Mapping[str, Any], output: Path) -> Destination:
    """The destination that a request names, made sure to lie inside ``output``."""
    if "assetExportOptions" in request:
        destination = _asset(request["assetExportOptions"].get("earthEngineDestination") or {}, output)
    else:
        destination = _files(request.get("fileExportOptions") or {}, output)
    _require_inside(destination.folder, output)
    return destination


def _files(options: Mapping[str, Any], output: Path) -> Destination:
    if "cloudStorageDestination" in options:
        return _cloud_storage(options["cloudStorageDestination"], output)
    if "driveDestination" in options:
        return _drive(options["driveDestination"], output)
    raise EvaluationError(
        "The request has no destination; give fileExportOptions with cloudStorageDestination or driveDestination, "
        "or assetExportOptions with earthEngineDestination."
    )


def _cloud_storage(options: Mapping[str, Any], output: Path) -> Destination:
    field = "fileExportOptions.cloudStorageDestination"
    bucket = _segment(options.get("bucket"), f"{field}.bucket")
    prefix = options.get("filenamePrefix")
    if not prefix:
        raise EvaluationError(f"{field}.filenamePrefix must not be empty.")
    folder, _, name = prefix.rpartition("/")
    segments = [_segment(each, f"{field}.filenamePrefix") for each in folder.split("/")] if folder else []
    if name:
        _segment(name, f"{field}.filenamePrefix")
    uri = "https://console.developers.google.com/storage/browser/" + quote("/".join([bucket, *segments, ""]))
    return Destination(output.joinpath("gs", bucket, *segments), name, uri)


def _drive(options: Mapping[str, Any], output: Path) -> Destination:
    field = "fileExportOptions.driveDestination"
    prefix = _segment(options.get("filenamePrefix"), f"{field}.filenamePrefix", literal=True)
    folder = options.get("folder")
    if not folder:
        return Destination(output / "drive", prefix, "https://drive.google.com/drive/my-drive", "-")
    name = _segment(folder, f"{field}.folder", literal=True)
    uri = f"https://drive.google.com/drive/search?q=title:{quote(folder, safe='')}"
    return Destination(output / "drive" / name, prefix, uri, "-")


def _asset(options: Mapping[str, Any], output: Path) -> Destination:
    field = "assetExportOptions.earthEngineDestination.name"
    name = options.get("name") or ""
    if _LEGACY_NAME.fullmatch(name) and not _ASSET_NAME.fullmatch(name):
        name = f"projects/earthengine-legacy/assets/{name}"
    match = _ASSET_NAME.fullmatch(name)
    if not match:
        raise EvaluationError(f"{field} must be like projects/my-project/assets/my-asset, not '{name}'.")
    segments = [_segment(each, field) for each in (match[1], *match[2].split("/"))]
    for segment in segments[1:]:
        if not _ASSET_SEGMENT.fullmatch(segment):
            raise EvaluationError(
                f"{field} may hold letters, digits, '-' and '_' between slashes, not '{segment}'."
            )
    uri = f"https://code.earthengine.google.com/?asset={quote(name)}"
    return Destination(
        output.joinpath("assets", *segments[:-1]),
        segments[-1],
        uri,
        asset=name,
        overwrite=options.get("overwrite") is True,
    )


def _segment(value: Any, field: str, *, literal: bool = False) -> str:
    """One step of a path. A literal name may hold slashes, as names in Drive do."""
    if not isinstance(value, str) or not value:
        raise EvaluationError(f"{field} must not be empty, nor any part of it between slashes.")
    segment: str = value.replace("%", "%25").replace("/", "%2F") if literal else value
    if segment in (".", "..") or any(character in segment for character in "/\\\0"):
        raise EvaluationError(f"{field} must not hold '.' or '..' as a part, a backslash or a NUL character.")
    return segment


def _require_inside(folder: Path, output: Path) -> None:
    """Refuses a folder that symbolic links lead out of the output folder."""
    if not folder.resolve().is_relative_to(output.resolve()):
        raise EvaluationError(f"The destination '{folder.name}' leads out of the emulator's output folder.")
