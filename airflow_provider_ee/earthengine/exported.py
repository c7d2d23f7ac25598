"""Exported: what an export is made of, for those who ask later where a result comes from."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from airflow_provider_ee.earthengine.datasets import datasets_read
from airflow_provider_ee.earthengine.graph import to_json

if TYPE_CHECKING:
    from airflow_provider_ee.earthengine.messages import ExportRequest

MOST_INPUTS = 100
"""So many inputs are named: a mosaic may be of thousands of scenes."""


@dataclass(frozen=True)
class Exported:
    """The provenance of a result, as plain data that can be carried from one process to another.

    :param kind: of the export: ``image``, ``table``, ``video``, ``map``, ``videoMap`` or ``classifier``.
    :param destination: where it writes, as users write it.
    :param inputs: what the expression reads (``datasets_read``), at most ``MOST_INPUTS``.
    :param expression_hash: SHA-256 of the expression as it is sent, in hexadecimal.
    :param pixel_count: of the grid, where the request says how large it is.
    """

    kind: str
    destination: str
    inputs: list[str]
    expression_hash: str
    pixel_count: int | None = None

    @classmethod
    def by(cls, request: ExportRequest) -> Exported:
        """What a checked request exports."""
        return cls(
            request.kind,
            request.destination,
            datasets_read(request.expression)[:MOST_INPUTS],
            sha256(to_json(request.expression).encode()).hexdigest(),
            request.pixel_count,
        )
