"""The service over HTTP: authentication, faults and the request log around each call."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_ee.emulator.call import Call
from airflow_provider_ee.emulator.errors import ServiceError, error_body
from airflow_provider_ee.emulator.faults import Fault, Faults
from airflow_provider_ee.emulator.methods import Methods
from airflow_provider_ee.emulator.schema import MAX_BODY_BYTES
from airflow_provider_ee.emulator.service import Service

LOG_LENGTH = 100_000
_LOG = logging.getLogger(__name__)
_TRANSPORT = "airflow_provider_ee.transport"
# Parameters by which Google's APIs take them, too: https://docs.cloud.google.com/apis/docs/system-parameters
_CREDENTIALS = frozenset({"key", "access_token", "oauth_token"})


class Front:
    """Takes requests in and gives answers out.

    :param tokens: bearer token -> user; with none, whoever asks is the user ``local``.
    """

    def __init__(self, service: Service, faults: Faults, tokens: dict[str, str]) -> None:
        self.service = service
        self.faults = faults
        self.tokens = tokens
        self.methods = Methods()
        self.log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)

    def user_of(self, request: Request) -> str:
        """Who asks.

        :raises ServiceError: if a token is required and none that is known was sent.
        """
        if not self.tokens:
            return "local"
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        user = self.tokens.get(token) if scheme.lower() == "bearer" else None
        if user is None:
            raise ServiceError(
                401,
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
                "other valid authentication credential.",
            )
        return user

    async def answer(self, request: Request) -> Response:
        """Carry a request out, as far as faults allow."""
        path: str = request.scope["path"]  # that of the URL ends at a quoted question mark
        found = self.methods.find(request.method, path)
        entry: dict[str, Any] = {
            "method": found[0].name if found else None,
            "verb": request.method,
            "path": path,
            "query": {name: value for name, value in request.query_params.items() if name not in _CREDENTIALS},
            "time": self.service.operations.now(),
            "user": None,
            "description": "",
            "status": None,
        }
        self.log.append(entry)
        try:
            entry["user"] = user = self.user_of(request)
            if found is None:
                raise ServiceError(404, f"Method {request.method} {path} not found.")
            call = Call(*found, user, dict(request.query_params), await _read(request))
            entry["description"] = await run_in_threadpool(self.service.description_of, call)
            response = await self._through_faults(call, entry["description"])
        except Exception as error:
            response = _refusal_of(error)
        entry["status"] = response.status_code
        response.headers["Date"] = formatdate(self.service.operations.now(), usegmt=True)
        return response

    async def _through_faults(self, call: Call, description: str) -> Response:
        fired = self.faults.matching(call.method.name, description, self.service.page_of(call))
        for fault in fired:
            if fault.point == "before" and (spoilt := await self._spoil(fault, None)):
                return spoilt
        call.faults = fired
        response = await run_in_threadpool(self._call, call)
        for fault in fired:
            if fault.point == "after":
                response = await self._spoil(fault, response) or response
        return response

    def _call(self, call: Call) -> Response:
        # A refusal is an answer like another: it too can be lost on its way.
        try:
            return JSONResponse(self.service.answer(call))
        except Exception as error:
            return _refusal_of(error)

    async def _spoil(self, fault: Fault, answer: Response | None) -> Response | None:
        """What is answered instead, or None where the fault only takes time."""
        await self.faults.pause(fault)
        if fault.drop:
            return DroppedResponse()
        if fault.error_status:
            answer = refusal(fault.error_status, fault.message)
            answer.headers.update(fault.headers)
        return CutResponse(answer) if fault.cut and answer else answer


class DroppedResponse(Response):
    """Closes the connection without an answer."""

    status_code = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Abort."""
        scope[_TRANSPORT].abort()
        await _disconnected(receive)


class CutResponse(Response):
    """Announces a whole answer, sends half of it and closes the connection."""

    def __init__(self, whole: Response) -> None:
        super().__init__(whole.body, whole.status_code)
        self.raw_headers = whole.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body[: len(self.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
        scope[_TRANSPORT].close()
        await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def with_transport(app: ASGIApp) -> ASGIApp:
    """Let responses reach the connection that they go through, which ASGI hides."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        cycle = getattr(receive, "__self__", None)
        scope[_TRANSPORT] = getattr(cycle, "transport", None)
        await app(scope, receive, send)

    return wrapped


def create_app(front: Front, routes: Callable[[FastAPI], None]) -> ASGIApp:
    """The application; ``routes`` adds further paths."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    routes(app)

    @app.get("/$discovery/rest")
    def discovery(request: Request) -> dict[str, Any]:
        return front.methods.discovery_document(str(request.base_url).rstrip("/"))

    answer: Callable[[Request], Awaitable[Response]] = front.answer
    app.add_api_route(
        "/v1/{path:path}", answer, methods=["GET", "POST", "PATCH", "PUT", "DELETE"], response_model=None
    )

    @app.exception_handler(ServiceError)
    async def refuse(request: Request, error: ServiceError) -> Response:
        return refusal(error.code, error.message)

    @app.exception_handler(Exception)
    async def refuse_what_nobody_foresaw(request: Request, error: Exception) -> Response:
        return _refusal_of(error)

    @app.exception_handler(HTTPException)
    async def refuse_in_the_same_form(request: Request, error: HTTPException) -> Response:
        return refusal(error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def refuse_a_control_request(request: Request, error: RequestValidationError) -> Response:
        wrong = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return refusal(422, "; ".join(wrong))

    return with_transport(app)


async def _read(request: Request) -> bytes:
    """The body; one that is far too large is not kept."""
    kept = bytearray()
    async for chunk in request.stream():
        if len(kept) <= MAX_BODY_BYTES:
            kept += chunk
    return bytes(kept)


def _refusal_of(error: Exception) -> Response:
    """The answer to a call that raised; what nobody has foreseen is answered in the service's form too."""
    if isinstance(error, ServiceError):
        return refusal(error.code, error.message)
    _LOG.error("A call could not be answered.", exc_info=error)
    return refusal(500, f"An internal error has occurred ({type(error).__name__}).")


def refusal(code: int, message: str) -> Response:
    """An answer that is not a success, in the service's form."""
    return JSONResponse(error_body(code, message), status_code=code)
