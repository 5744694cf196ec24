"""docs/readings.md names every reading, and its numbers are those of the committed studies."""

import csv
import math
import re
import runpy
import statistics
from dataclasses import fields
from pathlib import Path

import pytest

from ltbench.registry.methods import find
from ltbench.specification import parse
from ltbench.tables.definition import load
from ltbench.tables.shipped import shipped

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = (DOCS / "readings.md").read_text()


def rows_of(name):
    return list(csv.DictReader((DOCS / name).read_text().splitlines()))


@pytest.fixture(scope="module")
def studies():
    found = {}
    for row in rows_of("readings.csv"):
        own = found.setdefault(row["study"], {})
        own[row["setting"], int(row["epoch"]), row["quantity"]] = float(row["value"])
    return found


def section(heading):
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return text


@pytest.mark.parametrize(
    ("method", "heading"),
    [
        ("gkp", "GKP and GSA"),
        ("gsa", "GKP and GSA"),
        ("cc_sam", "CC-SAM"),
        ("more", "MORE"),
        ("gala", "GALA, BCL, GBG, SAM"),
        ("bcl", "GALA, BCL, GBG, SAM"),
        ("sam", "GALA, BCL, GBG, SAM"),
    ],
)
def test_every_parameter_of_the_papers_methods_is_a_reading_that_is_named(method, heading):
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", section(heading)))))
    assert {each.name for each in fields(find(method)) if each.init} <= named


def test_cross_entropy_and_what_all_share_have_their_readings():
    text = section("CE, and what all share")
    for place in ("recipe of CE", "warm-up", "initial linear classifier", "normalisation"):
        assert f"| {place}" in text


def test_every_study_has_rows_and_every_row_a_study(studies):
    assert set(runpy.run_path(str(DOCS / "measure_readings.py"))["STUDIES"]) == set(studies)


def test_groups_are_by_similarity_in_at_least_half_of_the_partitions(studies):
    own = {name: value for (_, _, name), value in reversed(studies["groups"].items())}
    assert own["by similarity"] >= own["partitions"] / 2
    assert f"{own['by similarity']:.0f} of the {own['partitions']:.0f} partitions" in PAGE


def test_the_curves_of_the_run_are_those_of_its_table():
    value = {
        (row["epoch"], row["images"], row["form"], row["group"]): float(row["quality"])
        for row in rows_of("quality_bcl.csv")
    }
    columns = [("crop", "release"), ("crop", "plain"), ("crop", "normalised"), ("test", "release")]
    shown = re.findall(r"^\| (\d+) \| (\S+ / .*) \|$", section("GKP and GSA"), re.MULTILINE)
    assert len(shown) > 10
    for epoch, cells in shown:
        pairs = [[value[epoch, *c, group] for group in ("many", "few")] for c in columns]
        assert cells == " | ".join(f"{many:.2f} / {few:.2f}" for many, few in pairs)


def test_tables_of_cost_owned_gradients_and_averages_are_those_of_the_studies(studies):
    for (setting, _, name), value in studies["cost"].items():
        if setting == "bcl+gsa":
            (shown,) = re.findall(rf"^\| {name} \| (\S+) \|$", PAGE, re.MULTILINE)
            assert float(shown) == pytest.approx(value, abs=0.0051)
    for part in ("class gradients", "displacements", "displaced forward pass", "displaced step"):
        (shown,) = re.findall(rf"^\| {part} \| (\S+ \| \S+) \|$", PAGE, re.MULTILINE)
        own = [studies["classes"][name, 0, part] for name in ("cifar10_lt", "cifar100_lt")]
        assert [float(each) for each in shown.split(" | ")] == pytest.approx(own, abs=0.0051)
    line = r"^\| (`\S+`)? *\| (\d+)-(\d+) \| (\S+) \| (\S+) \| (\S+) \|$"
    method, rows = "", re.findall(line, PAGE, re.MULTILINE)
    assert len(rows) == 9
    for cell, first, last, *shown in rows:
        method = cell.strip("`") or method
        for name, mean in zip(("displacement", "change", "step"), shown, strict=True):
            own = [
                value
                for (setting, epoch, quantity), value in studies["owned"].items()
                if (setting, quantity) == (method, name) and int(first) <= epoch <= int(last)
            ]
            assert float(mean) == pytest.approx(sum(own) / len(own), abs=0.0051)
    for words, average, scale in [
        ("`bcl+gsa(average='image')`", "image", 0.01),
        ("`bcl+gsa(scale=0.0)`, groups averaged", "group", 0.0),
        ("`bcl+gsa`", "group", 0.01),
        ("`bcl+gsa(average='sum')`", "sum", 0.01),
    ]:
        (line,) = re.findall(rf"^\| {re.escape(words)} \| (\d+\.\S* .*) \|$", PAGE, re.MULTILINE)
        expected = [
            studies["averages"][f"{kind}, {average}, Z = {scale}", 12, name]
            for kind in ("similar", "by size")
            for name in ("norm", "cosine")
        ]
        assert [float(cell) for cell in line.split(" | ")] == pytest.approx(expected, abs=0.0051)


def shares(studies, where, amplitude, seeds, epoch):
    """Return the logarithms of many's and few's shares of the control with the same seed."""
    return [
        [
            math.log(of(studies, where, amplitude, seed, epoch, name))
            - math.log(of(studies, where, 0.0, seed, epoch, name))
            for seed in range(seeds)
        ]
        for name in ("many", "few")
    ]


def of(studies, where, amplitude, seed, epoch, name):
    setting = f"{where}, amplitude {amplitude}, seed {seed}"
    return studies["amplitude"][setting, epoch, f"discrepancy_{name}"]


def test_the_amplitudes_table_is_in_shares_of_the_control(studies):
    line = r"^\| ([\d.]+)(?:, as quoted)? \| (\S+ / .*) \| (\S+) \[(\S+), (\S+)\] \|$"
    shown = re.findall(line, section("MORE"), re.MULTILINE)
    assert len(shown) == 5
    for amplitude, cells, *interval in shown:
        for epoch, cell in zip((18, 24, 30), cells.split(" | "), strict=True):
            own = shares(studies, "digits, 30 epochs", float(amplitude), 8, epoch)
            for share, logarithms in zip(cell.split(" / "), own, strict=True):
                digits = len(share.partition(".")[2])
                mean = math.exp(statistics.fmean(logarithms))
                assert float(share) == pytest.approx(mean, abs=0.51 * 10**-digits)
        ratios = [few - many for many, few in zip(*own, strict=True)]
        mean, deviation = statistics.fmean(ratios), statistics.stdev(ratios)
        half = 2.3646 * deviation / math.sqrt(8)  # Student's t of seven degrees of freedom
        expected = [math.exp(each) for each in (mean, mean - half, mean + half)]
        assert [*map(float, interval)] == pytest.approx(expected, abs=0.0051)


def test_the_controls_discrepancies_lie_where_the_page_says(studies):
    ends = []
    for name in ("many", "few"):
        found = [of(studies, "digits, 30 epochs", 0.0, seed, 30, name) for seed in range(8)]
        ends.append(f"{min(found):.2f} and {max(found):.2f}")
    assert f"between {' / '.join(ends)} at the end" in section("MORE")


@pytest.mark.parametrize(
    ("where", "seeds", "epoch"), [("digits, 12 epochs", 8, 12), ("cifar100_lt, 4 epochs", 3, 4)]
)
def test_short_runs_shares_are_those_of_the_study(studies, where, seeds, epoch):
    many, few = (
        f"{math.exp(statistics.fmean(each)):.2f}"
        for each in shares(studies, where, 0.001, seeds, epoch)
    )
    assert f"{many} / {few}" in section("MORE")


READ = ("gkp", "gsa", "gkp_gsa", "cc_sam", "gala", "more")  # the methods with readings of weight


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_table_names_the_readings_of_its_rows(name):
    definition = load(name).definition
    methods = [row.method for row in definition.rows if row.method is not None]
    if any(term.name in READ for method in methods for term in parse(method)):
        assert any("docs/readings.md" in note for note in definition.notes)
