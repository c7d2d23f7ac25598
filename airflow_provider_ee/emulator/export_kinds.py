"""The kinds of export: what each is called, what its requests must say, and what the emulator makes of it.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export and its siblings
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_ee.emulator.catalog import Catalog
from airflow_provider_ee.emulator.destination import destination_of
from airflow_provider_ee.emulator.errors import ServiceError
from airflow_provider_ee.emulator.evaluation.errors import EvaluationError
from airflow_provider_ee.emulator.export import export_image
from airflow_provider_ee.emulator.operations import Report, Work
from airflow_provider_ee.emulator.table_export import export_table

Export = Callable[[Mapping[str, Any], Catalog, Path, Report], Any]
"""Computes what a request asks for and writes it below the output folder."""

_FILES = ("cloudStorageDestination", "driveDestination")
_ASSET = ("earthEngineDestination",)


@dataclass(frozen=True)
class ExportKind:
    """One kind of export.

    :param method: name of its REST method.
    :param message: the message of its request.
    :param operation_type: the type of its operations.
    :param destinations: the fields of options, of which a request has one, and the destinations each may hold.
    :param export: computes and writes it.
    """

    method: str
    message: str
    operation_type: str
    destinations: Mapping[str, tuple[str, ...]]
    export: Export


def _image(request: Mapping[str, Any], catalog: Catalog, output: Path, report: Report) -> None:
    export_image(request, catalog=catalog, output=output, report=report)


def _not_emulated(what: str) -> Export:
    def export(request: Mapping[str, Any], catalog: Catalog, output: Path, report: Report) -> None:
        raise EvaluationError(
            f"Exports of {what} are not emulated; let the operation succeed without output by a behaviour that "
            "says succeed."
        )

    return export


KINDS = (
    ExportKind(
        "image.export",
        "ExportImageRequest",
        "EXPORT_IMAGE",
        {"fileExportOptions": _FILES, "assetExportOptions": _ASSET},
        _image,
    ),
    ExportKind(
        "table.export",
        "ExportTableRequest",
        "EXPORT_FEATURES",
        {
            "fileExportOptions": _FILES,
            "assetExportOptions": _ASSET,
            "featureViewExportOptions": ("featureViewDestination",),
            "bigqueryExportOptions": ("bigqueryDestination",),
        },
        export_table,
    ),
    ExportKind(
        "video.export",
        "ExportVideoRequest",
        "EXPORT_VIDEO",
        {"fileExportOptions": _FILES},
        _not_emulated("videos"),
    ),
    ExportKind(
        "map.export",
        "ExportMapRequest",
        "EXPORT_TILES",
        {"tileExportOptions": _FILES[:1]},
        _not_emulated("map tiles"),
    ),
    ExportKind(
        "videoMap.export",
        "ExportVideoMapRequest",
        "EXPORT_TILES",
        {"tileExportOptions": _FILES[:1]},
        _not_emulated("video map tiles"),
    ),
    ExportKind(
        "classifier.export",
        "ExportClassifierRequest",
        "EXPORT_CLASSIFIER",
        {"assetExportOptions": _ASSET},
        _not_emulated("classifiers"),
    ),
)


class Exports:
    """What becomes of the requests of every kind, for one catalog and one output folder."""

    def __init__(self, catalog: Catalog, output: Path) -> None:
        self._catalog = catalog
        self._output = output

    def destination_uri(self, kind: ExportKind, request: Mapping[str, Any]) -> str:
        """Where the result of a request can be looked at, once the request has been checked.

        :raises ServiceError: if the service would refuse the request.
        """
        if not request.get("expression"):
            raise ServiceError(400, "Invalid argument: 'expression' is required.")
        options = next((name for name in kind.destinations if name in request), None)
        if options is None:
            raise ServiceError(400, f"Invalid argument: '{_options_name(kind)}' is required.")
        _check_description(request.get("description", ""))
        _check_destination_kind(kind, options, request[options])
        try:
            return destination_of(request, self._output).uri
        except EvaluationError as error:
            raise ServiceError(400, error.message) from error

    def work(self, kind: ExportKind, request: Mapping[str, Any]) -> Work:
        """What the operation of a request does."""
        return lambda report: kind.export(request, self._catalog, self._output, report)


def _options_name(kind: ExportKind) -> str:
    """What the service calls the options of a kind, of which there may be several sorts."""
    if len(kind.destinations) > 1:
        return "export_options"
    (name,) = kind.destinations
    return re.sub("([A-Z])", lambda letter: f"_{letter[1].lower()}", name)


def _check_description(description: str) -> None:
    if description and not re.fullmatch(r"[A-Za-z0-9.,:;_-]{1,100}", description):
        raise ServiceError(
            400,
            "The task description may hold only the characters a..z, A..Z, 0..9, '.', ',', ':', ';', '_' and "
            "'-', and at most 100 of them.",
        )


def _check_destination_kind(kind: ExportKind, options: str, given: Mapping[str, Any]) -> None:
    possible = kind.destinations[options]
    if not any(name in given for name in possible):
        raise ServiceError(
            400, f"{options} of {kind.method} names no destination; give it {' or '.join(possible)}."
        )
