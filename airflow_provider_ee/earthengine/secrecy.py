"""What others' texts quote of credentials, taken out before it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

_HIDDEN = "…"
_NAMES = ("token", "refresh_token", "client_secret")
_SHORTEST = 4  # in a shorter one, which an emulator may have, too much of a sentence would be found
# An Authorization header; and what is longer than words and names: a token, a part of a JWT.
_LIKE_A_SECRET = re.compile(r"(?i:basic|bearer)\s+[^\s'\"]+|[A-Za-z0-9_+=%-]{40,}")


def without_secrets(text: str, credentials: Credentials | None) -> str:
    """The text, without what the credentials, and those that they impersonate by, keep secret."""
    for secret in _secrets_of(credentials):
        for written in (secret, quote(secret, safe=""), quote(secret)):
            text = text.replace(written, _HIDDEN)
    return text


def without_likely_secrets(text: str, credentials: Credentials | None = None) -> str:
    """The text, also without what looks like a secret: to sign in, more is sent than the credentials keep."""
    return _LIKE_A_SECRET.sub(_HIDDEN, without_secrets(text, credentials))


def _secrets_of(credentials: Any) -> Iterator[str]:
    while credentials is not None:
        for name in _NAMES:
            # Some of google-auth's classes have a public name for it, others none.
            secret = getattr(credentials, name, None) or getattr(credentials, f"_{name}", None)
            if isinstance(secret, str) and len(secret) >= _SHORTEST:
                yield secret
        credentials = getattr(credentials, "_source_credentials", None)
