"""Where an export goes, and which path in the output folder stands for that place."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from airflow_provider_ee.emulator.evaluation.errors import EvaluationError

_ASSET_NAME = re.compile(r"projects/([^/]+)/assets/(.+)")
_ASSET_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_BIGQUERY_TABLE = re.compile(r"((?:[^.]+\.)?[^.]+)\.([A-Za-z0-9_]+)\.([^.]+)")
_LONGEST_NAME = 220  # 255, less what is added to it
_LONGEST_PATH = 3000
_LEGACY_NAME = re.compile(r"(?:users|projects)/.+")

_ASSET_SUFFIXES = {".tif": (".tif.msk", ".json"), ".geojson": ()}
"""The file of an image and of a table, and what may lie beside it."""

OPTIONS = (
    "fileExportOptions",
    "assetExportOptions",
    "tileExportOptions",
    "featureViewExportOptions",
    "bigqueryExportOptions",
)
"""The fields of requests that may hold a destination; a request has one of them."""


@dataclass(frozen=True)
class Destination:
    """A place for files. ``separator`` stands between the prefix and the position of one of many files."""

    folder: Path
    prefix: str
    uri: str
    separator: str = ""
    asset: str = ""
    overwrite: bool = True

    def file(self, position: str = "", suffix: str = ".tif") -> Path:
        """The path of the only file, or of the one at a position among many."""
        # A prefix that ends in a slash names a folder: the files in it have only their positions for names.
        if not self.prefix:
            return self.folder / f"{position or '0000000000-0000000000'}{suffix}"
        return self.folder / f"{self.prefix}{self.separator if position else ''}{position}{suffix}"

    def require_free_asset(self) -> None:
        """Raises EvaluationError where an asset would be overwritten that must not be."""
        if not self.overwrite and any(self.file(suffix=suffix).exists() for suffix in _ASSET_SUFFIXES):
            raise EvaluationError(f"Cannot overwrite asset '{self.asset}'.")

    def discard_asset(self, *, but: str) -> None:
        """Removes what an asset of another type has left: all but that with the suffix ``but``."""
        for suffix, companions in _ASSET_SUFFIXES.items():
            for each in (suffix, *companions) if suffix != but else ():
                self.file(suffix=each).unlink(missing_ok=True)


def destination_of(request: Mapping[str, Any], output: Path) -> Destination:
    """The destination that a request names, made sure to lie inside ``output``."""
    for options in OPTIONS:
        for name, read in _READERS.items():
            given = (request.get(options) or {}).get(name)
            if given is not None:
                destination = read(given, f"{options}.{name}", output)
                _require_inside(destination.folder, output)
                return destination
    raise EvaluationError(f"The request has no destination; give {', '.join(OPTIONS[:-1])} or {OPTIONS[-1]} one.")


def _cloud_storage(options: Mapping[str, Any], field: str, output: Path) -> Destination:
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


def _drive(options: Mapping[str, Any], field: str, output: Path) -> Destination:
    prefix = _segment(options.get("filenamePrefix"), f"{field}.filenamePrefix", literal=True)
    folder = options.get("folder")
    if not folder:
        return Destination(output / "drive", prefix, "https://drive.google.com/drive/my-drive", "-")
    name = _segment(folder, f"{field}.folder", literal=True)
    uri = f"https://drive.google.com/drive/search?q=title:{quote(folder, safe='')}"
    return Destination(output / "drive" / name, prefix, uri, "-")


def _asset(options: Mapping[str, Any], field: str, output: Path) -> Destination:
    field = f"{field}.name"
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


def _bigquery(options: Mapping[str, Any], field: str, output: Path) -> Destination:
    if options.get("overwrite") and options.get("append"):
        raise EvaluationError(f"{field}: overwrite and append exclude each other; set one of them.")
    match = _BIGQUERY_TABLE.fullmatch(options.get("table") or "")
    if not match:
        raise EvaluationError(f"{field}.table must be like my-project.my_dataset.my_table.")
    project, dataset, table = (_segment(each, f"{field}.table") for each in match.groups())
    query = urlencode({"p": project, "d": dataset, "t": table, "page": "table"})
    return Destination(
        output.joinpath("bigquery", project, dataset), table, f"https://console.cloud.google.com/bigquery?{query}"
    )


_READERS: dict[str, Callable[[Mapping[str, Any], str, Path], Destination]] = {
    "cloudStorageDestination": _cloud_storage,
    "driveDestination": _drive,
    "earthEngineDestination": _asset,
    "featureViewDestination": _asset,
    "bigqueryDestination": _bigquery,
}


def _segment(value: Any, field: str, *, literal: bool = False) -> str:
    """One step of a path. A literal name may hold slashes, as names in Drive do."""
    if not isinstance(value, str) or not value:
        raise EvaluationError(f"{field} must not be empty, nor any part of it between slashes.")
    segment: str = value.replace("%", "%25").replace("/", "%2F") if literal else value
    if len(segment.encode()) > _LONGEST_NAME:
        raise EvaluationError(
            f"{field} holds a name of more than {_LONGEST_NAME} bytes, which no file can have; shorten it."
        )
    if segment in (".", "..") or any(character in segment for character in "/\\\0"):
        raise EvaluationError(f"{field} must not hold '.' or '..' as a part, a backslash or a NUL character.")
    return segment


def _require_inside(folder: Path, output: Path) -> None:
    """Refuses a folder that symbolic links lead out of the output folder."""
    if len(str(folder)) > _LONGEST_PATH:
        raise EvaluationError(f"The destination has more than {_LONGEST_PATH} characters; shorten it.")
    if _leads_round(folder):
        raise EvaluationError(
            f"The destination '{folder.name}' leads round in a circle of symbolic links; remove them."
        )
    if not folder.resolve().is_relative_to(output.resolve()):
        raise EvaluationError(f"The destination '{folder.name}' leads out of the emulator's output folder.")


def _leads_round(folder: Path) -> bool:
    """Whether a path has no end; what ``resolve`` does then is another thing on each Python."""
    try:
        folder.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False
