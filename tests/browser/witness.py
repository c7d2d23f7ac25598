"""What a browser has shown, was answered, and asked of other machines."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import BrowserContext, Error, Page, Request, Route


class Witness:
    """Remembers all that a page, an address or an answer has held, and answers in the place of other machines.

    :param airflow_url: of the Airflow that is looked at.
    :param pictures: folder that screenshots are written to.
    """

    def __init__(self, context: BrowserContext, airflow_url: str, pictures: Path) -> None:
        self.shown: list[str] = []
        self._answers: dict[str, list[str]] = {}
        self._asked: dict[str, None] = {}
        self.asked_elsewhere: list[str] = []
        self._pictures = pictures
        self._airflow_url = airflow_url
        self._context = context
        context.on("request", self._remember)
        context.on("requestfinished", self._read_answer)
        # From the beginning: requests that are on their way when the first route is set are not told of.
        context.route(re.compile(rf"^(?!{re.escape(airflow_url)})"), self._answer_for_others)

    def look_at(self, page: Page, picture: str = "") -> None:
        """Remember what a page shows now, also as a picture of this name."""
        self.shown += [page.url, page.content()]
        if picture:
            self._pictures.mkdir(parents=True, exist_ok=True)
            path = self._pictures / f"{picture}.png"
            page.screenshot(path=path, animations="disabled", caret="hide")
            _make_small(path)

    def answers(self) -> dict[str, list[str]]:
        """What Airflow's API has answered: path -> bodies."""
        for path in self._asked:  # what was on its way when a page changed may not have been read
            if path not in self._answers:
                self._answers[path] = [self._context.request.get(f"{self._airflow_url}{path}").text()]
        return self._answers

    def _remember(self, request: Request) -> None:
        path = request.url.removeprefix(self._airflow_url)
        if request.method == "GET" and path.startswith(("/api/", "/ui/")):
            self._asked[path] = None

    def _read_answer(self, request: Request) -> None:
        path = request.url.removeprefix(self._airflow_url)
        if path.startswith("/static/"):
            return
        with suppress(Error, UnicodeDecodeError):  # it is gone, or a picture
            answer = request.response()
            self._answers.setdefault(path, []).append(answer.text() if answer else "")

    def _answer_for_others(self, route: Route) -> None:
        self.asked_elsewhere.append(route.request.url)
        route.fulfill(status=200, content_type="text/html", body="<title>a page of Google's</title>")


def _make_small(path: Path) -> None:
    """Of 128 colours a page looks the same."""
    from PIL import Image

    Image.open(path).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
