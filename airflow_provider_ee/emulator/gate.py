"""Who may ask at all, told before anything of a request but its head is read.

On a loopback address it is the programs of this machine, and not the pages that its browser shows: a page of
another host can post to any address, and its name can be made to lead to this one. Elsewhere it is whoever has a
token.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_ee.emulator.app import Front, refusal
from airflow_provider_ee.emulator.errors import ServiceError

CONTROL = "/_emulator"
"""What the paths of the control begin with."""


def gated(app: ASGIApp, front: Front, *, loopback: bool) -> ASGIApp:
    """The application behind a gate.

    :param loopback: whether it is bound to a loopback address.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        answer = app
        if scope["type"] == "http":
            try:
                _check(Request(scope), front, loopback=loopback)
            except ServiceError as error:
                answer = refusal(error.code, error.message)
        await answer(scope, receive, send)

    return guarded


def is_loopback(name: str) -> bool:
    """Whether a name or an address is that of this machine.

    :raises ValueError: if it is neither ``localhost`` nor an address.
    """
    return name == "localhost" or ipaddress.ip_address(name).is_loopback


def _check(request: Request, front: Front, *, loopback: bool) -> None:
    if not loopback:
        if request.scope["path"].startswith(CONTROL):
            front.user_of(request)
        return
    origin = request.headers.get("origin")
    if not _leads_here(f"//{request.headers.get('host', '')}") or (origin and not _leads_here(origin)):
        raise ServiceError(403, "The emulator answers under loopback names only, and to no page of another host.")


def _leads_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
