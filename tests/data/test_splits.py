"""The field's rule for long-tailed subsets: its totals, its published vectors, its laws."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltbench.api.task import Task
from ltbench.data.catalog import CATALOG
from ltbench.data.profile import class_counts
from ltbench.data.splits import draw, fingerprint, hold_out
from ltbench.errors import UsageError

HEADS = {10: 5000, 100: 500}  # classes -> images of the largest

# classes, imbalance, images in all, (largest, smallest class), classes (many, medium, few)
TABLE = [
    (100, 200, 9502, (500, 2), (30, 31, 39)),
    (100, 100, 10847, (500, 5), (35, 35, 30)),
    (100, 50, 12608, (500, 10), (41, 41, 18)),
    (100, 10, 19573, (500, 50), (69, 31, 0)),
    (10, 200, 11203, (5000, 25), (7, 3, 0)),
    (10, 100, 12406, (5000, 50), (8, 2, 0)),
    (10, 50, 13996, (5000, 100), (9, 1, 0)),
    (10, 10, 20431, (5000, 500), (10, 0, 0)),
]

# classes -> the first five positions kept of class 0, class 1 and the last class, with seed 0
FIRST_FIVE = {
    100: ((90, 254, 283, 445, 461), (277, 307, 436, 88, 261), (348, 153, 363, 361, 299)),
    10: ((398, 3833, 4836, 4572, 636), (597, 332, 521, 3935, 4800), (2204, 3816, 2206, 2507, 1926)),
}

# classes, imbalance, SHA-256 prefix over all kept positions
PREFIXES = [
    (100, 100, "f123ec136d44ab1b"),
    (100, 50, "1bc82de2629e5cbd"),
    (100, 10, "5906ba7310b91b5e"),
    (10, 100, "8a54f5b6fa972295"),
    (10, 50, "7bb90363b243a944"),
    (10, 10, "2b3a8656bec514c6"),
]


def labels_by_class(classes):
    return np.repeat(np.arange(classes), HEADS[classes])


def labels_in_turn(classes):
    return np.tile(np.arange(classes), HEADS[classes])


def kept(classes, imbalance, seed=0):
    """Positions inside each class's own sample list, one array a class."""
    counts = class_counts(HEADS[classes], classes, imbalance)
    indices = draw(labels_by_class(classes), counts, seed)
    return np.split(indices % HEADS[classes], np.cumsum(counts)[:-1])


@pytest.mark.parametrize(("classes", "imbalance", "total", "extremes", "shots"), TABLE)
def test_counts_have_the_published_total_extremes_and_shot_groups(
    classes, imbalance, total, extremes, shots
):
    counts = class_counts(HEADS[classes], classes, imbalance)
    assert sum(counts) == total
    assert (counts[0], counts[-1]) == extremes
    members = Task(torch.tensor(counts)).shots
    assert tuple(int(members[name].sum()) for name in ("many", "medium", "few")) == shots


def test_the_counts_of_cifar10_at_imbalance_100_are_the_published_ones():
    published = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert class_counts(5000, 10, 100) == published


def test_imbalance_one_keeps_every_image():
    assert class_counts(500, 100, 1) == [500] * 100


@pytest.mark.parametrize("imbalance", [10, 50, 100])
@pytest.mark.parametrize("classes", [10, 100])
def test_the_first_five_positions_of_three_classes_are_the_published_ones(classes, imbalance):
    positions = kept(classes, imbalance)
    first, second, last = (tuple(positions[c][:5]) for c in (0, 1, -1))
    assert (first, second, last) == FIRST_FIVE[classes]


@pytest.mark.parametrize(("classes", "imbalance", "prefix"), PREFIXES)
def test_all_kept_positions_hash_to_the_published_prefix(classes, imbalance, prefix):
    positions = np.concatenate(kept(classes, imbalance))
    assert hashlib.sha256(positions.astype("<i8").tobytes()).hexdigest()[:16] == prefix


@pytest.mark.parametrize(("classes", "imbalance", "prefix"), PREFIXES)
def test_positions_do_not_depend_on_how_the_classes_lie_in_the_file(classes, imbalance, prefix):
    counts = class_counts(HEADS[classes], classes, imbalance)
    indices = draw(labels_in_turn(classes), counts, 0)
    assert np.array_equal(indices % classes, np.repeat(np.arange(classes), counts))
    assert fingerprint(indices // classes)[:16] == prefix


@pytest.mark.parametrize(("rarer", "richer"), [(200, 100), (100, 50), (50, 10), (10, 1)])
@pytest.mark.parametrize("classes", [10, 100])
def test_the_subset_at_a_higher_imbalance_is_nested_in_the_one_at_a_lower(classes, rarer, richer):
    for few, more in zip(kept(classes, rarer), kept(classes, richer), strict=True):
        assert np.array_equal(few, more[: len(few)])


def test_another_subset_seed_draws_another_subset_of_the_same_size():
    first, second = np.concatenate(kept(10, 100)), np.concatenate(kept(10, 100, seed=1))
    assert len(first) == len(second)
    assert fingerprint(first) != fingerprint(second)


def test_no_image_is_drawn_twice():
    indices = draw(labels_in_turn(10), class_counts(5000, 10, 10), 0)
    assert len(np.unique(indices)) == len(indices) == 20431


def test_drawing_leaves_the_global_numpy_generator_alone():
    np.random.seed(123)  # a state that no draw ends in
    before = np.random.get_state()
    draw(labels_by_class(10), class_counts(5000, 10, 100), 0)
    after = np.random.get_state()
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]


def test_drawing_does_not_depend_on_the_global_numpy_generator():
    np.random.seed(5)
    first = kept(10, 100)
    np.random.seed(6)
    assert all(map(np.array_equal, first, kept(10, 100)))


def test_an_imbalance_that_leaves_a_class_empty_names_the_class_and_the_remedy():
    with pytest.raises(UsageError) as caught:
        class_counts(500, 100, 1000)
    # 500 * 1000^(-c / 99) falls below 1 where c / 99 > log(500) / log(1000) = 0.8997
    assert str(caught.value) == (
        "imbalance 1000 leaves class 90 of 100 without images (the head has 500); "
        "choose at most 500."
    )


@pytest.mark.parametrize("info", CATALOG.values(), ids=lambda info: info.name)
def test_the_largest_imbalance_that_the_message_allows_leaves_one_image(info):
    assert class_counts(info.head_count, info.classes, info.head_count)[-1] == 1


@given(
    head=st.integers(1, 6000),
    classes=st.integers(2, 200),
    imbalance=st.floats(1, 1e4, allow_nan=False),
)
@settings(max_examples=300)
def test_counts_fall_from_the_head_and_never_reach_zero(head, classes, imbalance):
    if head * (1 / imbalance) < 1:
        with pytest.raises(UsageError, match="leaves class"):
            class_counts(head, classes, imbalance)
        return
    counts = class_counts(head, classes, imbalance)
    assert len(counts) == classes
    assert counts[0] == head
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] >= 1
    assert counts[-1] == int(head * (1 / imbalance))


label_lists = st.lists(st.integers(0, 5), min_size=1, max_size=80).map(np.array)


@given(labels=label_lists, per_class=st.integers(0, 6))
@settings(max_examples=200)
def test_holding_out_takes_the_last_of_every_class_and_loses_nothing(labels, per_class):
    present, counts = np.unique(labels, return_counts=True)
    if counts.min() <= per_class:
        with pytest.raises(UsageError, match=f"validation={per_class} leaves class"):
            hold_out(labels, per_class)
        return
    stay, held = hold_out(labels, per_class)
    assert sorted([*stay, *held]) == list(range(len(labels)))
    for c in present:
        members = np.flatnonzero(labels == c)
        assert list(stay[labels[stay] == c]) == list(members[: len(members) - per_class])
        assert list(held[labels[held] == c]) == list(members[len(members) - per_class :])


def test_holding_out_too_much_names_the_first_class_that_would_be_empty():
    with pytest.raises(UsageError) as caught:
        hold_out(np.array([0, 0, 0, 1, 1, 1, 1, 2, 2]), 3)
    assert str(caught.value) == (
        "validation=3 leaves class 0 with no training image of its 3; "
        "hold out fewer or choose a smaller imbalance."
    )


def test_the_fingerprint_hashes_little_endian_int64_whatever_the_layout():
    values = [3, 1, 4, 1, 5, 9]
    expected = hashlib.sha256(b"".join(v.to_bytes(8, "little") for v in values)).hexdigest()
    assert fingerprint(np.array(values)) == expected
    assert fingerprint(np.array(values, np.int32)) == expected
    assert fingerprint(np.array(values, ">i8")) == expected
    assert fingerprint(np.repeat(values, 2)[::2]) == expected
