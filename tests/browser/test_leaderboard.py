"""The leaderboard of the committed records in a browser; `nox -s browser` runs this."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from ltbench.report.leaderboard import render


@pytest.fixture(scope="session")
def address(written) -> str:
    return written(render)


@pytest.fixture
def board(page):
    """The committed setting with the most methods."""
    return page.locator("article", has_text="digits_lt(imbalance=20)").first


def column(board, number: int) -> list[str]:
    cells = board.locator(f"tbody tr:not([hidden]) > :nth-child({number})").all_inner_texts()
    return [text.strip() for text in cells]


def test_it_fits_the_screen_is_large_enough_to_read_and_pictures_are_taken(page, size, theme):
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= seen
    letters = page.evaluate(
        """[...document.querySelectorAll("body *")]
           .filter((each) => each.checkVisibility() && each.innerText?.trim())
           .map((each) => parseFloat(getComputedStyle(each).fontSize))"""
    )
    assert min(letters) >= 11
    folder = Path(os.environ["LTBENCH_SCREENSHOTS"])
    page.screenshot(path=folder / f"leaderboard-{size}-{theme}.png")
    for name in ("Leaderboards", "Records"):
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()


def test_columns_sort_and_methods_are_found(page, board):
    header = board.locator("thead th", has_text="few")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    few = [float(text) for text in column(board, 7)]
    assert few == sorted(few, reverse=True)
    assert few != sorted(few)
    board.get_by_role("searchbox").fill("ldam")
    methods = column(board, 2)
    assert methods
    assert all("ldam" in method.lower() for method in methods)
    assert len(methods) < len(few)


def test_every_record_has_a_link_that_opens_it(page, board, address):
    link = board.locator("td.seeds a").first
    fingerprint = link.get_attribute("href").removeprefix("#")
    assert len(fingerprint) == 16
    page.goto(f"{address}#{fingerprint}")
    expect(page.locator(f'[id="{fingerprint}"]')).to_be_visible()
    expect(page.locator(f'[id="{fingerprint}"]')).to_be_in_viewport()
