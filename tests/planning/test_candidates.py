"""What the rule says of a table now, and which rows measure the deviation that a column shares."""

from dataclasses import replace

import pytest

from ltbench.data.catalog import dataset
from ltbench.planning.candidates import candidates, judgements_now
from ltbench.planning.spread import SeedDeviations
from ltbench.registry.signatures import names
from ltbench.runs.plan import make
from ltbench.runs.store import Store
from ltbench.statistics.estimates import ALPHA
from ltbench.statistics.power import NO_OTHERS, OtherSeeds
from ltbench.tables.cells import Reader
from ltbench.tables.definition import load

SEEDS = (0, 1, 2)
METHODS = ("ce", "focal", "ldam_drw", "balanced_softmax", "logit_adjustment", "resampling")


@pytest.fixture
def five(tmp_path):
    """A table of six methods by top-1, of which the last is not reported."""
    rows = "".join(f"  - {{label: {each}, method: {each}}}\n" for each in METHODS)
    (tmp_path / "five.yaml").write_text(
        "title: Five\nprotocol: paper\nreported: five.csv\nseeds: [0, 1, 2]\ncolumns:\n"
        f"  - {{header: all, dataset: cifar100_lt}}\nrows:\n{rows}"
    )
    lines = [f"five,{each},,CIFAR-100-LT,ResNet-32,100,all,top1_acc_pct,50" for each in METHODS]
    head = "table,method,venue,dataset,backbone,imbalance_ratio,split,metric,value"
    (tmp_path / "five.csv").write_text("\n".join([head, *lines[:-1]]) + "\n")
    return load(str(tmp_path / "five.yaml"))


def write(store: Store, make_record, method, middle, *, spread=0.4, seeds=SEEDS):
    """Write records that runs of today would leave but for their scores."""
    cifar100 = [dataset("cifar100_lt", 100.0)]
    jobs = make(cifar100, [method], seeds, Store(store.root / "none"), protocol_name="paper").jobs
    for job in jobs:
        made = make_record(method, job.seed, middle + spread * (job.seed - 1))
        store.write(made.model_copy(update={"fingerprint": job.fingerprints[0]}))


def judged(table, store):
    found = judgements_now(table, Reader(store), SEEDS, None)
    return {label: judgement for (label, _), judgement in found.items()}


def test_each_value_is_tested_at_the_level_that_holm_has_come_to(five, store, make_record):
    for number, method in enumerate(METHODS[:4]):
        write(store, make_record, method, 60 + number)
    write(store, make_record, "logit_adjustment", 52.2)
    found = judged(five, store)
    assert {label: each.decided for label, each in found.items()} == dict.fromkeys(
        METHODS[:5], True
    )
    levels = [round(ALPHA / found[label].alpha) for label in METHODS[:5]]
    assert sorted(levels) == [1, 2, 3, 4, 5]
    assert levels[-1] == 1  # the nearest to what is reported, the last step


def test_of_a_column_with_unequal_deviations_nothing_is_foreseen(five, store, make_record):
    write(store, make_record, "ce", 50)
    assert judged(five, store)["ce"].evidence is not None
    write(store, make_record, "focal", 50, spread=40)
    assert {label: each.evidence for label, each in judged(five, store).items()} == {
        "ce": None,
        "focal": None,
    }


def test_what_has_not_all_seeds_is_not_judged_now(five, store, make_record):
    write(store, make_record, "ce", 50, seeds=(0, 1))
    assert judged(five, store) == {}


def test_a_row_that_is_not_reported_measures_its_columns_deviation_too(five, store, make_record):
    write(store, make_record, "ce", 50)
    write(store, make_record, "focal", 50, seeds=(0, 2))
    made, _ = candidates(
        five, store, SEEDS, protocol=None, methods=METHODS, deviations=SeedDeviations([]),
        wanted=3, judgements=judgements_now(five, Reader(store), SEEDS, None),
    )  # fmt: skip
    (column,) = five.definition.columns
    others = {each.method: each.other_seeds(column, 3) for each in made}
    assert others.pop("ce") == NO_OTHERS
    assert others.pop("focal") == OtherSeeds(pytest.approx(0.8**2 / 2), known=1, coming=1)
    assert others == dict.fromkeys(METHODS[2:], OtherSeeds(coming=2))
    by_method = {each.method: each for each in made}
    assert by_method["resampling"].targets == ()
    (target,) = by_method["ce"].targets
    assert target.by_seed == pytest.approx((49.6, 50.0, 50.4))
    assert target.now.decided == (target.chance(3) == 1)
    assert 0 < target.chance(3, others["resampling"]) < 1


def test_values_whose_records_tables_refuse_cannot_be_decided(five, store, make_record):
    write(store, make_record, "ce", 50)
    write(store, make_record, "focal", 50)
    for record in list(store.records()):
        if record.method == "ce":
            data = record.data.model_copy(update={"skipped": (7,)})
            store.write(record.model_copy(update={"data": data}))
    made, left = candidates(
        five, store, SEEDS, protocol=None, methods=METHODS, deviations=SeedDeviations([]),
        wanted=3, judgements={},
    )  # fmt: skip
    assert left == 1
    assert {each.method: len(each.targets) for each in made} == {
        **dict.fromkeys(METHODS[1:5], 1), "ce": 0, "resampling": 0,
    }  # fmt: skip
    assert {target.methods for each in made for target in each.targets} == {len(METHODS)}
    assert {target.family for each in made for target in each.targets} == {5}


def test_a_method_in_two_rows_measures_once(five, store, make_record):
    row = five.definition.rows[1]
    rows = [*five.definition.rows, row.model_copy(update={"label": "again"})]
    twice = replace(five, definition=five.definition.model_copy(update={"rows": rows}))
    write(store, make_record, "ce", 50)
    made, _ = candidates(
        twice, store, SEEDS, protocol=None, methods=METHODS, deviations=SeedDeviations([]),
        wanted=3, judgements={},
    )  # fmt: skip
    (focal,) = [each for each in made if each.method == "focal"]
    assert focal.rows == ("focal", "again")
    (column,) = five.definition.columns
    assert focal.other_seeds(column, 3) == OtherSeeds(coming=2)


@pytest.mark.parametrize("have", [(), (0, 2), SEEDS])
def test_methods_read_off_one_training_measure_once(five, store, make_record, have):
    """The method that is first, or the one with most seeds; with all it measures already."""
    row = five.definition.rows[1]
    posthoc = row.model_copy(update={"label": "posthoc", "method": "focal+rebalance"})
    rows = [five.definition.rows[0], posthoc, *five.definition.rows[1:]]
    table = replace(five, definition=five.definition.model_copy(update={"rows": rows}))
    write(store, make_record, "ce", 50)
    write(store, make_record, "focal", 50, seeds=have)
    made, _ = candidates(
        table, store, SEEDS, protocol=None, methods=[*METHODS, "rebalance"],
        deviations=SeedDeviations([]), wanted=3, judgements={},
    )  # fmt: skip
    (column,) = five.definition.columns
    found = {each.method: each.other_seeds(column, 3) for each in made}
    assert found["focal+rebalance"] == (NO_OTHERS if have else OtherSeeds(coming=2))
    one_to_come = OtherSeeds(pytest.approx(0.8**2 / 2), known=1, coming=1)
    assert found["focal"] == (one_to_come if have == (0, 2) else NO_OTHERS)
    assert found["ldam_drw"] == OtherSeeds(coming=2)


def test_what_a_paper_leaves_out_of_a_row_is_not_planned(store):
    table, known = load("1"), set(names())
    found, left = candidates(
        table, store, SEEDS, protocol=None, methods=known, deviations=SeedDeviations([]),
        wanted=3, judgements={},
    )  # fmt: skip
    assert (sum(len(each.jobs) for each in found), left) == (162, 54)
    assert all(each.targets for each in found)
