"""The functions of the service that the emulator knows, by what they are about."""

from __future__ import annotations

from importlib import import_module

_MODULES = (
    "aggregates",
    "arithmetic",
    "assets",
    "bands",
    "collections",
    "composites",
    "dates",
    "dictionaries",
    "features",
    "filters",
    "geometries",
    "lists",
    "masks",
    "numbers",
    "projections",
    "properties",
    "reducers",
    "regions",
    "strings",
)


def declare() -> None:
    """Fills the registry."""
    for module in _MODULES:
        import_module(f"{__name__}.{module}")
