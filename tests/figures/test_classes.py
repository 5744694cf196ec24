"""Accuracy by class from made records."""

import csv
import io
from dataclasses import replace
from statistics import fmean

import pytest
import torch
import torch.nn.functional as F

from ltbench.api.task import Task
from ltbench.data.catalog import dataset
from ltbench.errors import LtbenchError, UsageError
from ltbench.evaluation.metrics import scores_of as measured
from ltbench.evaluation.selection import Selection
from ltbench.figures.classes import FIELDS, as_csv, per_class
from ltbench.figures.definition import figures
from ltbench.figures.make import make
from ltbench.runs.record import DataFacts
from ltbench.statistics.estimates import mean_interval


@pytest.fixture
def figure():
    (found,) = figures("per_class")
    return found


def with_classes(record, correct):
    """Return a record of three classes, whose native order is not that of their counts."""
    data = DataFacts(class_counts=(5, 500, 50), indices_sha256="0", many_above=100, few_below=20,
                test_images=30)  # fmt: skip
    changed = {"correct": correct, "total": (10, 10, 10), "top1": 100 * sum(correct) / 30}
    last = record.last.model_copy(update=changed)
    return record.model_copy(update={"data": data, "last": last})


def test_classes_stand_in_the_order_of_their_images(figure, store, make_record):
    for seed, correct in enumerate([(1, 9, 5), (3, 9, 7)]):
        store.write(with_classes(make_record("ce", seed, 50.0), correct))
    found = per_class(figure, store)
    assert (found.order, found.counts) == ((1, 2, 0), (500, 50, 5))
    assert found.shots == ("many", "medium", "few")
    (bars,) = found.bars
    assert bars.accuracy == tuple(
        mean_interval(values) for values in ([90.0, 90.0], [50.0, 70.0], [10.0, 30.0])
    )
    assert bars.groups == {"many": 60.0, "medium": 40.0, "few": 10.0}
    assert bars.seeds == (0, 1)
    assert set(found.missing) == {"ldam_drw", "bcl", "gkp_gsa"}
    lines = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert tuple(lines[0]) == FIELDS
    first = [lines[0][key] for key in ("class", "training_images", "shots", "accuracy", "n")]
    assert first == ["1", "500", "many", "90.0000", "2"]


def test_other_methods_have_their_gain_over_the_first_on_shared_seeds(figure, store, make_record):
    hits = {
        "ce": {0: (1, 9, 5), 1: (3, 9, 7)},
        "ldam_drw": {1: (6, 8, 8), 2: (9, 9, 9)},
        "bcl": {2: (1, 1, 1)},
    }
    for method, seeds in hits.items():
        for seed, correct in seeds.items():
            shots = (60.0, 40.0, 10.0) if method == "ce" else (70.0, 40.0, 40.0)
            made = make_record(method, seed, 50.0, shots=shots)
            store.write(with_classes(made, correct))
    found = per_class(figure, store)
    first, second, third = found.bars
    assert found.cell.method == first.method == "ce"
    assert (first.gains, first.group_gains) == ((), {})
    # Seed 1 alone is shared: 8 - 9, 8 - 7 and 6 - 3 of ten images, classes by their counts.
    assert second.gains == tuple(mean_interval([gain]) for gain in (-10.0, 10.0, 30.0))
    assert second.group_gains == {"many": 10.0, "medium": 0.0, "few": 30.0}
    assert (third.method, third.gains, third.group_gains) == ("bcl", (), {})
    lines = list(csv.DictReader(io.StringIO(as_csv(found))))
    shown = {(line["method"], line["class"]): (line["gain"], line["gain_n"]) for line in lines}
    assert shown["ce", "1"] == shown["bcl", "1"] == ("", "")
    assert shown["ldam_drw", "2"] == ("10.0000", "1")


def test_seeds_that_other_code_or_files_made_are_told_or_left_out(figure, store, make_record):
    made = [with_classes(make_record("ce", seed, 50.0), (1, 9, 5)) for seed in (0, 1)]
    for seed, each in enumerate(made):
        store.write(each.model_copy(update={"code": {"engine": str(seed)}}))
    found = per_class(figure, store)
    (remark,) = found.remarks
    assert "seed 0 and seed 1 were computed by different code (engine)" in remark
    assert [bars.method for bars in found.bars] == ["ce"]
    assert make(figure, store).remarks[0] == remark
    store.write(made[1].model_copy(update={"versions": {"ce": 2}}))
    with pytest.raises(LtbenchError, match="no mean is of both"):
        per_class(figure, store)
    other = with_classes(make_record("bcl", 0, 50.0), (1, 9, 5))
    store.write(other)
    found = per_class(figure, store)
    assert [bars.method for bars in found.bars] == ["bcl"]
    assert "seed 0 by version 1 and seed 1 by version 2 of ce" in found.problems[0]


def test_name_and_tier_tell_the_protocol(figure, store, make_record):
    store.write(with_classes(make_record("ce", 0, 50.0, protocol="fast"), (1, 2, 3)))
    found = per_class(figure, store, "fast")
    assert (found.name, found.exact) == ("per_class_fast", False)


def test_shot_groups_are_those_of_the_record_under_a_protocol_that_holds_images_out(
    figure, store, make_record
):
    protocol = "paper(validation=2)"
    counts = dataset("cifar100_lt").class_counts(validation=2)
    record = make_record("ce", 0, 50.0, protocol=protocol)
    hits, total = (10,) * 30 + (4,) * 70, (20,) * 100
    last = scores_of(hits, total, counts, held_out=2)
    data = record.data.model_copy(update={"class_counts": counts})
    store.write(
        record.model_copy(update={"settings": {"validation": 2}, "data": data, "last": last})
    )
    found = per_class(figure, store, protocol)
    shots = dict(zip(found.order, found.shots, strict=True))
    assert [shots[34], shots[35], shots[68], shots[69], shots[70]] == [
        "many", "medium", "medium", "medium", "few",
    ]  # fmt: skip
    drawn = {name: [c for c in shots if shots[c] == name] for name in ("many", "medium", "few")}
    assert {name: len(classes) for name, classes in drawn.items()} == {
        "many": 35, "medium": 35, "few": 30,
    }  # fmt: skip
    (bars,) = found.bars
    for name, classes in drawn.items():
        mean = fmean(100 * hits[c] / total[c] for c in classes)
        assert bars.groups[name] == pytest.approx(mean)


def scores_of(hits, total, counts, held_out):
    """Return scores as a run has them, of logits with so many hits of each class."""
    labels = torch.arange(len(hits)).repeat_interleave(torch.tensor(total))
    right = torch.cat([torch.arange(n) < hit for hit, n in zip(hits, total, strict=True)])
    logits = F.one_hot(torch.where(right, labels, (labels + 1) % len(hits))).float()
    return measured(logits, labels, Task(torch.tensor(counts), held_out), 200)


def test_no_record_at_all_says_what_makes_them(figure, store):
    with pytest.raises(LtbenchError, match="`ltbench run --methods ce,ldam_drw,bcl,gkp_gsa"):
        per_class(figure, store)


def test_a_choice_on_held_out_images_needs_some(figure, store, make_record):
    store.write(with_classes(make_record("ce", 0, 50.0), (1, 2, 3)))
    with pytest.raises(UsageError, match="protocol paper holds no training images out"):
        per_class(figure, store, select=Selection.VALIDATION)


def test_other_training_images_are_refused(figure, store, make_record):
    store.write(with_classes(make_record("ce", 0, 50.0), (1, 2, 3)))
    other = with_classes(make_record("bcl", 0, 50.0), (1, 2, 3))
    data = other.data.model_copy(update={"indices_sha256": "1"})
    store.write(other.model_copy(update={"data": data}))
    with pytest.raises(LtbenchError, match="different training images"):
        per_class(figure, store)


def test_a_record_that_does_not_read_is_left_out_and_named(figure, store, make_record):
    store.write(with_classes(make_record("ce", 0, 50.0), (1, 2, 3)))
    path = store.write(with_classes(make_record("ce", 1, 50.0), (1, 2, 3)))
    path.write_text("{")
    found = per_class(figure, store)
    assert found.bars[0].seeds == (0,)
    assert str(path) in found.problems[0]


def test_the_command_that_makes_records_names_single_seeds_so_that_they_are_not_counts(store):
    (shipped,) = figures("per_class")
    definition = shipped.definition.model_copy(update={"seeds": [4]})
    with pytest.raises(LtbenchError, match=r"--seeds 4, --results .*` makes them"):
        per_class(replace(shipped, definition=definition), store)
