"""The report of the committed records, clicked through in a browser; `nox -s browser` runs this.

LTBENCH_CHROMIUM is the browser, LTBENCH_SCREENSHOTS the folder for pictures to look at.
"""

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ltbench.report.page import render

SECTIONS = ["top", "settings", "verdicts", "ledger", "claims", "tables", "records"]


@pytest.fixture(scope="session")
def address(written) -> str:
    return written(render)


@pytest.fixture
def digits(page) -> str:
    """Return the id of the committed setting with the most records: five seeds of each method."""
    setting = page.locator("article.setting", has_text="digits_lt(imbalance=20)")
    return setting.filter(has_text="resnet8, protocol fast (").get_attribute("id")


def background(page: Page) -> int:
    """Return the page's lightness, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(colour.removeprefix("rgb(").split(",")[0])


def shown(page: Page, table: str, column: int) -> list[str]:
    cells = page.locator(f"#{table} tbody tr:not([hidden]) > :nth-child({column})")
    return [text.strip() for text in cells.all_inner_texts()]


def test_nothing_is_wider_than_the_screen_and_pictures_are_taken(page, size, theme):
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= seen
    for number, section in enumerate(SECTIONS):
        page.evaluate("id => document.getElementById(id).scrollIntoView()", section)
        folder = Path(os.environ["LTBENCH_SCREENSHOTS"])
        page.screenshot(path=folder / f"{size}-{theme}-{number}-{section}.png")
    figures = page.locator("svg.plot")
    assert figures.count() > 10
    for figure in figures.all():
        scrolled = figure.locator("xpath=ancestor::*[contains(@class, 'scroller')]")
        box = (scrolled if scrolled.count() else figure).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= seen
        assert box["height"] > 60


def test_a_column_sorts_both_ways_and_says_so(page, digits):
    column = page.locator(f"#{digits}-table thead th").nth(6)  # few
    before = [float(text) for text in shown(page, f"{digits}-table", 7)]
    assert before != sorted(before, reverse=True)
    column.get_by_role("button").click()
    expect(column).to_have_attribute("aria-sort", "descending")
    assert [float(text) for text in shown(page, f"{digits}-table", 7)] == sorted(
        before, reverse=True
    )
    column.get_by_role("button").press("Enter")
    expect(column).to_have_attribute("aria-sort", "ascending")
    assert [float(text) for text in shown(page, f"{digits}-table", 7)] == sorted(before)
    page.locator(f"#{digits}-table thead th").nth(1).get_by_role("button").click()
    assert page.locator(f"#{digits}-table [aria-sort]").count() == 1
    methods = shown(page, f"{digits}-table", 2)
    assert methods[0] == min(methods)


def test_what_is_missing_sorts_to_the_end(page):
    column = page.locator("#table-1 thead tr").last.locator("th").nth(1)
    for order in ("descending", "ascending"):
        column.get_by_role("button").click()
        expect(column).to_have_attribute("aria-sort", order)
        first = page.locator("#table-1 tbody tr").first
        assert first.locator("td").first.get_attribute("data-reproduced") is not None
    page.locator(".filters[data-for='table-1'] select").select_option("reported")
    values = page.locator("#table-1 tbody td:nth-child(2)").evaluate_all(
        "cells => cells.map((cell) => Number(cell.dataset.reported))"
    )
    assert values == sorted(values)
    page.get_by_label("only rows with records").first.check()
    assert 0 < len(shown(page, "table-1", 1)) < len(values)


def test_the_theme_is_the_systems_until_the_button_says_otherwise(page, theme):
    dark = theme == "dark"
    assert (background(page) < 80) == dark
    page.get_by_role("button", name=f"Switch to the {'light' if dark else 'dark'} theme").click()
    assert (background(page) < 80) != dark
    page.reload()
    assert (background(page) < 80) != dark


def test_a_number_opens_its_records(page, digits, size, theme):
    link = page.locator(f"#{digits}-table a.records").first
    link.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    seeds = link.get_attribute("data-seeds").split()
    expect(dialog.locator("tbody tr")).to_have_count(len(seeds))
    for seed in seeds:
        expect(dialog).to_contain_text(f"seed{seed}.json")
    expect(dialog).to_contain_text("Environment:")
    expect(dialog.locator("#dialog-note")).to_be_hidden()
    page.screenshot(path=Path(os.environ["LTBENCH_SCREENSHOTS"]) / f"{size}-{theme}-dialog.png")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()
    link.press("Enter")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    page.locator("#ledger-table tr[data-verdict='proxy'] a.records").first.click()
    expect(dialog.locator("#dialog-note")).to_contain_text("; proxy")


def test_the_ledger_is_filtered(page):
    form = page.locator(".filters[data-for='ledger-table']")
    with_records = shown(page, "ledger-table", 8)
    assert "not run" not in with_records
    form.get_by_label("Verdict").select_option("")
    total = len(shown(page, "ledger-table", 1))
    form.get_by_label("Search").fill("gkp+gsa few")
    rows = page.locator("#ledger-table tbody tr:not([hidden])").all_inner_texts()
    assert rows
    assert all("gkp+gsa" in row.lower() and "few" in row.lower() for row in rows)
    expect(form.locator("output")).to_have_text(f"{len(rows)} of {total}")
    form.get_by_label("Table").select_option("1")
    assert set(shown(page, "ledger-table", 1)) == {"1"}


def test_the_keyboard_reaches_the_content_and_sees_where_it_is(page):
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    assert skip.bounding_box()["x"] >= 0
    assert skip.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_texts_stand_out_from_what_they_lie_on(page):
    """WCAG's contrast of 4.5 for the page's text colours on its cards and on the page."""
    ratios = page.evaluate(
        """() => {
          const probe = document.body.appendChild(document.createElement("i"));
          const light = (name) => {
            probe.style.color = `var(--${name})`;
            const rgb = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map((v) => {
              const c = v / 255;
              return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
          };
          const found = {};
          const texts = ["ink", "muted", "accent", "holds", "differs", "undecided", "proxy"];
          for (const text of texts) {
            for (const ground of ["page", "card"]) {
              const [a, b] = [light(text), light(ground)].sort((x, y) => y - x);
              found[`${text} on ${ground}`] = (a + 0.05) / (b + 0.05);
            }
          }
          probe.remove();
          return found;
        }"""
    )
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}
