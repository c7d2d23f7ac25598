"""What a browser has shown, was answered, and asked of other machines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Error, Page, Request, Route


class Witness:
    """Remembers all that a page, an address or an answer has held.

    :param airflow_url: of the Airflow that is looked at.
    :param pictures: folder that screenshots are written to.
    """

    def __init__(self, context: BrowserContext, airflow_url: str, pictures: Path) -> None:
        self.shown: list[str] = []
        self.answers: dict[str, list[str]] = {}
        self.asked_elsewhere: list[str] = []
        self._pictures = pictures
        self._airflow_url = airflow_url
        self._context = context
        context.on("requestfinished", self._read_answer)

    def look_at(self, page: Page, picture: str = "") -> None:
        """Remember what a page shows now, also as a picture of this name."""
        self.shown += [page.url, page.content()]
        if picture:
            self._pictures.mkdir(parents=True, exist_ok=True)
            path = self._pictures / f"{picture}.png"
            page.screenshot(path=path, animations="disabled", caret="hide")
            _make_small(path)

    @contextmanager
    def standing_in_for_others(self) -> Iterator[None]:
        """Answer in the place of other machines, and remember what they were asked."""
        # Not for longer: with a route, a browser of Playwright's caches nothing.
        others = re.compile(rf"^(?!{re.escape(self._airflow_url)})")
        self._context.route(others, self._answer_for_others)
        yield
        self._context.unroute(others)

    def answers_to(self, path: str) -> list[str]:
        """The bodies of the answers from the addresses that hold this."""
        return [body for url, bodies in self.answers.items() if path in url for body in bodies]

    def _read_answer(self, request: Request) -> None:
        path = request.url.removeprefix(self._airflow_url)
        if path.startswith("/static/"):
            return
        try:
            answer = request.response()
            body = answer.text() if answer else ""
        except (Error, UnicodeDecodeError):  # the page was left before it was read, or it is a picture
            return
        self.answers.setdefault(path, []).append(body)

    def _answer_for_others(self, route: Route) -> None:
        self.asked_elsewhere.append(route.request.url)
        route.fulfill(status=200, content_type="text/html", body="<title>a page of Google's</title>")


def _make_small(path: Path) -> None:
    """Of 128 colours a page looks the same."""
    from PIL import Image

    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
