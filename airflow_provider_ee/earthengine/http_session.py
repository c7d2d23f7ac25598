"""HTTP sessions that take what they carry only where they are told to.

Pages: https://requests.readthedocs.io/en/latest/user/quickstart/ (redirection),
https://requests.readthedocs.io/en/latest/user/authentication/ (netrc)
"""

from __future__ import annotations

from typing import TypeVar

import requests

_S = TypeVar("_S", bound=requests.Session)


def kept_straight(session: _S, *, loopback: bool) -> _S:
    """The session, which from now on follows no redirect: whatever asks for one is an answer like another.

    Neither a proxy nor ~/.netrc has a say in what goes to this machine. Elsewhere ~/.netrc would replace the
    Authorization header, which an ``auth`` of any kind prevents.

    :param loopback: whether it talks to this machine.
    """
    session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
    session.trust_env = not loopback
    session.auth = lambda request: request
    return session
