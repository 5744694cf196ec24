"""A browser at the sizes and in the themes that pages are looked at in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from ltbench.runs.store import Store

ROOT = Path(__file__).parents[2]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        path = os.environ["LTBENCH_CHROMIUM"]
        # Without a sandbox, for root in a container has none; the page is our own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=SIZES)
def size(request) -> str:
    return request.param


@pytest.fixture(params=["light", "dark"])
def theme(request) -> str:
    return request.param


@pytest.fixture
def opened(chromium, size, theme):
    """Open a page without a network; at its end it has said nothing to the console."""

    @contextmanager
    def opening(address: str) -> Iterator[Page]:
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, offline=True
        )
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(request.url))
        page.goto(address)
        yield page
        assert said == []
        context.close()

    return opening


@pytest.fixture
def page(opened, address):
    """The page at the address that a test file gives, open."""
    with opened(address) as page:
        yield page


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Write a page on the committed records, given what renders it; return its address."""

    def write(render) -> str:
        path = tmp_path_factory.mktemp("page") / "page.html"
        render(Store(ROOT / "results")).write(path, "--output")
        return path.as_uri()

    return write
