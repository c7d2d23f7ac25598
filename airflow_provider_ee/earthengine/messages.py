"""The requests, as pydantic models: what the service would refuse is refused here, before it is sent.

Field names are those of the REST API; snake_case is accepted. Values may have gone through a template, so
numbers and booleans may come as text, and messages as JSON text.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export and those it links.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError
from typing_extensions import Self

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.expression import to_json

MAX_BODY_BYTES = 10_485_760
DEFAULT_MAX_PIXELS = 100_000_000

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


def _problem(sentence: str) -> PydanticCustomError:
    # Braces of user text must not be read as a format.
    return PydanticCustomError("earth_engine", "{sentence}", {"sentence": sentence})


def _shown(value: Any) -> str:
    """A value for a sentence, cut short."""
    try:
        shown = repr(value)
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        shown = "a number of thousands of digits"
    return shown if len(shown) <= 80 else f"{shown[:80]}…"


def _unwrapped(value: Any) -> Any:
    """The Python client spells wrapper types ``{"value": n}``; the service reads both."""
    return value["value"] if isinstance(value, dict) and set(value) == {"value"} else value


def _whole_number(value: Any) -> int:
    value = _unwrapped(value)
    try:
        if isinstance(value, bool):
            raise ValueError
        number = Decimal(value.strip() if isinstance(value, str) else value)
        if not number.is_finite() or number.adjusted() > 18 or number != number.to_integral_value():
            raise ValueError
        if not _INT64_MIN <= number <= _INT64_MAX:
            raise ValueError
        return int(number)
    except (ValueError, TypeError, ArithmeticError):
        raise _problem(f"must be a whole number, not {_shown(value)}") from None


def _number(value: Any) -> float:
    value = _unwrapped(value)
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise _problem(f"must be a number, not {_shown(value)}") from None


def _boolean(value: Any) -> bool:
    words = {"true": True, "false": False}
    known = value if isinstance(value, bool) else words.get(str(value).strip().lower())
    if known is None:
        raise _problem(f"must be true or false, not {value!r}")
    return known


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _problem(_not_text(value))
    return value


def _not_text(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (
            f"must be text, not the number {_shown(value)}; "
            "where rendering made it one, put a letter beside the template or render as text "
            "(render_template_as_native_obj=False)"
        )
    return f"must be text, not {_shown(value)}"


def _matching(pattern: str, rule: str) -> AfterValidator:
    """Text of a form that the service demands; the rule says which."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise _problem(f"is {value!r}, but takes {rule}")
        return value

    return AfterValidator(check)


def _decimal(value: int) -> str:
    """proto3 JSON writes an int64 as text, since a double cannot hold each of them."""
    return str(value)


def _json_number(value: float) -> float | str:
    """proto3 JSON spells the numbers that JSON lacks as text."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


Int32 = Annotated[int, BeforeValidator(_whole_number), Field(ge=-(2**31), le=2**31 - 1)]
Size = Annotated[int, BeforeValidator(_whole_number), Field(ge=1, le=2**31 - 1)]
PositiveInt64 = Annotated[int, BeforeValidator(_whole_number), Field(ge=1), PlainSerializer(_decimal)]
Int64 = Annotated[int, BeforeValidator(_whole_number), PlainSerializer(_decimal)]
Double = Annotated[float, BeforeValidator(_number), PlainSerializer(_json_number)]
FiniteDouble = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Bool = Annotated[bool, BeforeValidator(_boolean)]
Text = Annotated[str, BeforeValidator(_text)]
Description = Annotated[
    Text, _matching(r"[A-Za-z0-9.,:;_-]{1,100}", "1 to 100 letters, digits, '.', ',', ':', ';', '_' and '-'")
]
RequestId = Annotated[Text, _matching(r"[A-Za-z0-9-]{1,60}", "1 to 60 letters, digits and '-'")]
WorkloadTag = Annotated[
    Text,
    _matching(
        r"[A-Za-z0-9]([-_A-Za-z0-9]{0,61}[A-Za-z0-9])?",
        "1 to 63 letters, digits, '-' and '_', the first and the last a letter or digit",
    ),
]

PyramidingPolicy = Literal["MEAN", "SAMPLE", "MIN", "MAX", "MODE", "MEDIAN"]
TilePermissions = Literal["PUBLIC", "DEFAULT_OBJECT_ACL"]
# The enum of the API holds more; an image export writes these two.
ImageFileFormat = Literal["GEO_TIFF", "TF_RECORD_IMAGE"]


class Message(BaseModel):
    """A message of the REST API: unknown keys are refused, unset fields are not sent."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)

    one_of: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Unions of the API: of each group at most one field may be set."""

    @model_validator(mode="before")
    @classmethod
    def _read_json_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise _problem(f"must be a JSON object, not the text {_shown(value)}") from None

    @model_validator(mode="after")
    def _check_unions(self) -> Self:
        for group in self.one_of:
            chosen = [to_camel(name) for name in group if getattr(self, name) is not None]
            if len(chosen) > 1:
                raise _problem(f"has both {' and '.join(chosen)}; set only one of them")
        return self

    def to_rest(self) -> dict[str, Any]:
        """The message as REST JSON."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class GridDimensions(Message):
    """Size in pixels."""

    width: Size
    height: Size


class MarginDimensions(Message):
    """Overlap in pixels, which may be none."""

    width: Annotated[int, BeforeValidator(_whole_number), Field(ge=0)]
    height: Annotated[int, BeforeValidator(_whole_number), Field(ge=0)]


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
        if Fraction(self.scale_x) * Fraction(self.scale_y) == Fraction(self.shear_x) * Fraction(self.shear_y):
            raise _problem(
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
            raise _problem("has dimensions without affineTransform, which says where the first pixel lies")
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
            raise _problem(
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
            raise _problem(f"has the name {self.name!r}; write {form}")
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
            raise _problem(
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
                raise _problem(
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
                raise _problem(
                    f"grid has {count} pixels, more than max_pixels ({most}); raise the limit or shrink the grid"
                )
        return self

    @model_validator(mode="after")
    def _check_destination(self) -> Self:
        if not self.file_export_options and not self.asset_export_options:
            raise _problem("has neither fileExportOptions nor assetExportOptions; set one, or give a destination")
        files, asset = self.file_export_options, self.asset_export_options
        if asset and not (asset.earth_engine_destination and asset.earth_engine_destination.name):
            raise _problem("assetExportOptions has no earthEngineDestination.name; say which asset to write")
        if files:
            _check_file_destination(files)
        return self

    def body(self) -> bytes:
        """The request as it is sent.

        :raises RequestError: if it is larger than the service takes.
        """
        # The expression is a plain dict that may hold 10,000 nodes: it is not copied on its way.
        rest = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"expression"})
        body = to_json({"expression": self.expression, **rest}).encode()
        if len(body) > MAX_BODY_BYTES:
            raise RequestError(
                f"the request has {len(body)} bytes, more than the {MAX_BODY_BYTES} that Earth Engine takes; "
                "load large geometries from an asset instead of writing them into the expression."
            )
        return body


def _check_file_destination(files: ImageFileExportOptions) -> None:
    place = files.cloud_storage_destination or files.drive_destination
    if place is None:
        raise _problem(
            "fileExportOptions has neither cloudStorageDestination nor driveDestination; set one, "
            "or give a destination"
        )
    if files.cloud_storage_destination and not files.cloud_storage_destination.bucket:
        raise _problem("fileExportOptions.cloudStorageDestination has no bucket")
    if not place.filename_prefix:
        raise _problem(
            "the files have no name: give the destination a prefix (gs://bucket/prefix), or give a description"
        )


def parse(model: type[Any], value: Any, *, at: tuple[str, ...]) -> Any:
    """Validate ``value`` as a message that stands at the path ``at`` of a request.

    :raises RequestError: naming each field by its path.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        sentences = [_sentence(model, at, problem) for problem in error.errors(include_url=False)]
        more = f" ({len(sentences) - 3} more problems.)" if len(sentences) > 3 else ""
        raise RequestError(" ".join(dict.fromkeys(sentences[:3])) + more) from None


def _sentence(model: type[Message], at: tuple[str, ...], problem: ErrorDetails) -> str:
    path = ".".join(map(str, (*at, *problem["loc"])))
    kind, context = problem["type"], problem.get("ctx", {})
    value = problem["input"]
    if kind == "earth_engine":
        sentence = context["sentence"]
        subject = path or ("The request" if sentence.startswith("has ") else "")
        return f"{subject} {sentence}.".lstrip()
    if kind == "extra_forbidden":
        fields = [to_camel(name) for name in _model_at(model, problem["loc"][:-1]).model_fields]
        written = str(problem["loc"][-1])
        listed = "" if _meant(written, fields) else f"; known are {', '.join(fields)}"
        return f"{path} is not a field{listed}{_hint(written, fields)}"
    if kind == "literal_error":
        known = _quoted(context["expected"])
        return f"{path} must be one of {', '.join(known)}, not {_shown(value)}{_hint(str(value), known)}"
    if kind == "missing":
        return f"{path} is missing."
    if kind == "model_type":
        return f"{path or 'The request'} must be a JSON object, not {_shown(value)}."
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = "at least" if kind == "greater_than_equal" else "at most"
        return f"{path} must be {bound} {context.get('ge', context.get('le'))}, not {value!r}."
    if kind == "finite_number":
        return f"{path} must be a finite number, not {value!r}."
    if kind == "string_too_short":
        return f"{path} must not be empty."
    return f"{path} is wrong: {problem['msg']} (got {_shown(value)})."


def _meant(written: str, known: list[str]) -> str | None:
    """The known word that a misspelt one is most like."""
    spelling = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in known}
    near = difflib.get_close_matches(re.sub(r"[^a-z0-9]", "", written.lower()), list(spelling), n=1, cutoff=0.5)
    return spelling[near[0]] if near else None


def _hint(written: str, known: list[str]) -> str:
    meant = _meant(written, known)
    return f"; did you mean {meant}?" if meant else "."


def _quoted(expected: str) -> list[str]:
    return re.findall(r"'([^']+)'", expected)


def _model_at(model: type[Message], path: tuple[str | int, ...]) -> type[Message]:
    for part in path:
        fields = {name: field for known, field in model.model_fields.items() for name in (known, to_camel(known))}
        if part in fields:
            model = next(_messages(fields[str(part)].annotation), model)
    return model


def _messages(annotation: Any) -> Iterator[type[Message]]:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Message):
            yield candidate


def clean_description(text: Any) -> str:
    """A description as the service takes it: at most 100 letters, digits, '-' and '_'.

    :raises RequestError: if it is no text, or nothing is left of it.
    """
    if not isinstance(text, str):
        raise RequestError(f"description {_not_text(text)}.")
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:100]
    if not cleaned:
        raise RequestError(f"description {text!r} must hold a letter or a digit (a-z, A-Z, 0-9).")
    return cleaned
