"""What it takes to decide claims: judged now as the ledger does, priced by both methods' seeds."""

from dataclasses import replace
from pathlib import Path

import pytest

from ltbench.data.catalog import dataset
from ltbench.planning.claims import planned_claims
from ltbench.planning.spread import SeedDeviations
from ltbench.registry.signatures import names
from ltbench.runs.plan import make
from ltbench.runs.store import Store
from ltbench.statistics.estimates import ALPHA
from ltbench.statistics.gains import Gain
from ltbench.tables.cells import Reader
from ltbench.tables.claims import load_claims
from ltbench.tables.definition import load
from ltbench.tables.ledger import ledger_of
from ltbench.tables.ledger_row import RowSource
from ltbench.tables.shipped import shipped

COMMITTED = Path(__file__).parents[2] / "results"
SEEDS = (0, 1, 2)


def planned(name, store, seeds=SEEDS, methods=None):
    source = RowSource(Reader(store), names() if methods is None else methods)
    found = planned_claims(load(name), seeds, source, SeedDeviations(store.records()))
    return {each.row.row: each for each in found}


def test_claims_are_judged_now_as_the_ledger_judges_them():
    store = Store(COMMITTED)
    tables = [load(name) for name in shipped()]
    rows = ledger_of(tables, load_claims(tables), store).claims
    ours = {row.row: row.verdict for row in rows if row.table == "4"}
    assert {name: each.row.verdict for name, each in planned("4", store).items()} == ours
    assert {each.family for each in planned("4", store).values()} == {
        sum(row.tolerance is not None for row in rows)
    }


def test_a_claim_takes_the_seeds_of_both_methods_that_have_no_record():
    """Table 5's claims are over BCL, which is no row of it; CE has run for Table 4's."""
    committed = Store(COMMITTED)
    five, *_ = planned("5", committed).values()
    assert five.row.row == "SAM's direction in place of the residual adds 0.2 points to BCL"
    assert {(job.trained, job.seed) for job in five.jobs} == {
        (method, seed) for method in ("bcl", "bcl+gkp+sam") for seed in SEEDS
    }
    four = planned("4", committed, seeds=(0, 1, 2, 3))["GKP adds 3.7 points to cross-entropy"]
    assert {(job.trained, job.seed) for job in four.jobs} == {("ce", 3), ("ce+gkp", 3)}


def test_chances_and_seeds_follow_from_the_deviation(store):
    found = planned("4", store)
    small, large = (
        found[name]
        for name in ("GSA adds 0.8 points to BCL", "GKP+GSA adds 4.4 points to cross-entropy")
    )
    assert (small.methods, small.deviation) == (7, 0.45)
    assert [small.chance(n) for n in (1, 2)] == [0.0, 0.0]
    assert small.chance(3) < small.chance(10) < small.chance(40)
    assert small.enough is None
    assert small.chance(100) < 0.5
    assert large.chance(large.enough) >= 0.5 > large.chance(large.enough - 1)
    assert small.shows > large.shows == 3
    least = Gain(0.0, 2**0.5 * 0.45, small.shows, 6 * (small.shows - 1)).detectable(ALPHA / 54)
    fewer = Gain(0.0, 2**0.5 * 0.45, small.shows - 1, 6 * (small.shows - 2))
    assert small.family == 54
    assert least <= 0.8 < fewer.detectable(ALPHA / 54)
    vague = replace(small, deviation=5.0)
    assert (vague.enough, vague.shows) == (None, None)


def test_with_two_seeds_new_ones_fall_where_these_lead_to_expect(store, make_record):
    for method, values in (("ce", (38.0, 38.4)), ("ce+gkp", (20.1, 20.3))):
        jobs = make([dataset("cifar100_lt")], [method], (0, 1), store, protocol_name="paper").jobs
        for job, top1 in zip(jobs, values, strict=True):
            made = make_record(method, job.seed, top1)
            store.write(made.model_copy(update={"fingerprint": job.fingerprints[0]}))
    claim = planned("4", store)["GKP adds 3.7 points to cross-entropy"]
    evidence = claim.row.comparison
    assert evidence.n == 2
    assert claim.chance(5) == evidence.chance(5, ALPHA / claim.family) > 0.9


def test_claims_of_a_column_that_ran_in_float32_are_planned_so(store, make_record):
    single = "paper(precision='float32')"
    (job,) = make([dataset("cifar100_lt")], ["ce"], [0], store, protocol_name=single).jobs
    made = make_record("ce", 0, 38.0, protocol=single)
    store.write(made.model_copy(update={"fingerprint": job.fingerprints[0]}))
    claim = planned("4", store)["GKP adds 3.7 points to cross-entropy"]
    assert {(each.trained, each.seed) for each in claim.jobs} == {
        ("ce", 1), ("ce", 2), *(("ce+gkp", seed) for seed in SEEDS),
    }  # fmt: skip
    assert {each.protocol.specification for each in claim.jobs} == {single}


def test_a_post_hoc_part_over_its_own_training_is_a_pair(store):
    found = planned("gala/1", store)
    pairs = [each for each in found.values() if len({job.trained for job in each.jobs}) == 1]
    assert pairs
    assert {each.methods for each in pairs} == {1}


def test_a_table_of_ones_own_has_no_claims_nor_one_whose_methods_are_lacking(store, mine):
    source = RowSource(Reader(store), names())
    assert planned_claims(load(str(mine)), SEEDS, source, SeedDeviations([])) == []
    assert planned("4", store, methods={"ce", "bcl", "gkp"}).keys() == {
        name for name in planned("4", store) if "GSA" not in name
    }


@pytest.mark.parametrize("name", ["cc_sam/1", "gala/1"])
def test_other_papers_claims_are_planned_with_their_tables(store, name):
    found = planned(name, store)
    assert len(found) == 4
    assert all(each.row.table == name and each.jobs for each in found.values())
