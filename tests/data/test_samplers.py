"""Samplers: what an epoch's order is, and that draws follow their law."""

import pytest
import torch
from scipy.stats import chisquare

from ltbench.data.samplers import (
    SAMPLERS,
    balanced_pairs,
    class_aware,
    class_balanced,
    draws,
    instance_balanced,
    order,
    reversed_pairs,
    square_root,
    tail,
)
from ltbench.errors import UsageError

COUNTS = torch.tensor([400, 100, 25, 4, 1])
LABELS = torch.repeat_interleave(torch.arange(5), COUNTS)
LABELS = LABELS[torch.randperm(len(LABELS), generator=torch.Generator().manual_seed(9))]
EPOCHS = 40


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(sampler):
    """The indices of many epochs from one stream."""
    stream = generator(1)
    return torch.cat([sampler(LABELS, stream) for _ in range(EPOCHS)])


def fits(observed, shares):
    """Whether counts are likely under a multinomial law with these shares."""
    expected = shares.double() / shares.sum() * observed.sum()
    return chisquare(observed.numpy(), expected.numpy()).pvalue > 1e-3


def test_instance_balanced_order_is_a_permutation():
    indices = instance_balanced(LABELS, generator())
    assert sorted(indices.tolist()) == list(range(len(LABELS)))
    assert indices.tolist() != list(range(len(LABELS)))


def test_class_balanced_draws_hit_every_class_equally_often():
    classes = LABELS[drawn(class_balanced)].bincount(minlength=5)
    assert fits(classes, torch.ones(5))
    assert not fits(classes, COUNTS)
    assert not fits(classes, COUNTS.sqrt())


def test_square_root_draws_hit_classes_by_the_root_of_their_counts():
    classes = LABELS[drawn(square_root)].bincount(minlength=5)
    assert fits(classes, COUNTS.sqrt())
    assert not fits(classes, COUNTS)
    assert not fits(classes, torch.ones(5))


@pytest.mark.parametrize(
    ("sampler", "shares", "others"),
    [(reversed_pairs, 1 / COUNTS, torch.ones(5)), (balanced_pairs, torch.ones(5), 1 / COUNTS)],
)
def test_pairs_hold_every_image_once_and_draws_by_their_law(sampler, shares, others):
    indices = sampler(LABELS, generator())
    assert sorted(indices[0::2].tolist()) == list(range(len(LABELS)))
    assert indices[0::2].tolist() != list(range(len(LABELS)))
    stream = generator(1)
    second = torch.cat([sampler(LABELS, stream)[1::2] for _ in range(EPOCHS)])
    classes = LABELS[second].bincount(minlength=5)
    assert fits(classes, shares)
    assert not fits(classes, others)
    fourth = second.bincount(minlength=len(LABELS))[LABELS == 3]
    assert fits(fourth, torch.ones(4))


@pytest.mark.parametrize("sampler", [class_balanced, square_root])
def test_the_images_of_one_class_are_equally_likely(sampler):
    images = drawn(sampler).bincount(minlength=len(LABELS))
    for c in (0, 1, 2):
        members = images[c == LABELS]
        assert fits(members, torch.ones(len(members)))


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_epoch_has_as_many_draws_as_is_said_without_drawing(name):
    indices = order(name, LABELS, generator())
    lengths = {"reversed_pairs": 2 * 530, "balanced_pairs": 2 * 530, "class_aware": 400 * 5 // 4}
    assert indices.shape == (lengths.get(name, 530),)
    assert draws(name, 530, COUNTS.tolist()) == len(indices)
    assert indices.dtype == torch.int64
    assert 0 <= int(indices.min()) <= int(indices.max()) < len(LABELS)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_generator_alone_decides_the_order(name):
    torch.manual_seed(1)
    first = order(name, LABELS, generator(3))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(order(name, LABELS, generator(3)), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(order(name, LABELS, generator(4)), first)


def test_the_tail_is_the_smallest_shot_group_every_image_as_often():
    indices = tail(LABELS, generator())
    assert set(LABELS[indices].tolist()) == {3, 4}  # fewer than 20 images
    times = indices.bincount(minlength=len(LABELS))[LABELS >= 3]
    assert times.tolist() == [106] * 5
    medium = tail(LABELS[LABELS < 3], generator())
    assert set(LABELS[LABELS < 3][medium].tolist()) == {1, 2}
    assert set(tail(torch.tensor([0, 2] * 20), generator()).tolist()) == set(range(40))
    assert sorted(tail(torch.tensor([0, 1] * 200), generator()).tolist()) == list(range(400))


def test_a_class_without_images_is_never_drawn():
    labels = torch.tensor([0, 0, 0, 2])
    indices = torch.cat([class_balanced(labels, generator(n)) for n in range(200)])
    assert fits(labels[indices].bincount()[[0, 2]], torch.ones(2))


def test_an_unknown_sampler_is_refused_with_a_near_match():
    with pytest.raises(UsageError, match=r"unknown sampler 'class_balance'; did you mean class_"):
        order("class_balance", LABELS, generator())


SETS = torch.tensor([[1, 0, 0]] * 8 + [[1, 1, 0]] * 3 + [[0, 1, 1]])  # 11, 4 and 1 of each label
ONE_HOT = torch.eye(5)[LABELS]


def test_a_set_of_labels_is_drawn_as_often_as_each_of_its_labels_asks():
    draw = generator(2)
    indices = torch.cat([class_balanced(SETS, draw) for _ in range(2000)])
    weights = (SETS.double() / SETS.sum(0)).sum(1)
    assert fits(indices.bincount(minlength=len(SETS)), weights)
    assert not fits(indices.bincount(minlength=len(SETS)), torch.ones(len(SETS)))


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_label_written_as_a_row_is_drawn_by_the_same_law(name):
    whole = SAMPLERS[name](ONE_HOT, generator(4))
    assert torch.equal(whole, SAMPLERS[name](LABELS, generator(4)))


def test_class_aware_draws_come_three_of_a_class_in_a_row_each_class_in_turn():
    indices = class_aware(SETS, generator())
    assert len(indices) == 11 * 3 // 4 == draws("class_aware", 12, [11, 4, 1])
    long = torch.cat((SETS, SETS[:1].repeat(400, 1)))
    indices = class_aware(long, generator())
    assert len(indices) == 411 * 3 // 4
    last = len(long) - 400 - 1  # the only image with the rarest label
    rounds = [indices[start : start + 9] for start in range(0, len(indices) - 9, 9)]
    for drawn in rounds:
        triples = [drawn[start : start + 3].tolist() for start in (0, 3, 6)]
        assert sum(triple == [last] * 3 for triple in triples) >= 1
        assert sum(bool(long[triple, 0].all()) for triple in triples) >= 1
        assert sum(bool(long[triple, 1].all()) for triple in triples) >= 2  # that label has both
    orders = {tuple(long[drawn[[0, 3, 6]], 2].tolist()) for drawn in rounds}
    assert len(orders) > 1  # the classes come in another order each time


def test_a_class_is_drawn_whole_before_any_of_its_images_comes_again():
    labels = torch.tensor([0] * 40 + [1] * 7)
    indices = class_aware(labels, generator(5))
    own = indices[labels[indices] == 1].tolist()
    for start in range(0, len(own) - 7, 7):
        assert sorted(own[start : start + 7]) == list(range(40, 47))


def test_class_aware_draws_leave_an_empty_class_out():
    sets = torch.cat((SETS, torch.zeros(len(SETS), 1)), 1)
    indices = class_aware(sets, generator())
    assert len(indices) == 11
    assert set(indices.tolist()) <= set(range(len(SETS)))
