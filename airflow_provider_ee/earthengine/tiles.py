"""Tiles of a grid as the arguments of one mapped export each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from airflow_provider_ee.earthengine.errors import RequestError
from airflow_provider_ee.earthengine.grid import PixelGrid

# Not the braces of a Jinja template, {{ name }}.
_NAME = re.compile(r"(?<!\{)\{name\}(?!\})")


def export_tiles(
    tiles: Iterable[PixelGrid], destination: str, description: str = "{name}", **constant: Any
) -> list[dict[str, Any]]:
    """What ``EEImageExportOperator.partial(…).expand_kwargs(…)`` takes to export each tile to a place of its own.

    The same tiles give the same list whenever a DAG file is parsed. Jinja templates stay as they are, and are
    rendered when the task runs.

    :param tiles: of ``PixelGrid.tiles`` or ``PixelGrid.tiles_for_export``; or grids with different names.
    :param destination: ``gs://bucket/prefix``, ``drive://folder/prefix`` or ``projects/p/assets/name``, with
        ``{name}`` where the tile's name belongs. Without it the name is put at the end.
    :param description: of the tasks in Earth Engine, likewise with ``{name}``.
    :param constant: other arguments, the same for every tile, such as ``max_pixels``; what takes room belongs in
        ``partial`` instead, where it is written once.
    :raises RequestError: if two tiles have the same name: one would overwrite the other.
    """
    if "grid" in constant:
        raise RequestError("export_tiles gives each tile its grid; leave grid out.")
    items: dict[str, dict[str, Any]] = {}
    for tile in tiles:
        if not isinstance(tile, PixelGrid):
            raise RequestError(f"tiles must be PixelGrids, not {tile!r:.80}.")
        if tile.name in items:
            raise RequestError(f"two tiles are called {tile.name!r}, and one would overwrite the other.")
        items[tile.name] = {
            "grid": tile.to_rest(),
            "destination": _named("destination", destination, tile.name),
            "description": _named("description", description, tile.name),
            **constant,
        }
    return list(items.values())


def _named(what: str, template: str, name: str) -> str:
    """The text with a tile's name in it, or after it, set off by what its form asks for."""
    if not isinstance(template, str):
        raise RequestError(f"{what} must be text, not {template!r:.80}.")
    if _NAME.search(template):
        return _NAME.sub(name, template)
    if what == "destination" and re.fullmatch(r"\w+://[^/]+", template):  # only a bucket, or a folder of Drive
        return f"{template}/{name}"
    return template + name if template.endswith(("/", "_", "-")) else f"{template}_{name}"
