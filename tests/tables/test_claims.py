"""Claims under other readings: what their methods become, and mistakes in the file."""

import json

import pytest

from ltbench.errors import UsageError
from ltbench.registry.methods import build, describe
from ltbench.registry.signatures import canonical
from ltbench.tables.claims import Claim, Reading, load_claims
from ltbench.tables.definition import load
from ltbench.tables.shipped import shipped

CLAIM = {
    "claim": "SAM adds 2", "paper": "P", "source": "S", "table": "mine", "column": "r=50",
    "method": "ce+sam", "over": "ce", "gain": 2.0,
}  # fmt: skip
READING = {"reading": "a wider radius", "terms": ["sam(rho=0.3)"]}


@pytest.mark.parametrize(
    ("terms", "method", "expected"),
    [
        (["sam(rho=0.3)"], "ce+sam", "ce+sam(rho=0.3)"),
        (["sam(rho=0.3)"], "ce+sam(rho=0.1)", None),  # says already what the reading says
        (["sam(rho=0.3)"], "ce", None),
        (["gkp(fisher='printed')"], "ce+gkp(groups=6)", "ce+gkp(groups=6, fisher='printed')"),
        (["gkp_gsa@release"], "gkp_gsa", "gkp_gsa@release"),
        (["gkp_gsa@release"], "gkp_gsa(strength=10.0)", None),
        (["cc_sam@release"], "cc_sam+mixup", None),  # a variant is a whole training
        (["gala(form='code')"], "gala@release+rebalance", None),
    ],
)
def test_a_reading_takes_the_place_of_a_part_that_says_nothing_else(terms, method, expected):
    read = Reading(reading="R", terms=terms).of(method)
    found = None if read is None else [canonical(each) for each in read]
    assert found == (None if expected is None else [canonical(expected)])


def test_a_reading_is_of_both_methods_of_a_claim():
    claim = Claim(**CLAIM | {"method": "ce+sam+mixup", "over": "ce+sam"})
    read = claim.under(Reading(**READING))
    assert (read.method, read.over) == ("ce+sam(rho=0.3)+mixup", "ce+sam(rho=0.3)")
    assert read.gain == claim.gain
    assert claim.under(Reading(reading="R", terms=["focal(gamma=1.0)"])) is None
    mixed = Claim(**CLAIM | {"method": "ce+sam", "over": "ce+sam(rho=0.1)"})
    assert mixed.under(Reading(**READING)) is None


def test_rows_of_a_claim_are_the_tables_own_and_keep_their_thresholds_when_read_otherwise():
    table = load("4")
    claim = Claim(**CLAIM | {"table": "4", "column": "few", "method": "ce+gkp"})
    ours, over = claim.rows_in(table)
    assert [(row.label, row.method, row.thresholds) for row in (ours, over)] == [
        ("CE + GKP", "ce+gkp", None), ("CE", "ce", (100, 21)),
    ]  # fmt: skip
    read = Claim(**claim.model_dump() | {"method": "focal", "over": "ce+sam"})
    rows = claim.rows_in(table, read)
    assert [(row.method, row.thresholds) for row in rows] == [
        ("focal", None),
        ("ce+sam", (100, 21)),
    ]
    (unknown, _) = Claim(**claim.model_dump() | {"method": "sam"}).rows_in(table)
    assert (unknown.label, unknown.method, unknown.thresholds) == ("sam", "sam", None)


def test_what_agrees_with_a_reading_is_read_where_the_reading_is():
    terms, agreeing = ["gsa(average='image')"], ["gkp(average='image')"]
    reading = Reading(reading="R", terms=terms, agreeing=agreeing)
    both = Claim(**CLAIM | {"method": "ce+gkp+gsa", "over": "ce+gkp"}).under(reading)
    assert both.method == "ce+gkp(average='image')+gsa(average='image')"
    assert both.over == "ce+gkp(average='image')"
    assert Claim(**CLAIM | {"method": "ce+gkp"}).under(reading) is None


def test_shipped_claims_can_be_composed_under_every_reading():
    claims = load_claims([load(name) for name in shipped()])
    for reading in claims.readings:
        read = [claim.under(reading) for claim in claims.claims]
        assert any(read), reading.reading
        for one in filter(None, read):
            assert describe(build(one.method)) != describe(build(one.over))


@pytest.mark.parametrize(
    ("key", "wrong", "message"),
    [
        ("terms", [], "readings, item 1, terms: it is empty; give at least one"),
        ("terms", ["ce+sam"], "readings, item 1, terms: ce+sam is several parts; give each by"),
        ("terms", ["sam(rh=1)"], "readings, item 1, terms, item 1:"),
        ("term", ["sam"], "readings, item 1: unknown key 'term'; did you mean terms?"),
        ("reading", "", "readings, item 1, reading: it is empty"),
        ("terms", ["sam(rho=0.3)", "sam"], "readings, item 1, terms: sam stands there twice; keep"),
        ("terms", ["focal"], "'a wider radius': it changes no claim; remove it, or correct it."),
        ("terms", ["sam"], "'a wider radius': it changes no claim; remove it, or correct it."),
    ],
)
def test_spoilt_readings_are_explained(table, tmp_path, key, wrong, message):
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps({"claims": [CLAIM], "readings": [READING | {key: wrong}]}))
    with pytest.raises(UsageError) as caught:
        load_claims([table], path)
    assert message in str(caught.value)


@pytest.mark.parametrize(("claims", "readings"), [(2, 1), (1, 2)])
def test_words_that_stand_twice_are_refused(table, tmp_path, claims, readings):
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps({"claims": [CLAIM] * claims, "readings": [READING] * readings}))
    with pytest.raises(UsageError, match="stands there twice; reword one"):
        load_claims([table], path)
