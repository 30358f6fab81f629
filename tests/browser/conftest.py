"""A browser of the system, driven by Playwright; without one these tests are skipped."""

from __future__ import annotations

import os
import shutil

import pytest
from playwright.sync_api import Error, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser():
    """The browser, started once."""
    named = os.environ.get("KVLEDGER_BROWSER")
    path = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no browser: install chromium, or name one in KVLEDGER_BROWSER")
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"{path} does not start: {str(error).splitlines()[0]}")
        yield started
        started.close()


class Seen:
    """A page and what it did besides being shown."""

    def __init__(self, page):
        self.page = page
        self.console: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path):
        """Show a file."""
        self.page.goto(path.resolve().as_uri())
        return self.page


@pytest.fixture
def seen(browser):
    """A fresh page of the usual width."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    yield Seen(context.new_page())
    context.close()


@pytest.fixture
def without_script(browser):
    """A fresh page that runs no JavaScript."""
    context = browser.new_context(java_script_enabled=False)
    yield Seen(context.new_page())
    context.close()
