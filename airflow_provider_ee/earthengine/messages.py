"""The requests, as pydantic models: what the service would refuse is refused here, before it is sent.

Field names are those of the REST API; snake_case is accepted.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export and those it links.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic.alias_generators import to_camel
from typing_extensions import Self

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.expression import to_json
from airflow_provider_ee.earthengine.grid import is_invertible
from airflow_provider_ee.earthengine.validation import (
    Bool,
    Double,
    FiniteDouble,
    Int32,
    Int64,
    Message,
    PositiveInt64,
    Size,
    Text,
    matching,
    not_text,
    problem,
    whole_number,
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

PyramidingPolicy = Literal["MEAN", "SAMPLE", "MIN", "MAX", "MODE", "MEDIAN"]
TilePermissions = Literal["PUBLIC", "DEFAULT_OBJECT_ACL"]
# The enum of the API holds more; an image export writes these two.
ImageFileFormat = Literal["GEO_TIFF", "TF_RECORD_IMAGE"]


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


class GridDimensions(Message):
    """Size in pixels."""

    width: Size
    height: Size


class MarginDimensions(Message):
    """Overlap in pixels, which may be none."""

    width: Annotated[int, BeforeValidator(whole_number), Field(ge=0)]
    height: Annotated[int, BeforeValidator(whole_number), Field(ge=0)]


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


class CloudStorageDestination(Message):
    """Objects in a bucket."""

    bucket: Annotated[Text, Field(min_length=1)] | None = None
    filename_prefix: Annotated[Text, Field(min_length=1)] | None = None
    permissions: TilePermissions | None = None
    bucket_cors_uris: list[Text] | None = None

    @model_validator(mode="after")
    def _check_bucket(self) -> Self:
        if self.bucket and not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", self.bucket):
            raise problem(
                f"has the bucket {self.bucket!r}; a bucket is named without gs://, "
                "with 3 or more of a-z, 0-9, '-', '_' and '.'"
            )
        return self


class DriveDestination(Message):
    """Files in the caller's Drive."""

    folder: Text | None = None
    filename_prefix: Annotated[Text, Field(min_length=1)] | None = None


class EarthEngineDestination(Message):
    """An asset."""

    name: Text | None = None
    overwrite: Bool | None = None

    @model_validator(mode="after")
    def _check_name(self) -> Self:
        if self.name and not re.fullmatch(r"projects/[^/\s]+/(locations/[^/\s]+/)?assets/\S+", self.name):
            legacy = f"projects/earthengine-legacy/assets/{self.name}"
            form = legacy if self.name.startswith("users/") else "projects/PROJECT/assets/NAME"
            raise problem(f"has the name {self.name!r}; write {form}")
        return self


class NoData(Message):
    """The value of masked pixels; the service honours ``floatValue``."""

    one_of = (("float_value", "integer_value"),)

    float_value: Double | None = None
    integer_value: Int64 | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_number(cls, value: Any) -> Any:
        is_text = isinstance(value, str) and not value.lstrip().startswith("{")
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return {"floatValue": value} if is_text or is_number else value


class GeoTiffImageExportOptions(Message):
    """How a GeoTIFF is written."""

    cloud_optimized: Bool | None = None
    tile_dimensions: GridDimensions | None = None
    skip_empty_files: Bool | None = None
    tile_size: Size | None = None
    no_data: NoData | None = None
    metadata_keys: list[Text] | None = None

    @model_validator(mode="after")
    def _check_whole_tiles(self) -> Self:
        tile, size = self.tile_dimensions, self.tile_size or 256
        if tile and (tile.width % size or tile.height % size):
            raise problem(
                f"has tileDimensions of {tile.width} x {tile.height}; use multiples of tileSize ({size})"
            )
        return self


class TfRecordImageExportOptions(Message):
    """How TFRecord patches are written."""

    tile_dimensions: GridDimensions | None = None
    margin_dimensions: MarginDimensions | None = None
    compress: Bool | None = None
    max_size_bytes: PositiveInt64 | None = None
    default_value: Double | None = None
    tensor_depths: dict[str, Size] | None = None
    sequence_data: Bool | None = None
    collapse_bands: Bool | None = None
    max_masked_ratio: Annotated[Double, Field(ge=0, le=1)] | None = None


_FORMAT_OF_OPTIONS = {"geo_tiff_options": "GEO_TIFF", "tf_record_options": "TF_RECORD_IMAGE"}


class ImageFileExportOptions(Message):
    """An image as files."""

    one_of = (
        ("drive_destination", "cloud_storage_destination"),
        ("geo_tiff_options", "tf_record_options"),
    )

    file_format: ImageFileFormat = "GEO_TIFF"
    drive_destination: DriveDestination | None = None
    cloud_storage_destination: CloudStorageDestination | None = None
    geo_tiff_options: GeoTiffImageExportOptions | None = None
    tf_record_options: TfRecordImageExportOptions | None = None

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        for name, wanted in _FORMAT_OF_OPTIONS.items():
            if getattr(self, name) is not None and self.file_format != wanted:
                raise problem(
                    f"has {to_camel(name)} with fileFormat {self.file_format}; set fileFormat to {wanted}"
                )
        return self


class ImageAssetExportOptions(Message):
    """An image as an asset."""

    pyramiding_policy: PyramidingPolicy | None = None
    pyramiding_policy_overrides: dict[str, PyramidingPolicy] | None = None
    earth_engine_destination: EarthEngineDestination | None = None
    tile_size: Size | None = None


class ImageExportRequest(Message):
    """Body of ``projects.image.export``."""

    kind: ClassVar[str] = "image"
    one_of = (("file_export_options", "asset_export_options"),)

    expression: dict[str, Any]
    description: Description | None = None
    max_pixels: PositiveInt64 | None = None
    grid: PixelGridMessage | None = None
    request_id: RequestId | None = None
    workload_tag: WorkloadTag | None = None
    priority: Annotated[Int32, Field(ge=0, le=9999)] | None = None
    file_export_options: ImageFileExportOptions | None = None
    asset_export_options: ImageAssetExportOptions | None = None

    @model_validator(mode="after")
    def _check_pixel_count(self) -> Self:
        most = self.max_pixels or DEFAULT_MAX_PIXELS
        if self.grid and self.grid.dimensions:
            count = self.grid.dimensions.width * self.grid.dimensions.height
            if count > most:
                raise problem(
                    f"grid has {count} pixels, more than max_pixels ({most}); raise the limit or shrink the grid"
                )
        return self

    @model_validator(mode="after")
    def _check_destination(self) -> Self:
        if not self.file_export_options and not self.asset_export_options:
            raise problem("has neither fileExportOptions nor assetExportOptions; set one, or give a destination")
        files, asset = self.file_export_options, self.asset_export_options
        if asset and not (asset.earth_engine_destination and asset.earth_engine_destination.name):
            raise problem("assetExportOptions has no earthEngineDestination.name; say which asset to write")
        if files:
            _check_file_destination(files)
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
        # The expression is a plain dict that may hold 10,000 nodes: it is not copied on its way.
        fields = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"expression"})
        return PreparedRequest(self.kind, to_json(self.expression).encode(), fields)


def _check_file_destination(files: ImageFileExportOptions) -> None:
    place = files.cloud_storage_destination or files.drive_destination
    if place is None:
        raise problem(
            "fileExportOptions has neither cloudStorageDestination nor driveDestination; set one, "
            "or give a destination"
        )
    if files.cloud_storage_destination and not files.cloud_storage_destination.bucket:
        raise problem("fileExportOptions.cloudStorageDestination has no bucket")
    if not place.filename_prefix:
        raise problem(
            "the files have no name: give the destination a prefix (gs://bucket/prefix), or give a description"
        )


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
