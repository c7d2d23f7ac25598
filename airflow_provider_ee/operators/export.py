"""Operators that start an Earth Engine export, one for each kind of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_ee.earthengine.grid import PixelGrid
from airflow_provider_ee.operators.base import ExportOperator
from airflow_provider_ee.operators.export_report import DESTINATION_KEY, OPERATION_KEY

__all__ = [
    "DESTINATION_KEY",
    "OPERATION_KEY",
    "EEClassifierExportOperator",
    "EEImageExportOperator",
    "EEMapExportOperator",
    "EETableExportOperator",
    "EEVideoExportOperator",
    "EEVideoMapExportOperator",
]

Options = dict[str, Any] | str
"""REST JSON, as a dict or as JSON text; snake_case keys are accepted."""


class EEImageExportOperator(ExportOperator):
    """Export an image to Cloud Storage, Drive or an asset; what it has in common with others: ``ExportOperator``.

    REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.image/export

    :param grid: where the pixels lie: a ``PixelGrid``, or REST JSON. (templated)
    :param file_export_options: how files are written: ``fileFormat``, ``geoTiffOptions``, … (templated)
    :param asset_export_options: how an asset is written: ``pyramidingPolicy``, … (templated)
    :param max_pixels: most pixels to compute; the service's default is 1e8. (templated)
    """

    kind = "image"

    def __init__(
        self,
        *,
        grid: PixelGrid | Options | None = None,
        file_export_options: Options | None = None,
        asset_export_options: Options | None = None,
        max_pixels: int | float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.grid = grid.to_rest() if isinstance(grid, PixelGrid) else grid
        self.file_export_options = file_export_options
        self.asset_export_options = asset_export_options
        self.max_pixels = max_pixels


class EETableExportOperator(ExportOperator):
    """Export a table to Cloud Storage, Drive, an asset, BigQuery or a FeatureView; the rest: ``ExportOperator``.

    REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.table/export

    :param file_export_options: how files are written: ``fileFormat`` (default ``CSV``). (templated)
    :param asset_export_options: how an asset is written. (templated)
    :param bigquery_export_options: how BigQuery is written: ``bigqueryDestination`` with ``overwrite`` or
        ``append``. (templated)
    :param feature_view_export_options: how a FeatureView is built: ``ingestionTimeParameters``, … (templated)
    :param selectors: columns to write, in order: a list, or text with commas. (templated)
    :param max_error_meters: largest error of geometries that are reprojected, in metres. (templated)
    :param max_vertices: geometries with more vertices are cut. (templated)
    :param policy: who may use the asset from the beginning. (templated)
    """

    kind = "table"

    def __init__(
        self,
        *,
        file_export_options: Options | None = None,
        asset_export_options: Options | None = None,
        bigquery_export_options: Options | None = None,
        feature_view_export_options: Options | None = None,
        selectors: Sequence[str] | str | None = None,
        max_error_meters: float | str | None = None,
        max_vertices: int | str | None = None,
        policy: Options | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.file_export_options = file_export_options
        self.asset_export_options = asset_export_options
        self.bigquery_export_options = bigquery_export_options
        self.feature_view_export_options = feature_view_export_options
        self.selectors = selectors
        self.max_error_meters = max_error_meters
        self.max_vertices = max_vertices
        self.policy = policy


class EEVideoExportOperator(ExportOperator):
    """Export a collection of images to Cloud Storage or Drive as an MP4; the rest: ``ExportOperator``.

    REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.video/export

    :param video_options: ``framesPerSecond``, ``maxFrames``, ``maxPixelsPerFrame``. (templated)
    :param file_export_options: the place, where ``destination`` does not say it. (templated)
    """

    kind = "video"

    def __init__(
        self, *, video_options: Options | None = None, file_export_options: Options | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.video_options = video_options
        self.file_export_options = file_export_options


class EEMapExportOperator(ExportOperator):
    """Export an image to Cloud Storage as map tiles; the rest: ``ExportOperator``.

    REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.map/export

    :param tile_options: ``startZoom``, ``endZoom`` or ``scale``, ``skipEmpty``, ``mapsApiKey``. (templated)
    :param tile_export_options: how tiles are written: ``fileFormat`` (default ``AUTO_JPEG_PNG``), and of
        ``cloudStorageDestination`` the ``permissions`` and ``bucketCorsUris``. (templated)
    """

    kind = "map"

    def __init__(
        self, *, tile_options: Options | None = None, tile_export_options: Options | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.tile_options = tile_options
        self.tile_export_options = tile_export_options


class EEVideoMapExportOperator(ExportOperator):
    """Export a collection of images to Cloud Storage as video map tiles; the rest: ``ExportOperator``.

    The method is in the client libraries, not in the REST reference: ``projects.videoMap.export``.

    :param video_options: ``framesPerSecond``, ``maxFrames``, ``maxPixelsPerFrame``. (templated)
    :param tile_options: ``startZoom``, ``endZoom`` or ``scale``, ``dimensions``, ``stride``, … (templated)
    :param tile_export_options: how tiles are written: ``fileFormat`` (default ``MP4``). (templated)
    :param version: ``V1`` or ``V2``, the generation of the viewer. (templated)
    """

    kind = "videoMap"

    def __init__(
        self,
        *,
        video_options: Options | None = None,
        tile_options: Options | None = None,
        tile_export_options: Options | None = None,
        version: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.video_options = video_options
        self.tile_options = tile_options
        self.tile_export_options = tile_export_options
        self.version = version


class EEClassifierExportOperator(ExportOperator):
    """Export a classifier to an asset; the rest: ``ExportOperator``.

    REST page: https://developers.google.com/earth-engine/reference/rest/v1/projects.classifier/export

    :param asset_export_options: the asset, where ``destination`` does not say it; ``overwrite``. (templated)
    """

    kind = "classifier"

    def __init__(self, *, asset_export_options: Options | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.asset_export_options = asset_export_options
