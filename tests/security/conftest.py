"""Servers that credentials must not reach, and credentials that would be worth something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from listening import Listener


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Somebody else."""
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture
def another_listener() -> Iterator[Listener]:
    """Somebody else still."""
    listener = Listener()
    yield listener
    listener.close()


@pytest.fixture(scope="session")
def service_account_key() -> dict[str, Any]:
    """A service account's key, made for these tests."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "key-project",
        "private_key_id": "0123456789abcdef",
        "private_key": private.decode(),
        "client_email": "robot@key-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
