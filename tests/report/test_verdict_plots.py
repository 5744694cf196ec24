"""The first pictures of the page."""

import re
from dataclasses import replace

import pytest

from ltbench.report import verdict_plots
from ltbench.report.page import render
from ltbench.report.svg import drawing
from ltbench.tables.claims import load_claims
from ltbench.tables.definition import load
from ltbench.tables.ledger import ledger_of
from ltbench.tables.shipped import shipped


def ledger(store):
    tables = [load(name) for name in sorted(shipped())]
    return ledger_of(tables, load_claims(tables), store)


def drawn(make, lines):
    with drawing():
        return make(lines)


def coloured(plot, word):
    return len(re.findall(rf"(?:fill|stroke): var\(--{word}\)", plot.image))


def test_every_value_with_records_is_a_row_coloured_by_its_verdict(filled):
    every = ledger(filled).cells
    lines = [line for line in every if line.difference is not None and line.tolerance is not None]
    plot = drawn(verdict_plots.cells, every)
    assert set(plot.verdicts) == {line.verdict.word for line in lines}
    for word in plot.verdicts:
        assert coloured(plot, word)
    told = re.findall(r"on ([^ ]+) ([0-9.]+), ours ([^,;]+), (\w+)", plot.image.unescape())
    rows = {(data, round(float(value), 1), ours, word) for data, value, ours, word in told}
    assert rows == {
        (line.dataset, round(line.reported, 1), str(line.reproduced), line.verdict.word)
        for line in lines
    }


def test_rows_stand_below_their_data_set_and_tables_and_none_is_there_twice(filled):
    plot = drawn(verdict_plots.cells, ledger(filled).cells)
    texts = [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", plot.image)]
    assert "cifar100_lt(imbalance=100), resnet32" in texts
    (tables,) = (text for text in texts if text.startswith("tables "))
    assert {"1", "4", "cc_sam/1"} <= set(tables.removeprefix("tables ").split(", "))
    rows = [text for text in texts if text.endswith((", top-1", ", many", ", medium", ", few"))]
    assert "CE (Baseline), many" in rows
    assert len(rows) == len(set(rows))
    assert "CE, many" not in rows  # table 4 reports what table 1 does
    assert {"CE (Baseline), top-1 (1)", "CE, top-1 (4)"} <= set(texts)  # 38.3 and 38.4


def test_the_band_is_the_tolerance_around_the_reported_value(store, keep):
    keep("ce", 0, 3, dataset="cifar100_lt(imbalance=50)")
    (line, *_) = (line for line in ledger(store).cells if line.reproduced is not None)
    figure = verdict_plots.drawing_of({line.dataset: (f"table {line.table}", [line])})
    (band,) = figure.axes[0].patches
    left, right = band.get_x(), band.get_x() + band.get_width()
    assert (left, right) == pytest.approx((-1, 1))
    dots = [each for each in figure.axes[0].lines if each.get_marker() == "o"]
    assert [list(dot.get_xdata()) for dot in dots] == [[pytest.approx(line.difference)]]


def test_a_value_that_is_far_off_is_a_triangle_at_the_edge_and_hides_no_tolerance(store, keep):
    keep("ce", 0, 3, dataset="cifar100_lt(imbalance=50)")
    (line, *_) = (line for line in ledger(store).cells if line.reproduced is not None)
    far = replace(line, reported=line.reported - 30)
    figure = verdict_plots.drawing_of({line.dataset: ("table 1", [far])})
    axes = figure.axes[0]
    assert axes.get_xlim() == pytest.approx((-3 * line.tolerance, 3 * line.tolerance))
    (edge,) = [each for each in axes.lines if each.get_marker() in ("<", ">")]
    assert (edge.get_marker(), edge.get_xdata()[0]) == (">", pytest.approx(2.79 * line.tolerance))


@pytest.mark.parametrize("seeds", [2, 3])
def test_an_interval_is_drawn_from_three_seeds_on(store, keep, seeds):
    for seed in range(seeds):
        keep("ce", seed, 3, dataset="cifar100_lt(imbalance=50)")
    plot = drawn(verdict_plots.cells, ledger(store).cells)
    assert ("stroke-width: 2.4" in plot.image) == (seeds == 3)


def test_pictures_come_first_then_the_users_runs(text, store):
    assert "numbers hold?" in text
    positions = [text.index(each) for each in ("<svg", 'id="settings"', 'id="verdicts"')]
    assert positions == sorted(positions)
    assert "Reproduced minus reported" in text
    assert "Reproduced minus reported" not in render(store).text


def test_a_report_on_no_papers_values_asks_for_the_best_method(store, keep):
    keep("ce", dataset="digits_lt(imbalance=20)", network="resnet8", protocol="fast")
    text = render(store).text
    assert "<h1>How do these methods compare?</h1>" in text
    assert "numbers hold?" not in text


def test_the_head_counts_the_verdicts(page):
    chips = [text for tag, text in page.having("class") if "chip" in tag["class"]][:6]
    counts = dict(reversed(chip.split(" ", 1)) for chip in chips)
    assert list(counts) == ["holds", "differs", "undecided", "proxy", "not run", "cannot run"]
    summed = {tag["data-word"]: text for tag, text in page.having("data-word")[:6]}
    assert counts == summed


def test_no_letter_is_below_eleven_pixels_and_no_backtick_is_left(text):
    sizes = {float(size) for size in re.findall(r"font(?:-size)?: ([\d.]+)px", text)}
    assert min(sizes) >= 11
    assert "`" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def test_methods_that_are_not_told_apart_from_the_first_are_shaded(store, keep):
    for seed in range(3):
        keep("ce", seed, 10)
        keep("sam", seed, 10 + (-1) ** seed)
        keep("bcl", seed, 60 + seed)
    (table,) = re.findall(
        r'<table class="sortable" id="s0-table">.*?</table>', render(store).text, re.DOTALL
    )
    rows = re.findall(r'<tr(.*?)>\s*<td.*?</td>\s*<th scope="row">(.*?)</th>', table)
    assert {name: "alike" in row for row, name in rows} == {"ce": False, "sam": True, "bcl": False}
