"""The functions of the service that the emulator knows, by what they are about."""

from __future__ import annotations

from importlib import import_module

_MODULES = (
    "arithmetic",
    "assets",
    "bands",
    "collections",
    "composites",
    "dates",
    "filters",
    "geometries",
    "masks",
    "projections",
    "properties",
)


def declare() -> None:
    """Fills the registry."""
    for module in _MODULES:
        import_module(f"{__name__}.{module}")
