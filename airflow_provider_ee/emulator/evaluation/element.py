"""What collections are made of, and collections themselves: they all have properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from typing_extensions import Self


class Element:
    """Something with properties: an image, a feature or a collection."""

    properties: Mapping[str, Any]

    @property
    def index(self) -> str:
        """Its name in the collection that it comes from; empty if it comes from none."""
        return str(self.properties.get("system:index") or "")

    def having(self, properties: Mapping[str, Any]) -> Self:
        """The same element with these properties and no others."""
        changed: Self = replace(self, properties=properties)  # type: ignore[type-var]
        return changed

    def indexed(self, index: str) -> Self:
        """The same element under another name."""
        return self.having({**self.properties, "system:index": index})
