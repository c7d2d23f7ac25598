"""Where calls go: real credentials to Google's APIs and nowhere else, others to this machine and nowhere else."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from airflow_provider_ee.earthengine.errors import RequestError

DEFAULT_ENDPOINT = "https://earthengine.googleapis.com"

_GOOGLE_API = re.compile(r"([a-z0-9-]+\.)+googleapis\.com")


def check_endpoint(endpoint: str, *, real_credentials: bool) -> str:
    """The endpoint without a trailing slash.

    :param endpoint: base URL of the service.
    :raises RequestError: if credentials would go where they must not.
    """
    parts = _split(endpoint)
    if not parts or "@" in endpoint or parts.path.strip("/") or "?" in endpoint or "#" in endpoint:
        shown = "that was given" if "@" in endpoint else repr(endpoint)  # before the @ may stand a password
        raise RequestError(f"the api_endpoint {shown} must be a plain base URL such as {DEFAULT_ENDPOINT}.")
    if is_loopback(endpoint):
        if real_credentials:
            raise RequestError(
                f"api_endpoint {endpoint!r} is a loopback address, where real credentials must not go; "
                "set anonymous or token in the connection."
            )
    elif not is_google_api(endpoint):
        raise RequestError(
            f"api_endpoint {endpoint!r} must be https://….googleapis.com, or the loopback address of an emulator."
        )
    elif not real_credentials:
        raise RequestError(f"anonymous and token are for an emulator on a loopback address, not for {endpoint!r}.")
    return endpoint.rstrip("/")


def is_google_api(url: str) -> bool:
    """Whether a URL leads to an API of Google's, over TLS."""
    parts = _split(url)
    return bool(
        parts
        and parts.scheme == "https"
        and "@" not in parts.netloc
        and _GOOGLE_API.fullmatch(parts.hostname or "")
    )


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine."""
    parts = _split(url)
    host = (parts.hostname if parts else None) or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult | None:
    """The parts of a URL of HTTP; None if it is none, or might be read in another way by whoever sends to it."""
    if not re.fullmatch(r"[!-\[\]-~]+", url):  # printable ASCII without a space or a backslash
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.scheme in ("http", "https") and parts.netloc and parts.port != 0 else None
    except ValueError:
        return None
