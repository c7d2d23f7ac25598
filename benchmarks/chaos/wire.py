"""How a worker and its supervisor talk: frames of Airflow 3's own shape, in JSON where that is not at hand."""

from __future__ import annotations

import json
import socket
from typing import Any

try:
    from airflow.sdk.execution_time.comms import CommsDecoder  # noqa: F401 (tells Airflow 3 from 2)
    from msgspec import msgpack

    AIRFLOW3 = True
    _encode, _decode = msgpack.encode, msgpack.decode
except ImportError:
    AIRFLOW3 = False

    def _encode(frame: Any) -> bytes:
        return json.dumps(frame).encode()

    _decode = json.loads


def send(channel: socket.socket, frame: list[Any]) -> None:
    """Send a frame: its number, its body and, in an answer, an error."""
    payload = _encode(frame)
    channel.sendall(len(payload).to_bytes(4, "big") + payload)


def receive(channel: socket.socket) -> list[Any] | None:
    """The next frame; None once the other side is gone."""
    try:
        head = _read(channel, 4)
        return head and _decode(_read(channel, int.from_bytes(head, "big")))
    except (ConnectionError, EOFError):
        return None


def _read(channel: socket.socket, length: int) -> bytes:
    chunks = bytearray()
    while len(chunks) < length:
        chunk = channel.recv(length - len(chunks))
        if not chunk:
            return b""
        chunks += chunk
    return bytes(chunks)
