"""The Earth Engine REST API on your machine, with real pixels. Imports nothing of the rest of this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_ee.emulator.server import EarthEngineEmulator as EarthEngineEmulator

__all__ = ["EarthEngineEmulator"]


def __getattr__(name: str) -> Any:
    """Load the server when it is asked for: it brings FastAPI and rasterio."""
    if name == "EarthEngineEmulator":
        from airflow_provider_ee.emulator.server import EarthEngineEmulator

        return EarthEngineEmulator
    raise AttributeError(name)
