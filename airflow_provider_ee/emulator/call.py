"""A request, as far as the service is concerned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_ee.emulator.faults import Fault
from airflow_provider_ee.emulator.methods import Method


@dataclass
class Call:
    """One call of a method for a resource, by a user."""

    method: Method
    resource: str
    user: str
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    faults: Sequence[Fault] = ()

    @property
    def project(self) -> str:
        """The project in the path."""
        return self.resource.split("/")[1]
