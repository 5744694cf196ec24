"""The statistics behind a table's cells, on records made to be simple."""

import numpy as np
import pytest
import scipy.stats
from consoles import printed

from ltbench.cli.views.details import print_details
from ltbench.runs.store import Cell
from ltbench.statistics.estimates import components
from ltbench.statistics.gains import paired, sign_flip
from ltbench.statistics.pooling import block
from ltbench.statistics.verdict import holm
from ltbench.tables.definition import load
from ltbench.tables.details import details_of

CE, SAM = "ce", "ce+sam(rho=0.1)"
BASE, GAINS = (38.0, 38.4, 38.9), (1.0, 1.4, 0.9)


@pytest.fixture
def filled(store, make_record):
    for seed, (base, gain) in enumerate(zip(BASE, GAINS, strict=True)):
        store.write(make_record(CE, seed, base))
        store.write(make_record(SAM, seed, base + gain))
        store.write(make_record("not_written", seed, base + 10 * gain))
    return store


def cell(found, label, header="all"):
    return next(
        each
        for each in found.lines
        if (each.row.label, each.resolved.column.header) == (label, header)
    )


def screen(found, width=120):
    return printed(print_details, found, width=width, terminal=True)


def test_gains_are_on_the_first_row_and_paired(table, filled):
    found = details_of(table, filled)
    assert cell(found, "[CE]").gain is None
    gain = cell(found, "Ours|new*").gain
    assert gain.estimate.mean == pytest.approx(np.mean(GAINS))
    assert gain.p_flip == pytest.approx(sign_flip(GAINS)) == pytest.approx(0.25)
    best, low, high = gain.superiority
    assert 0 < low < 0.5 < best < high < 1


def test_gains_are_analysed_by_blocks_where_the_methods_share_a_deviation(
    table, store, make_record
):
    scores = {CE: BASE, SAM: (39.1, 39.6, 39.7), "not_written": (40.0, 40.6, 40.7)}
    for method, values in scores.items():
        for seed, top1 in enumerate(values):
            store.write(make_record(method, seed, top1))
    gain = cell(details_of(table, store), "Ours|new*").gain
    residual = block(list(scores.values()))
    t = np.mean(np.subtract(scores[SAM], BASE)) / residual.points / np.sqrt(2 / 3)
    assert gain.p_value == pytest.approx(2 * scipy.stats.t.sf(t, 4))
    half = scipy.stats.t.ppf(0.975, 4) * residual.points * np.sqrt(2 / 3)
    assert gain.estimate.half_width == pytest.approx(half)
    alone = paired(np.subtract(scores[SAM], BASE).tolist())
    assert gain.p_value < alone.p_value()


def test_where_a_seed_is_missing_the_pair_alone_counts(table, filled):
    filled.path(Cell("cifar100_lt(imbalance=100)", "paper", "resnet32", SAM, 2)).unlink()
    found = details_of(table, filled)
    gain = cell(found, "Ours|new*").gain
    assert gain.estimate.n == 2
    lines = screen(found).splitlines()
    line = next(line for line in lines if line.startswith("Ours|new*") and "+" in line)
    assert line.split("+")[1].split()[:2] == ["1.2", "2"]  # the gain, and its pairs
    assert gain.p_value == pytest.approx(scipy.stats.ttest_1samp(GAINS[:2], 0).pvalue)


def test_the_base_is_the_first_row_that_can_have_records(store, make_record):
    for seed, top1 in enumerate((52.0, 53.0)):
        store.write(make_record("gkp_gsa(groups=2)", seed, top1))
        store.write(make_record("gkp_gsa", seed, top1 + 1))
    found = details_of(load("figure5"), store)
    gains = {line.row.label: line.gain for line in found.lines}
    assert gains["GKP+GSA G=2"] is None
    assert gains["GKP+GSA G=4"].estimate.mean == 1.0
    assert "Against GKP+GSA G=2: gain" in screen(found).replace("\n", " ")


def test_times_have_no_gains(store, make_record):
    for method, seconds in (("bcl", 7200.0), ("gkp_gsa", 14400.0)):
        store.write(make_record(method, 0, 50.0, seconds=seconds))
    found = details_of(load("7"), store)
    assert found.lines
    assert all(line.gain is None for line in found.lines)


def test_holm_is_over_the_rows_of_one_column(table, filled):
    found = details_of(table, filled)
    gains = [cell(found, label).gain for label in ("Ours|new*", "Later")]
    assert [each.p_holm for each in gains] == pytest.approx(holm([e.p_value for e in gains]))
    few = [cell(found, label, "few").gain for label in ("Ours|new*", "Later")]
    assert [(each.p_value, each.p_holm) for each in few] == [(None, None)] * 2  # all the same there


def test_against_the_paper_only_under_its_own_protocol(table, filled, store, make_record):
    own = cell(details_of(table, filled), "[CE]")
    assert 0.9 < own.p_differs <= own.p_holm <= 1.0
    assert own.detectable > 1.0  # more than the tolerance
    store.write(make_record(CE, 0, 38.0, protocol="fast"))
    proxy = cell(details_of(table, store, "fast"), "[CE]")
    assert (proxy.p_differs, proxy.detectable, proxy.entry.status) == (None, None, "proxy")


def test_subsets_are_told_from_runs_where_both_vary(table, store, make_record):
    scores = {0: (38.0, 39.0, 40.0), 1: (35.0, 36.5, 35.5), 7: (41.0, 40.0, 42.0, 99.0)}
    for subset, tops in scores.items():
        name = f"paper(subset_seed={subset})" if subset else "paper"
        for seed, top1 in enumerate(tops):
            store.write(make_record(CE, seed, top1, protocol=name))
    store.write(make_record(CE, 0, 10.0, protocol="paper(epochs=3, subset_seed=4)"))  # another
    spread = cell(details_of(table, store), "[CE]").spread
    assert (spread.subsets, spread.runs) == ((0, 1, 7), (0, 1, 2))
    assert spread.components == components([tops[:3] for tops in scores.values()])
    text = screen(details_of(table, store))
    assert "spread of subsets" in text
    assert "Spread: standard deviation over training subsets" in text


def test_one_subset_has_no_spread_to_tell_apart(table, filled):
    found = details_of(table, filled)
    assert all(line.spread is None for line in found.lines)
    assert "spread of subsets" not in screen(found)


@pytest.mark.parametrize("width", [80, 140])
def test_view_shows_every_cell_with_records(table, filled, width):
    text = screen(details_of(table, filled), width)
    # in top-1 against the paper and the first row; in few, where nothing varies, the latter only
    assert text.count("Later") == 3
    assert "flipping signs" in " ".join(text.split())
    assert "undecided" in text or "holds" in text
    for line in text.splitlines():
        assert len(line) <= width


def test_an_empty_store_says_so(store):
    assert "No cell has a record yet" in screen(details_of(load("1"), store))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_where_there_is_no_room_columns_go_and_no_word_is_broken(table, filled, width):
    found = details_of(table, filled)
    lines = screen(found, width).splitlines()
    ours = [line for line in lines if line.startswith("Ours|new*")]
    assert max(map(len, lines)) <= width
    assert any("+1.1 ± " in line for line in ours)  # the gain
    _, _, gone = " ".join(lines).partition("No room for ")
    assert gone.startswith("detectable") == (width < 200)
    heads = " ".join(lines).partition("No room")[0].split()
    assert ("detectable" in heads) == (width == 200)
    assert {"verdict", "reported", "Holm"} <= set(heads)


def test_a_file_has_all_columns(table, filled):
    shown = printed(print_details, details_of(table, filled), width=60)
    assert "detectable" in shown.splitlines()[3]
    assert "No room" not in shown
