"""The statistics behind a table's cells, on records made to be simple."""

import io

import numpy as np
import pytest
import scipy.stats
from rich.console import Console

from ltbench.cli.views.details import print_details
from ltbench.statistics.estimates import components
from ltbench.statistics.inference import detectable_gain, paired_t, sign_flip
from ltbench.statistics.verdict import holm
from ltbench.tables.definition import load
from ltbench.tables.details import details

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
    return next(x for x in found.lines if (x.row.label, x.head.column.header) == (label, header))


def screen(found, width=120):
    file = io.StringIO()
    print_details(found, Console(file=file, width=width, highlight=False))
    return file.getvalue()


def test_gains_are_on_the_first_row_and_paired(table, filled):
    found = details(table, filled)
    assert cell(found, "[CE]").gain is None
    gain = cell(found, "Ours|new*").gain
    assert gain.estimate.mean == pytest.approx(np.mean(GAINS))
    assert gain.p_paired == pytest.approx(scipy.stats.ttest_1samp(GAINS, 0).pvalue)
    assert gain.p_paired == pytest.approx(paired_t(GAINS))
    assert gain.p_flip == pytest.approx(sign_flip(GAINS)) == pytest.approx(0.25)
    assert gain.detectable == pytest.approx(detectable_gain(GAINS))


def test_the_base_is_the_first_row_that_can_have_records(store, make_record):
    for seed, top1 in enumerate((52.0, 53.0)):
        store.write(make_record("gkp_gsa(groups=2)", seed, top1))
        store.write(make_record("gkp_gsa", seed, top1 + 1))
    found = details(load("figure5"), store)
    gains = {line.row.label: line.gain for line in found.lines}
    assert gains["GKP+GSA G=2"] is None
    assert gains["GKP+GSA G=4"].estimate.mean == 1.0
    assert "Against GKP+GSA G=2: gain" in screen(found).replace("\n", " ")


def test_times_have_no_gains(store, make_record):
    for method, seconds in (("bcl", 7200.0), ("gkp_gsa", 14400.0)):
        store.write(make_record(method, 0, 50.0, seconds=seconds))
    found = details(load("7"), store)
    assert found.lines
    assert all(line.gain is None for line in found.lines)


def test_holm_is_over_the_rows_of_one_column(table, filled):
    found = details(table, filled)
    gains = [cell(found, label).gain for label in ("Ours|new*", "Later")]
    assert [each.p_holm for each in gains] == pytest.approx(holm([e.p_paired for e in gains]))
    few = [cell(found, label, "few").gain.p_holm for label in ("Ours|new*", "Later")]
    assert few == [1.0, 1.0]  # all the same there


def test_against_the_paper_only_under_its_own_protocol(table, filled, store, make_record):
    own = cell(details(table, filled), "[CE]")
    assert own.p_differs == own.p_holm == 1.0
    assert own.detectable > 1.0  # more than the tolerance
    store.write(make_record(CE, 0, 38.0, protocol="fast"))
    proxy = cell(details(table, store, "fast"), "[CE]")
    assert (proxy.p_differs, proxy.detectable, proxy.entry.status) == (None, None, "proxy")


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_the_detectable_gain_is_found_in_four_of_five_tries(n):
    gains = np.random.default_rng(n).normal(0, 0.7, n)
    found = detectable_gain(gains.tolist())
    noncentrality = found / (gains.std(ddof=1) / np.sqrt(n))
    critical = scipy.stats.t.ppf(0.975, n - 1)
    assert scipy.stats.nct.sf(critical, n - 1, noncentrality) == pytest.approx(0.8, abs=1e-4)
    assert detectable_gain([1.0]) is None


def test_subsets_are_told_from_runs_where_both_vary(table, store, make_record):
    scores = {0: (38.0, 39.0, 40.0), 1: (35.0, 36.5, 35.5), 7: (41.0, 40.0, 42.0, 99.0)}
    for subset, tops in scores.items():
        name = f"paper(subset_seed={subset})" if subset else "paper"
        for seed, top1 in enumerate(tops):
            store.write(make_record(CE, seed, top1, protocol=name))
    store.write(make_record(CE, 0, 10.0, protocol="paper(epochs=3, subset_seed=4)"))  # another
    spread = cell(details(table, store), "[CE]").spread
    assert (spread.subsets, spread.runs) == ((0, 1, 7), (0, 1, 2))
    assert spread.components == components([tops[:3] for tops in scores.values()])
    text = screen(details(table, store))
    assert "spread of subsets" in text
    assert "Spread: standard deviation over training subsets" in text


def test_one_subset_has_no_spread_to_tell_apart(table, filled):
    found = details(table, filled)
    assert all(line.spread is None for line in found.lines)
    assert "spread of subsets" not in screen(found)


@pytest.mark.parametrize("width", [60, 140])
def test_view_shows_every_cell_with_records(table, filled, width):
    text = screen(details(table, filled), width)
    assert text.count("Later") == 2 * 2  # in top-1 and few, against the paper and the first row
    assert "p sign" in text
    assert "undecided" in text or "holds" in text
    for line in text.splitlines():
        assert len(line) <= width


def test_an_empty_store_says_so(store):
    assert "No cell has a record yet" in screen(details(load("1"), store))
