"""The requests, as pydantic models: what the service would refuse is refused here, before it is sent.

Field names are those of the REST API; snake_case is accepted.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export, those of the other
kinds beside it, and those that they link.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic.alias_generators import to_camel
from typing_extensions import Self

from airflow_provider_ee.earthengine.destination import NonEmptyText
from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.graph import to_json
from airflow_provider_ee.earthengine.grid import is_invertible
from airflow_provider_ee.earthengine.options import (
    BigQueryExportOptions,
    ClassifierAssetExportOptions,
    ExportOptions,
    FeatureViewAssetExportOptions,
    GridDimensions,
    ImageAssetExportOptions,
    ImageFileExportOptions,
    MapTileExportOptions,
    TableAssetExportOptions,
    TableFileExportOptions,
    TileOptions,
    VideoFileExportOptions,
    VideoOptions,
    VideoTileExportOptions,
)
from airflow_provider_ee.earthengine.validation import (
    Double,
    FiniteDouble,
    Int32,
    Message,
    NaturalInt32,
    PositiveInt64,
    Text,
    matching,
    message_of,
    not_text,
    problem,
)

MAX_BODY_BYTES = 10_485_760
DEFAULT_MAX_PIXELS = 100_000_000


Description = Annotated[
    Text, matching(r"[A-Za-z0-9.,:;_-]{1,100}", "1 to 100 letters, digits, '.', ',', ':', ';', '_' and '-'")
]
RequestId = Annotated[Text, matching(r"[A-Za-z0-9-]{1,60}", "1 to 60 letters, digits and '-'")]
WorkloadTag = Annotated[
    Text,
    matching(
        r"[A-Za-z0-9]([-_A-Za-z0-9]{0,61}[A-Za-z0-9])?",
        "1 to 63 letters, digits, '-' and '_', the first and the last a letter or digit",
    ),
]


@dataclass(frozen=True)
class PreparedRequest:
    """A checked request as JSON. The expression may be large, so it is written once and used again.

    :raises RequestError: if it is larger than the service takes.
    """

    kind: str
    expression: bytes
    fields: Mapping[str, Any]

    def __post_init__(self) -> None:
        size = len(self._head) + len(self.expression) + len(self._tail)
        if size > MAX_BODY_BYTES:
            raise RequestError(
                f"the request has {size} bytes, more than the {MAX_BODY_BYTES} that Earth Engine takes; "
                "load large geometries from an asset instead of writing them into the expression."
            )

    def __bytes__(self) -> bytes:
        return b"".join((self._head, self.expression, self._tail))

    _head: ClassVar[bytes] = b'{"expression": '

    @property
    def _tail(self) -> bytes:
        return b", " + to_json(dict(self.fields)).encode()[1:]

    @property
    def description(self) -> str:
        """How the task is called in Earth Engine."""
        return str(self.fields.get("description", ""))

    @property
    def request_id(self) -> str | None:
        """The id that its author gave it."""
        return self.fields.get("requestId")

    def named(self, *, description: str, request_id: str) -> PreparedRequest:
        """The same computation and place, under another name."""
        return replace(self, fields={**self.fields, "description": description, "requestId": request_id})

    def fingerprint(self) -> str:
        """Equal for requests that write the same to the same place, whatever they are called."""
        nameless = {name: value for name, value in self.fields.items() if name not in ("description", "requestId")}
        digest = sha256(self.expression)
        digest.update(to_json(nameless).encode())
        return digest.hexdigest()


class ExportRequest(Message):
    """What the requests of all kinds have in common."""

    kind: ClassVar[str]
    """The resource that the method belongs to: ``projects.<kind>.export``."""

    refused = {"maxWorkers": "is for users within Google only; leave it out"}

    expression: dict[str, Any]
    description: Description | None = None
    request_id: RequestId | None = None
    workload_tag: WorkloadTag | None = None
    priority: Annotated[Int32, Field(ge=0, le=9999)] | None = None

    @classmethod
    def option_fields(cls) -> dict[str, type[ExportOptions]]:
        """The fields that say how and where, one of which a request must have."""
        found = {name: message_of(field.annotation) for name, field in cls.model_fields.items()}
        return {name: model for name, model in found.items() if model and issubclass(model, ExportOptions)}

    @property
    def options(self) -> tuple[str, ExportOptions]:
        """The field that says how and where, and what it holds."""
        return next(
            (name, options) for name in self.option_fields() if (options := getattr(self, name)) is not None
        )

    @property
    def destination(self) -> str:
        """Where the export writes, as users write it."""
        return str(next(self.options[1].places())[1])

    @property
    def pixel_count(self) -> int | None:
        """How many pixels it writes, where the request itself says so."""
        return None

    @model_validator(mode="after")
    def _check_destination(self) -> Self:
        fields = list(self.option_fields())
        chosen = [to_camel(name) for name in fields if getattr(self, name) is not None]
        if not chosen:
            names = [to_camel(name) for name in fields]
            lacks = f"neither {' nor '.join(names)}" if len(names) > 1 else f"no {names[0]}"
            raise problem(f"has {lacks}; set {'one' if len(names) > 1 else 'it'}, or give a destination")
        if len(chosen) > 1:
            raise problem(f"has both {' and '.join(chosen)}; set only one of them")
        name, options = self.options
        if missing := options.missing(to_camel(name)):
            raise problem(missing)
        return self

    def body(self) -> bytes:
        """The request as it is sent.

        :raises RequestError: if it is larger than the service takes.
        """
        return bytes(self.prepared())

    def prepared(self) -> PreparedRequest:
        """The request ready to be sent, under this name or others.

        :raises RequestError: if it is larger than the service takes.
        """
        return PreparedRequest(self.kind, to_json(self.expression).encode(), self.fields())

    def fields(self) -> dict[str, Any]:
        """The request as plain REST JSON, but for the expression."""
        # That is a plain dict that may hold 10,000 nodes: it is not copied on its way.
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"expression"})


# Images


class AffineTransform(Message):
    """Pixel to CRS: x = scaleX*column + shearX*row + translateX, and likewise y."""

    scale_x: FiniteDouble = 0.0
    shear_x: FiniteDouble = 0.0
    translate_x: FiniteDouble = 0.0
    shear_y: FiniteDouble = 0.0
    scale_y: FiniteDouble = 0.0
    translate_y: FiniteDouble = 0.0

    @model_validator(mode="after")
    def _check_invertible(self) -> Self:
        if not is_invertible(self.scale_x, self.shear_x, self.shear_y, self.scale_y):
            raise problem(
                f"has scaleX {self.scale_x} and scaleY {self.scale_y}; "
                "the scale must not be 0, give the size of a pixel in units of the CRS"
            )
        return self


class PixelGridMessage(Message):
    """Where pixels lie; what is left out comes from the image."""

    one_of = (("crs_code", "crs_wkt"),)

    crs_code: Text | None = None
    crs_wkt: Text | None = None
    affine_transform: AffineTransform | None = None
    dimensions: GridDimensions | None = None

    @model_validator(mode="after")
    def _check_placed(self) -> Self:
        if self.dimensions and not self.affine_transform:
            raise problem("has dimensions without affineTransform, which says where the first pixel lies")
        return self


class ImageExportRequest(ExportRequest):
    """Body of ``projects.image.export``."""

    kind = "image"

    max_pixels: PositiveInt64 | None = None
    grid: PixelGridMessage | None = None
    file_export_options: ImageFileExportOptions | None = None
    asset_export_options: ImageAssetExportOptions | None = None

    @property
    def pixel_count(self) -> int | None:
        """How many pixels its grid has, where that says how large it is."""
        dimensions = self.grid.dimensions if self.grid else None
        return dimensions.width * dimensions.height if dimensions else None

    @model_validator(mode="after")
    def _check_pixel_count(self) -> Self:
        most = self.max_pixels or DEFAULT_MAX_PIXELS
        if (count := self.pixel_count or 0) > most:
            raise problem(
                f"grid has {count} pixels, more than max_pixels ({most}); raise the limit or shrink the grid"
            )
        return self


# Tables


def _listed(value: Any) -> Any:
    """A list, also as JSON text of one or as text with commas."""
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple) else value
    with suppress(ValueError, RecursionError):
        if isinstance(given := json.loads(value), list):
            return given
    return [name.strip() for name in value.split(",")]


class Condition(Message):
    """When a binding holds."""

    expression: Text | None = None
    title: Text | None = None
    description: Text | None = None
    location: Text | None = None


class Binding(Message):
    """Who may do what."""

    role: Text | None = None
    members: list[Text] | None = None
    condition: Condition | None = None


class AuditLogConfig(Message):
    """What is logged."""

    log_type: Literal["ADMIN_READ", "DATA_WRITE", "DATA_READ"] | None = None
    exempted_members: list[Text] | None = None


class AuditConfig(Message):
    """What is logged of a service."""

    service: Text | None = None
    audit_log_configs: list[AuditLogConfig] | None = None


class Policy(Message):
    """Who may use an asset from the beginning."""

    version: Int32 | None = None
    bindings: list[Binding] | None = None
    audit_configs: list[AuditConfig] | None = None
    etag: Text | None = None


class TableExportRequest(ExportRequest):
    """Body of ``projects.table.export``."""

    kind = "table"

    selectors: Annotated[list[NonEmptyText], BeforeValidator(_listed)] | None = None
    max_error_meters: Annotated[Double, Field(ge=0)] | None = None
    max_vertices: NaturalInt32 | None = None
    policy: Policy | None = None
    file_export_options: TableFileExportOptions | None = None
    asset_export_options: TableAssetExportOptions | None = None
    bigquery_export_options: BigQueryExportOptions | None = None
    feature_view_export_options: FeatureViewAssetExportOptions | None = None


# The others


class VideoExportRequest(ExportRequest):
    """Body of ``projects.video.export``."""

    kind = "video"

    video_options: VideoOptions | None = None
    file_export_options: VideoFileExportOptions | None = None


class MapExportRequest(ExportRequest):
    """Body of ``projects.map.export``."""

    kind = "map"

    tile_options: TileOptions | None = None
    tile_export_options: MapTileExportOptions | None = None


class VideoMapExportRequest(ExportRequest):
    """Body of ``projects.videoMap.export``, a method that the reference does not list."""

    kind = "videoMap"

    video_options: VideoOptions | None = None
    tile_options: TileOptions | None = None
    tile_export_options: VideoTileExportOptions | None = None
    version: Literal["V1", "V2"] | None = None


class ClassifierExportRequest(ExportRequest):
    """Body of ``projects.classifier.export``."""

    kind = "classifier"

    asset_export_options: ClassifierAssetExportOptions | None = None


REQUESTS: dict[str, type[ExportRequest]] = {
    request.kind: request
    for request in (
        ImageExportRequest,
        TableExportRequest,
        VideoExportRequest,
        MapExportRequest,
        VideoMapExportRequest,
        ClassifierExportRequest,
    )
}
"""The kinds of export."""


def clean_description(text: Any) -> str:
    """A description as the service takes it: at most 100 letters, digits, '-' and '_'.

    :raises RequestError: if it is no text, or nothing is left of it.
    """
    if not isinstance(text, str):
        raise RequestError(f"description {not_text(text)}.")
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:100]
    if not cleaned:
        raise RequestError(f"description {text!r} must hold a letter or a digit (a-z, A-Z, 0-9).")
    return cleaned
