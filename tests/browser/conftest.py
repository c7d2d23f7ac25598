"""The system's Chromium before an Airflow of this machine; skipped where either Chromium or Playwright is missing."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from seen_airflow import SeenAirflow

if TYPE_CHECKING:
    from airflow_pages import AirflowPages
    from playwright.sync_api import Browser, BrowserContext

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
VIEWPORT = {"width": 1280, "height": 800}
PICTURES = Path(os.environ.get("BROWSER_SCREENSHOTS", SeenAirflow.pictures))
_began = time.monotonic()
_failed = False
_pages: list[AirflowPages] = []


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed; `make browser` installs it."
    )
    program = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if program is None:
        pytest.skip(f"No Chromium is found (looked for {', '.join(CHROMIUMS)}); `apt-get install chromium`.")
    options = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # nothing leaves this machine
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium has none for root
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def airflow(chromium: Browser, pytestconfig: pytest.Config) -> Iterator[SeenAirflow]:
    """An Airflow that nobody has touched yet."""
    terminal: Any = pytestconfig.pluginmanager.get_plugin("terminalreporter")

    def say(line: str) -> None:
        terminal.write_line(f"[{time.monotonic() - _began:4.0f} s] {line}")

    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("asked to end"))  # leaving nothing behind
    cluster = SeenAirflow()
    try:
        cluster.boot(say)
        yield cluster
        assert not cluster.dead(), f"ended by itself: {', '.join(cluster.dead())}"
    finally:
        cluster.close()
        shutil.rmtree(cluster.all_homes, ignore_errors=True)
    if _failed:
        say(f"What Airflow has logged is in {cluster.all_logs}, what was seen in {cluster.pictures}.")
    else:
        shutil.rmtree(cluster.all_logs, ignore_errors=True)


@pytest.fixture(scope="session")
def pages(chromium: Browser, airflow: SeenAirflow) -> Iterator[AirflowPages]:
    """The pages of that Airflow, in a browser that remembers what it was shown."""
    from airflow_pages import AirflowPages
    from witness import Witness

    context: BrowserContext = chromium.new_context(viewport=VIEWPORT, timezone_id="UTC", locale="en-GB")
    _pages.append(AirflowPages(context.new_page(), airflow.url, Witness(context, airflow.url, PICTURES)))
    yield _pages[-1]
    _pages.clear()
    context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Take a picture of what was seen when something failed."""
    global _failed
    report = yield
    if report.failed:
        _failed = True
        with suppress(Exception):  # it must not hide the failure
            _pages[-1].page.screenshot(path=SeenAirflow.pictures / f"failed-{item.name}.png")
    return report
