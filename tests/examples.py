"""A small expression and a small grid that many tests use."""

from __future__ import annotations

from typing import Any


def constant_image(value: float = 7) -> dict[str, Any]:
    """The expression of an image with one band."""
    arguments = {"value": {"constantValue": value}}
    node = {"functionInvocationValue": {"functionName": "Image.constant", "arguments": arguments}}
    return {"result": "0", "values": {"0": node}}


GRID = {
    "crsCode": "EPSG:32719",
    "affineTransform": {"scaleX": 10.0, "translateX": 600000.0, "scaleY": -10.0, "translateY": 4700020.0},
    "dimensions": {"width": 30, "height": 20},
}
