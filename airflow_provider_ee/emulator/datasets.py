"""The raster files that one export reads: opened once, closed together."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from types import TracebackType

import rasterio
from rasterio.io import DatasetReader

_MOST_OPEN = 128
_CACHE_MEGABYTES = 32


class Datasets:
    """Open files for one thread, the most recently used kept. A dataset of GDAL must not be shared by threads."""

    def __init__(self) -> None:
        self._environment = rasterio.Env(GDAL_CACHEMAX=_CACHE_MEGABYTES)
        self._open: OrderedDict[Path, DatasetReader] = OrderedDict()

    def open(self, path: Path) -> DatasetReader:
        """The open dataset of ``path``."""
        if path in self._open:
            self._open.move_to_end(path)
        else:
            self._open[path] = rasterio.open(path)
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)[1].close()
        return self._open[path]

    def __enter__(self) -> Datasets:
        self._environment.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for dataset in self._open.values():
            dataset.close()
        self._open.clear()
        self._environment.__exit__(kind, error, traceback)
