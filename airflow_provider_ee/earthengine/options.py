"""How an export writes, and where: the options that requests hold.

Field names are those of the REST API; snake_case is accepted.

REST pages: https://developers.google.com/earth-engine/reference/rest/v1/ImageFileExportOptions,
https://developers.google.com/earth-engine/reference/rest/v1/projects.table/export and those that they link.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic.alias_generators import to_camel
from typing_extensions import Self

from airflow_provider_ee.earthengine.destination import (
    FILES_NEED_NAMES,
    BigQueryDestination,
    CloudStorageDestination,
    Destination,
    DriveDestination,
    EarthEngineDestination,
    FeatureViewDestination,
)
from airflow_provider_ee.earthengine.validation import (
    Bool,
    Double,
    Int32,
    Int64,
    Message,
    NaturalInt32,
    PositiveInt64,
    Size,
    Text,
    message_of,
    problem,
)

PyramidingPolicy = Literal["MEAN", "SAMPLE", "MIN", "MAX", "MODE", "MEDIAN"]
# The enums of the API hold more; exports write these.
ImageFileFormat = Literal["GEO_TIFF", "TF_RECORD_IMAGE"]
MapFileFormat = Literal["AUTO_JPEG_PNG", "JPEG", "PNG"]
TableFileFormat = Literal["CSV", "GEO_JSON", "KML", "KMZ", "SHP", "TF_RECORD_TABLE"]
VideoFileFormat = Literal["MP4", "GIF", "VP9"]


class ExportOptions(Message):
    """How an export writes, and where: at most one of its destinations may be set."""

    @classmethod
    def destinations(cls) -> dict[str, type[Destination]]:
        """The fields that say where, with what they hold."""
        found = {name: message_of(field.annotation) for name, field in cls.model_fields.items()}
        return {name: kind for name, kind in found.items() if kind and issubclass(kind, Destination)}

    @classmethod
    def destination_with(cls, scheme: str | None) -> str | None:
        """The field whose destinations are written with a scheme, if there is one."""
        return next((name for name, kind in cls.destinations().items() if kind.scheme == scheme), None)

    def places(self) -> Iterator[tuple[str, Destination]]:
        """The destinations that are set."""
        for name in self.destinations():
            if (place := getattr(self, name)) is not None:
                yield name, place

    def missing(self, at: str) -> str | None:
        """What is not said of where, as a sentence about the options at a path."""
        place = next(self.places(), None)
        if place is None:
            kinds = [to_camel(name) for name in self.destinations()]
            if len(kinds) > 1:
                return f"{at} has neither {' nor '.join(kinds)}; set one, or give a destination"
            ((name, kind),) = self.destinations().items()
            ((needed, hint),) = list(kind.needed.items())[:1]
            return f"{at} has no {to_camel(name)}.{to_camel(needed)}; {hint or 'set it, or give a destination'}"
        name, destination = place
        for needed, hint in destination.needed.items():
            if getattr(destination, needed):
                continue
            if hint is FILES_NEED_NAMES:
                return f"the files have no name: {hint.format(form=destination.form)}"
            return f"{at}.{to_camel(name)} has no {to_camel(needed)}" + (f"; {hint}" if hint else "")
        return None


# Images


class GridDimensions(Message):
    """Size in pixels."""

    width: Size
    height: Size


class MarginDimensions(Message):
    """Overlap in pixels, which may be none."""

    width: NaturalInt32
    height: NaturalInt32


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


class ImageFileExportOptions(ExportOptions):
    """An image as files."""

    one_of = (
        ("drive_destination", "cloud_storage_destination"),
        ("geo_tiff_options", "tf_record_options"),
    )

    file_format: ImageFileFormat = "GEO_TIFF"
    cloud_storage_destination: CloudStorageDestination | None = None
    drive_destination: DriveDestination | None = None
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


class ImageAssetExportOptions(ExportOptions):
    """An image as an asset."""

    pyramiding_policy: PyramidingPolicy | None = None
    pyramiding_policy_overrides: dict[str, PyramidingPolicy] | None = None
    earth_engine_destination: EarthEngineDestination | None = None
    tile_size: Size | None = None


# Map tiles and videos


class MapTileExportOptions(ExportOptions):
    """Map tiles as files: an ``ImageFileExportOptions``, of which the service takes this much."""

    refused = {
        "driveDestination": "is for images; map tiles are written to Cloud Storage only",
        "geoTiffOptions": "is for images; map tiles are PNG or JPEG",
        "tfRecordOptions": "is for images; map tiles are PNG or JPEG",
    }

    file_format: MapFileFormat = "AUTO_JPEG_PNG"
    cloud_storage_destination: CloudStorageDestination | None = None


class VideoFileExportOptions(ExportOptions):
    """A video as a file."""

    one_of = (("drive_destination", "cloud_storage_destination"),)

    file_format: Literal["MP4"] = "MP4"
    cloud_storage_destination: CloudStorageDestination | None = None
    drive_destination: DriveDestination | None = None


class VideoTileExportOptions(VideoFileExportOptions):
    """Video map tiles as files: a ``VideoFileExportOptions``, whose format the service does not document."""

    file_format: VideoFileFormat = "MP4"  # type: ignore[assignment]


class ZoomSubset(Message):
    """A part of the zooms, fractional; the end is exclusive."""

    start: Double | None = None
    end: Double | None = None


class TileOptions(Message):
    """Which tiles of a map are written."""

    one_of = (("end_zoom", "scale"),)

    start_zoom: NaturalInt32 | None = None
    end_zoom: NaturalInt32 | None = None
    scale: Annotated[Double, Field(gt=0)] | None = None
    skip_empty: Bool | None = None
    maps_api_key: Text | None = None
    dimensions: GridDimensions | None = None
    stride: Size | None = None
    zoom_subset: ZoomSubset | None = None

    @model_validator(mode="after")
    def _check_zooms(self) -> Self:
        if self.end_zoom is not None and (self.start_zoom or 0) > self.end_zoom:
            raise problem(f"has startZoom {self.start_zoom} above endZoom {self.end_zoom}")
        return self


class VideoOptions(Message):
    """The frames of a video."""

    frames_per_second: Annotated[Double, Field(ge=0.1, le=120)] | None = None
    max_frames: Size | None = None
    max_pixels_per_frame: PositiveInt64 | None = None


# Tables


class TableFileExportOptions(ExportOptions):
    """A table as files."""

    one_of = (("drive_destination", "cloud_storage_destination"),)

    file_format: TableFileFormat = "CSV"
    cloud_storage_destination: CloudStorageDestination | None = None
    drive_destination: DriveDestination | None = None


class TableAssetExportOptions(ExportOptions):
    """A table as an asset."""

    earth_engine_destination: EarthEngineDestination | None = None


class BigQueryExportOptions(ExportOptions):
    """A table in BigQuery."""

    bigquery_destination: BigQueryDestination | None = None


class ThinningOptions(Message):
    """How many features a tile shows."""

    max_features_per_tile: NaturalInt32 | None = None
    thinning_strategy: Literal["GLOBALLY_CONSISTENT", "HIGHER_DENSITY"] | None = None


class RankByAttributeRule(Message):
    """By a property."""

    attribute_name: Text | None = None


class RankByMinVisibleLodRule(Message):
    """By the level of detail at which a feature appears."""


class RankByGeometryTypeRule(Message):
    """Points, then lines, then polygons."""


class RankByMinZoomLevelRule(Message):
    """By the zoom at which a feature appears."""


class RankByOneThingRule(Message):
    """One key of a ranking."""

    one_of = (
        (
            "rank_by_attribute_rule",
            "rank_by_min_visible_lod_rule",
            "rank_by_geometry_type_rule",
            "rank_by_min_zoom_level_rule",
        ),
    )

    rank_by_attribute_rule: RankByAttributeRule | None = None
    rank_by_min_visible_lod_rule: RankByMinVisibleLodRule | None = None
    rank_by_geometry_type_rule: RankByGeometryTypeRule | None = None
    rank_by_min_zoom_level_rule: RankByMinZoomLevelRule | None = None
    direction: Literal["ASCENDING", "DESCENDING"] | None = None


class RankingRule(Message):
    """The keys of a ranking, the first one first."""

    rank_by_one_thing_rule: list[RankByOneThingRule] | None = None
    pseudo_random_tiebreaking: Bool | None = None


class RankingOptions(Message):
    """Which features are drawn above others, and which are left out first."""

    z_order_ranking_rule: RankingRule | None = None
    thinning_ranking_rule: RankingRule | None = None


class TileLimiting(Message):
    """Which tiles are prepared."""

    max_prerender_zoom: Int32 | None = None
    min_features_per_tile: Int32 | None = None
    min_vertices_per_tile: Int32 | None = None
    neighbor_depth: Int32 | None = None


class PrerenderingOptions(Message):
    """Tiles that are prepared."""

    prerender_tiles: Bool | None = None
    tile_limiting: TileLimiting | None = None


class FeatureViewIngestionTimeParameters(Message):
    """How a FeatureView is built; cannot be changed later."""

    thinning_options: ThinningOptions | None = None
    ranking_options: RankingOptions | None = None
    prerendering_options: PrerenderingOptions | None = None


class FeatureViewAssetExportOptions(ExportOptions):
    """A table as a FeatureView."""

    ingestion_time_parameters: FeatureViewIngestionTimeParameters | None = None
    feature_view_destination: FeatureViewDestination | None = None


# Classifiers


class ClassifierAssetExportOptions(ExportOptions):
    """A classifier as an asset."""

    earth_engine_destination: EarthEngineDestination | None = None
