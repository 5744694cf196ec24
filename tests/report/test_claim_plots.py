"""The picture of claimed gains."""

import re

import pytest

from ltbench.report import claim_plots
from ltbench.report.page import render
from ltbench.report.svg import drawing
from ltbench.tables.claims import load_claims
from ltbench.tables.definition import load
from ltbench.tables.ledger import ledger_of, with_readings
from ltbench.tables.shipped import shipped

PRINTED = "ce+gkp(fisher='printed')"


@pytest.fixture
def plotted(store):
    """Returns a function that draws the claims on the store."""
    tables = [load(name) for name in sorted(shipped())]

    def plotted():
        ledger = ledger_of(tables, load_claims(tables), store)
        with drawing():
            return claim_plots.claims(list(with_readings(ledger)))

    return plotted


def test_claims_stand_beside_no_gain(plotted, keep):
    assert plotted() is None
    for seed in range(3):
        keep("bcl", seed, 25)
        keep("gkp_gsa", seed, 30)
    plot = plotted()
    assert "GKP+GSA adds 1.3 points to BCL 1.3, ours" in plot.image
    assert "gain in points" in plot.image


def test_readings_stand_below_their_claim_in_its_words(plotted, keep):
    for seed in range(2):
        for method, few in (("ce", 14), ("ce+gkp", 2), (PRINTED, 16)):
            keep(method, seed, few)
    plot = plotted()
    texts = [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", plot.image)]
    place = texts.index("GKP adds 3.7 points to cross-entropy")
    assert texts.count("GKP adds 3.7 points to cross-entropy") == 1
    assert texts[place + 1 : place + 5] == ["+3.7", "-4.0", "+3.7", "+0.7"]
    names = [text for text in texts if text in ("our default", "Fisher as printed…")]
    assert names[:2] == ["our default", "Fisher as printed…"]
    told = plot.image.unescape()
    assert "GKP adds 3.7 points to cross-entropy 3.7, ours -4.0" in told
    assert "cross-entropy, read as: Fisher as printed, divided by n_j twice 3.7, ours 0.7" in told


def test_decided_claims_come_first_and_lead_the_page(store, plotted, keep):
    def heads():
        titles = "Claimed gains and ours|Reproduced minus reported"
        return re.findall(f"<h4>({titles})</h4>", render(store).text)

    for seed in range(2):
        for method, few in (("ce", 14), ("ce+gkp", 2), ("bcl", 14), ("gkp_gsa", 20)):
            keep(method, seed, few)
    assert heads() == ["Reproduced minus reported", "Claimed gains and ours"]
    for method, few in (("ce", 14), ("bcl", 15), ("gkp_gsa", 20)):  # gains that vary
        keep(method, 2, few)
    first = plotted()
    assert {"differs", "holds"} & set(first.verdicts)
    told = first.image.unescape()
    decided, open_ = (
        [told.index(found.group()) for found in re.finditer(rf"ours [^;]*, {word}", told)]
        for word in ("(?:holds|differs)", "undecided")
    )
    assert max(decided) < min(open_)
    assert heads() == ["Claimed gains and ours", "Reproduced minus reported"]
