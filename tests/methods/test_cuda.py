"""CUDA: the level rule by a loop, who is augmented and how often, and what its controls are."""

import math
from functools import partial

import pytest
import torch
from ltbench.methods.cuda import Chains
from made_methods import bound

from ltbench import Batch, Clock, build
from ltbench.data.augment.views import random_crop, random_cutout, view_of
from ltbench.data.training_images import TrainingImages
from ltbench.errors import UsageError
from ltbench.testing.conformance import check
from ltbench.testing.synthetic import interrupted, training

COUNTS = (200, 60, 30, 10, 3, 1)
TARGETS = torch.arange(6).repeat_interleave(torch.tensor(COUNTS))[torch.randperm(
    304, generator=torch.Generator().manual_seed(0))]  # fmt: skip
CLOCK = Clock("train", 3, 10, 0, 5, 7)


class Oracle:
    """Training images that a rule, not a network, recognises; keeps what it was asked."""

    def __init__(self, rule):
        self.rule, self.targets, self.wanted = rule, TARGETS, []

    def views(self, indices, generator, augment):
        if len(indices):
            view = augment(view_of("standard"), TARGETS[indices])
            levels = levels_in(view)
            self.wanted.append((indices, levels, view))
            images = torch.stack((TARGETS[indices], levels), 1)
            yield Batch((images,), TARGETS[indices], indices)

    def logits(self, network, images):
        hits = torch.tensor([self.rule(c, level) for c, level in images.tolist()])
        own = torch.nn.functional.one_hot(images[:, 0], 6)
        return torch.where(hits.unsqueeze(1), own, own.roll(1, 1))


def levels_in(view):
    (chains,) = (part for part in view if isinstance(part, Chains))
    return chains.levels


def at_levels(specification="cuda", levels=(0,) * 6):
    """A method that knows its task and has reached a level for each class."""
    method = bound(specification, COUNTS)
    method.state["levels"] = torch.tensor(levels)
    return method


def by_loop(levels, wanted, rule, threshold=0.6, highest=10):
    """The rule, class by class, level by level and image by image, the hardest level first."""
    seen = {}
    for indices, levels_, _ in wanted:
        for index, level in zip(indices.tolist(), levels_.tolist(), strict=True):
            seen.setdefault((int(TARGETS[index]), level), []).append(index)
    moved = []
    for c, own in enumerate(levels):
        every = True
        for level in range(own, -1, -1):
            if every:
                tries = [rule(c, level) for _ in seen.pop((c, level))]
                assert len(tries) == 10 * (level + 1)
                every = sum(tries) / len(tries) > threshold
        moved.append(min(max(own + (1 if every else -1), 0), highest))
    assert not seen  # nothing above a class's level, nothing below a failed one
    return moved


def flaky(seed):
    """Recognise harder levels and rarer classes less often."""
    draw = torch.Generator().manual_seed(seed)
    fates = {}

    def rule(c, level):
        if (c, level) not in fates:
            share = 0.95 - 0.03 * level - 0.04 * c
            fates[c, level] = (torch.rand(997, generator=draw) < share).tolist()
        fates[c, level].append(fates[c, level].pop(0))
        return fates[c, level][-1]

    return rule


@pytest.mark.parametrize("seed", range(6))
def test_levels_move_as_a_loop_over_classes_and_levels_says(seed):
    draw = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 11, (6,), generator=draw).tolist()
    method, table = at_levels(levels=levels), flaky(seed)
    tries = {}

    def recorded(c, level):
        tries.setdefault((c, level), []).append(table(c, level))
        return tries[c, level][-1]

    oracle = Oracle(recorded)
    method.after_epoch(None, oracle, CLOCK)
    expected = by_loop(levels, oracle.wanted, lambda c, level: tries[c, level].pop(0))
    assert method.state["levels"].tolist() == expected


def test_levels_rise_by_one_fall_by_one_and_stay_within_bounds():
    right, wrong = Oracle(lambda c, level: True), Oracle(lambda c, level: False)
    method = at_levels()
    for epoch in range(12):
        method.after_epoch(None, right, Clock("train", epoch, 30))
        assert method.state["levels"].tolist() == [min(epoch + 1, 10)] * 6
    for epoch in range(12):
        method.after_epoch(None, wrong, Clock("train", epoch, 30))
        assert method.state["levels"].tolist() == [max(9 - epoch, 0)] * 6
    none = at_levels("cuda(highest=0)")
    none.after_epoch(None, right, CLOCK)
    assert none.state["levels"].tolist() == [0] * 6


def test_one_failed_level_below_is_enough_to_fall():
    method = at_levels(levels=(5, 5, 5, 5, 5, 5))
    method.after_epoch(None, Oracle(lambda c, level: (c, level) != (2, 1)), CLOCK)
    assert method.state["levels"].tolist() == [6, 6, 4, 6, 6, 6]


@pytest.mark.parametrize(("hits", "level"), [(6, 0), (7, 1)])
def test_the_threshold_itself_is_not_above_the_threshold(hits, level):
    counts = dict.fromkeys(range(6), 0)

    def rule(c, _):
        counts[c] += 1
        return counts[c] <= hits

    method = at_levels()
    method.after_epoch(None, Oracle(rule), CLOCK)
    assert method.state["levels"].tolist() == [level] * 6


def test_images_are_drawn_from_their_class_with_replacement():
    method, oracle = at_levels("cuda(tests=400)", (1, 0, 0, 0, 0, 0)), Oracle(lambda c, level: True)
    method.after_epoch(None, oracle, CLOCK)
    assert [len(indices) for indices, _, _ in oracle.wanted] == [400 * 2, 400 * 6]
    assert all(view[-1] is random_cutout for _, _, view in oracle.wanted)
    indices = torch.cat([indices for indices, _, _ in oracle.wanted])
    assert torch.equal(TARGETS[indices].bincount(), torch.tensor([1200] + 5 * [400]))
    drawn = indices.bincount(minlength=304)
    for c, n in enumerate(COUNTS):
        mean = 1200 / n if c == 0 else 400 / n
        own = drawn[c == TARGETS]
        assert (own - mean).abs().max() <= 5.5 * math.sqrt(mean)
        assert len(own) == n
    assert drawn.max() > 1


def test_what_is_drawn_is_the_clock_s():
    wanted = []
    for clock in (CLOCK, CLOCK, Clock("train", 4, 10, 0, 5, 7)):
        oracle = Oracle(lambda c, level: True)
        at_levels().after_epoch(None, oracle, clock)
        wanted.append(oracle.wanted[0][0])
    assert torch.equal(wanted[0], wanted[1])
    assert not torch.equal(wanted[0], wanted[2])


# training


def test_an_image_is_at_its_class_s_level_or_at_none_by_a_coin():
    method = at_levels(levels=(5, 4, 3, 2, 1, 0))
    targets = torch.arange(6).repeat(4000)
    view = method.augment(view_of("standard"), targets, CLOCK)
    assert (view[0], view[2:]) == (random_crop, (random_cutout,))
    levels = levels_in(view)
    own = 5 - targets
    assert ((levels == own) | (levels == 0)).all()
    share = float((levels == own)[own > 0].double().mean())
    assert abs(share - 0.5) < 5 * math.sqrt(0.25 / 20_000)
    again, other = (
        levels_in(method.augment((), targets, clock)) for clock in (CLOCK, Clock("train", 4, 10))
    )
    assert torch.equal(levels, again)
    assert not torch.equal(levels, other)


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_the_coin_can_be_certain(probability, share):
    method = at_levels(f"cuda(probability={probability})", (3,) * 6)
    levels = levels_in(method.augment((), TARGETS, CLOCK))
    assert float((levels == 3).double().mean()) == share


def ends(specification):
    work = training(specification)
    work.run(lambda report: None)
    return work.network.state_dict(), work.method.state, work.progress.curves


@pytest.mark.parametrize("base", ["ce", "balanced_softmax", "bcl"])
def test_never_augmented_and_without_cutout_it_is_its_base(base):
    plain, control = ends(base)[0], ends(f"{base}+cuda(probability=0.0, cutout=False)")[0]
    assert all(torch.equal(plain[name], control[name]) for name in plain)
    if base == "ce":
        alone, behind = ends("cuda")[0], ends("ce+cuda")[0]
        assert all(torch.equal(alone[name], behind[name]) for name in plain)
        assert any(not torch.equal(alone[name], plain[name]) for name in plain)


def test_views_that_are_contrasted_stay():
    first = {}
    for name in ("bcl", "bcl+cuda"):
        work = training(name)
        if name != "bcl":
            work.method.state["1"]["levels"].fill_(4)
        own = partial(work.method.augment, clock=CLOCK)
        views = work.method.views
        first[name] = next(work.train.epoch(views, "instance_balanced", 32, False, 5, augment=own))
    plain, changed = first.values()
    assert not torch.equal(plain.views[0], changed.views[0])
    assert all(map(torch.equal, plain.views[1:], changed.views[1:]))


def test_levels_follow_what_the_network_recognises_in_evaluation():
    work = training("ce+cuda(tests=3)", epochs=6)
    part, levels = work.method.modifiers[0], []
    after = part.after_epoch

    def watched(network, data, clock):
        assert isinstance(data, TrainingImages)
        assert not network.training
        before = part.state["levels"].clone()
        after(network, data, clock)
        now = part.state["levels"]
        assert ((now - before).abs() <= 1).all()
        part.state["levels"] = before
        after(network, data, clock)
        assert torch.equal(part.state["levels"], now)  # the same clock, the same levels
        levels.append(now.tolist())

    part.after_epoch = watched
    work.run(lambda report: None)
    assert len(levels) == 6
    assert max(map(max, levels)) > 0


def test_a_resumed_run_has_the_levels_of_an_undisturbed_one():
    whole, state, curves = ends("ce+cuda(threshold=0.0)")
    taken_up = interrupted("ce+cuda(threshold=0.0)")
    taken_up.run(lambda report: None)
    assert max(state["1"]["levels"].tolist()) >= 2
    assert torch.equal(taken_up.method.state["1"]["levels"], state["1"]["levels"])
    end = taken_up.network.state_dict()
    assert all(torch.equal(whole[name], end[name]) for name in whole)
    shown = [{key: row[key] for key in row if key.startswith("cuda_")} for row in curves]
    assert shown == [
        {key: row[key] for key in row if key.startswith("cuda_")}
        for row in taken_up.progress.curves
    ]
    assert shown[0].keys() == {"cuda_level_medium", "cuda_level_few"}


def test_curves_are_the_mean_levels_of_the_shot_groups():
    assert at_levels(levels=(10, 4, 7, 1, 2, 0)).curves() == {
        "cuda_level_many": 10.0,
        "cuda_level_medium": 5.5,
        "cuda_level_few": 1.0,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "specification", ["ce+cuda", "bcl+cuda", "balanced_softmax+cuda", "crt+cuda", "bbn+cuda+drw"]
)
def test_compositions_hold_to_the_protocol(specification):
    assert check(specification) == []


def test_two_curricula_are_refused():
    with pytest.raises(UsageError, match=r"two augmentations of the first view.*cuda and cuda"):
        build("ce+cuda+cuda")
