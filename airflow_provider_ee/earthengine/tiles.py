"""Tiles of a grid as the arguments of one mapped export each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.given import shown
from airflow_provider_ee.earthengine.grid import PixelGrid

# Not the braces of a Jinja template, {{ name }}.
_PLACEHOLDER = re.compile(r"(?<!\{)\{(name|crs)\}(?!\})")
_NAME = re.compile(r"(?<!\{)\{name\}(?!\})")
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.S)


def export_tiles(
    tiles: PixelGrid | Iterable[PixelGrid], destination: str, description: str = "{name}", **constant: Any
) -> list[dict[str, Any]]:
    """What ``EEImageExportOperator.partial(…).expand_kwargs(…)`` takes to export each tile to a place of its own.

    The same tiles give the same list whenever a DAG file is parsed. Jinja templates stay as they are, and are
    rendered when the task runs.

    Tiles are named by column and row, so those of two grids have the same names: of two UTM zones, give all tiles
    in one call, with ``{crs}`` in the destination; in two calls, a destination each. Nothing sees that two calls
    have the same one.

    :param tiles: of ``PixelGrid.tiles`` or ``PixelGrid.tiles_for_export``; or other grids, or one.
    :param destination: ``gs://bucket/prefix``, ``drive://folder/prefix`` or ``projects/p/assets/name``, with
        ``{name}`` where the tile's name belongs, and ``{crs}`` for its CRS, as ``EPSG-32631``. Without ``{name}``
        the name is put at the end. A destination that a Jinja template makes from its beginning must have it.
    :param description: of the tasks in Earth Engine, likewise with ``{name}`` and ``{crs}``.
    :param constant: other arguments, the same for every tile, such as ``max_pixels``; what takes room belongs in
        ``partial`` instead, where it is written once.
    :raises RequestError: if two tiles have the same destination: one would overwrite the other.
    """
    if "grid" in constant:
        raise RequestError("export_tiles gives each tile its grid; leave grid out.")
    items: dict[str, dict[str, Any]] = {}
    for tile in _grids(tiles):
        place = _named("destination", destination, tile)
        if place in items:
            raise RequestError(
                f"two tiles are called {tile.name!r}, and one would overwrite the other; give each grid a "
                "destination of its own, or put {crs} into it if the grids differ in their crs."
            )
        items[place] = {
            "grid": tile.to_rest(),
            "destination": place,
            "description": _named("description", description, tile),
            **constant,
        }
    return list(items.values())


def _grids(tiles: Any) -> Iterable[PixelGrid]:
    if isinstance(tiles, PixelGrid):
        tiles = [tiles]
    if not isinstance(tiles, Iterable):
        raise RequestError(f"tiles must be PixelGrids, not {shown(tiles)}.")
    for tile in tiles:
        if not isinstance(tile, PixelGrid):
            raise RequestError(f"tiles must be PixelGrids, not {shown(tile)}.")
        yield tile


def _named(what: str, template: str, tile: PixelGrid) -> str:
    """The text with a tile's name in it, or after it, set off by what its form asks for."""
    if not isinstance(template, str):
        raise RequestError(f"{what} must be text, not {shown(template)}.")
    if not _NAME.search(template):
        template += _separator(what, template) + "{name}"
    values = {"name": tile.name, "crs": tile.crs_name}
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def _separator(what: str, template: str) -> str:
    form = _JINJA.sub("x", template)
    if what == "destination" and form != template and "/" not in form:
        raise RequestError(
            f"destination {shown(template)} does not tell a bucket from a prefix before it is rendered; put "
            "{name} where the name of a tile belongs, as in '{{ var.value.destination }}/{name}'."
        )
    if what == "destination" and re.fullmatch(r"\w+://[^/]+", form):  # only a bucket, or a folder of Drive
        return "/"
    return "" if template.endswith(("/", "_", "-")) else "_"
