"""The feed: an epoch's images, cut into normalised batches."""

import pytest
import torch
from torchvision.transforms import functional as TF

from ltbench.data import feed as feed_module
from ltbench.data.catalog import CATALOG
from ltbench.data.feed import CLEAN_BATCH, Feed
from ltbench.data.info import DatasetInfo
from ltbench.data.readers import Subset

RGB = DatasetInfo(
    name="made_up", title="Made up", classes=4, head_count=10, test_count=1, shape=(3, 8, 8),
    mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010), imbalance=10, network="resnet8",
    protocol="smoke", family="made_up", padding=2, source="made here", reader=None,
)  # fmt: skip


def feed(count=23, info=RGB):
    draw = torch.Generator().manual_seed(count)
    images = torch.randint(0, 256, (count, *info.shape), generator=draw, dtype=torch.uint8)
    return Feed(info, Subset(images, torch.randint(0, 4, (count,), generator=draw)))


def epoch(source, views=("standard",), sampler="instance_balanced", *, size=5, drop=False, seed=0):
    return list(source.epoch(views, sampler, size, drop, seed))


def joined(batches, view=0):
    return torch.cat([batch.views[view] for batch in batches])


def order(batches):
    return torch.cat([batch.indices for batch in batches])


@pytest.mark.parametrize(
    ("count", "size", "drop", "sizes"),
    [
        (23, 5, False, [5, 5, 5, 5, 3]),
        (23, 5, True, [5, 5, 5, 5]),
        (20, 5, False, [5, 5, 5, 5]),
        (20, 5, True, [5, 5, 5, 5]),
        (3, 5, False, [3]),
        (3, 5, True, [3]),  # a subset smaller than a batch is one batch
        (1, 1, True, [1]),
        (21, 5, False, [5, 5, 5, 5]),  # a single image has no batch statistics
        (1, 5, False, [1]),
        (3, 1, False, [1, 1, 1]),
    ],
)
def test_batches_have_the_size_asked_for_and_the_last_what_is_left(count, size, drop, sizes):
    source = feed(count)
    batches = epoch(source, size=size, drop=drop)
    assert [len(batch.targets) for batch in batches] == sizes
    assert source.steps(size, drop) == len(sizes)
    assert all(
        len(batch.images) == len(batch.indices) == n
        for batch, n in zip(batches, sizes, strict=True)
    )


def test_an_epoch_of_pairs_is_twice_as_long_and_every_batch_has_both_halves():
    source = feed()
    batches = epoch(source, sampler="reversed_pairs", size=10)
    assert [len(batch.targets) for batch in batches] == [10, 10, 10, 10, 6]
    assert source.steps(10, False, "reversed_pairs") == 5
    assert source.steps(10, True, "reversed_pairs") == 4
    even = torch.cat([batch.indices[0::2] for batch in batches])
    assert sorted(even.tolist()) == list(range(23))


def test_the_batches_of_an_epoch_hold_every_image_once_with_its_own_label():
    source = feed()
    batches = epoch(source, views=("clean",))
    indices = order(batches)
    assert sorted(indices.tolist()) == list(range(23))
    assert torch.equal(torch.cat([b.targets for b in batches]), source.subset.labels[indices])
    assert torch.equal(joined(batches), source.normalise(source.subset.images[indices]))


def test_dropping_the_last_batch_loses_only_the_last_images_of_the_order():
    source = feed()
    whole, cut = epoch(source), epoch(source, drop=True)
    assert torch.equal(order(whole)[:20], order(cut))
    assert torch.equal(joined(whole)[:20], joined(cut))


@pytest.mark.parametrize("info", [RGB, CATALOG["digits_lt"]], ids=["colour", "grey"])
def test_normalisation_is_that_of_torchvision(info):
    source = feed(info=info)
    expected = TF.normalize(source.subset.images.float() / 255, info.mean, info.std)
    found = source.normalise(source.subset.images)
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("shape", [(5, 3, 32, 32), (3, 3, 224, 224), (4, 1, 8, 8), (0, 3, 32, 32)])
def test_normalisation_multiplies_and_subtracts_by_channel_and_is_channels_last(shape):
    """In any chunks, to the bit: an image has the same numbers in any batch and of any set."""
    info = RGB if shape[1] == 3 else CATALOG["digits_lt"]
    images = torch.randint(0, 256, shape, dtype=torch.uint8)
    before = images.clone()
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (info.mean, info.std))
    factor, shift = (each.float().view(1, -1, 1, 1) for each in (1 / (255 * std), mean / std))
    found = feed(info=info).normalise(images)
    assert torch.equal(found, (images.float() * factor).sub(shift))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)


def test_normalisation_in_closed_form_of_black_and_white():
    source = feed()
    black = source.normalise(torch.zeros(1, 3, 1, 1, dtype=torch.uint8)).flatten()
    white = source.normalise(torch.full((1, 3, 1, 1), 255, dtype=torch.uint8)).flatten()
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (RGB.mean, RGB.std))
    assert torch.allclose(black.double(), -mean / std, atol=1e-6)
    assert torch.allclose(white.double(), (1 - mean) / std, atol=1e-6)


def test_normalising_leaves_the_stored_images_alone():
    source = feed()
    before = source.subset.images.clone()
    epoch(source)
    list(source.clean())
    assert torch.equal(source.subset.images, before)


def test_images_lie_channels_last_in_memory():
    source = feed()
    for batch in [*epoch(source, ("standard", "contrastive")), *source.clean()]:
        for view in batch.views:
            assert view.is_contiguous(memory_format=torch.channels_last)
            assert not view.is_contiguous()


@pytest.mark.parametrize("sampler", ["instance_balanced", "class_balanced"])
def test_the_order_does_not_depend_on_the_views(sampler):
    source = feed()
    plain = order(epoch(source, ("clean",), sampler))
    for views in (("standard",), ("autoaugment", "contrastive"), ()):
        assert torch.equal(order(epoch(source, views, sampler)), plain)


def test_a_view_does_not_depend_on_the_views_after_it():
    source = feed()
    alone = joined(epoch(source, ("standard",)))
    with_others = epoch(source, ("standard", "contrastive", "contrastive"))
    assert torch.equal(joined(with_others), alone)


def test_two_views_of_one_kind_differ():
    batches = epoch(feed(), ("contrastive", "contrastive"))
    assert not torch.equal(joined(batches, 0), joined(batches, 1))


def test_order_and_every_view_draw_from_streams_of_their_own(monkeypatch):
    """No two streams begin alike, or what one draws would follow from what another drew."""
    seeds = []

    def spied(function):
        def call(*arguments, **named):
            seeds.append(arguments[-1].initial_seed())
            return function(*arguments, **named)

        return call

    monkeypatch.setattr(feed_module, "order", spied(feed_module.order))
    monkeypatch.setattr(feed_module, "render", spied(feed_module.render))
    for seed in (0, 1):
        epoch(feed(), ("standard", "standard", "contrastive"), seed=seed)
    assert len(seeds) == len(set(seeds)) == 8


@pytest.mark.parametrize("sampler", ["instance_balanced", "class_balanced", "square_root"])
def test_the_same_seed_gives_the_same_batches_and_another_seed_others(sampler):
    source, views = feed(), ("autoaugment", "contrastive")
    torch.manual_seed(1)
    first = epoch(source, views, sampler, seed=7)
    torch.manual_seed(2)
    second = epoch(source, views, sampler, seed=7)
    for left, right in zip(first, second, strict=True):
        assert all(map(torch.equal, left.views, right.views))
        assert torch.equal(left.targets, right.targets)
        assert torch.equal(left.indices, right.indices)
    other = epoch(source, views, sampler, seed=8)
    assert not torch.equal(order(first), order(other))


def test_an_epoch_leaves_the_global_generator_alone():
    torch.manual_seed(123)
    source, before = feed(), torch.get_rng_state()
    epoch(source, ("autoaugment", "contrastive"), "class_balanced")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("count", [1, 7, CLEAN_BATCH, CLEAN_BATCH + 1])
def test_clean_batches_are_every_image_once_in_order(count):
    source = feed(count)
    batches = list(source.clean())
    assert len(batches) == (2 if count > CLEAN_BATCH else 1)
    assert torch.equal(order(batches), torch.arange(count))
    assert torch.equal(joined(batches), source.normalise(source.subset.images))
    assert torch.equal(torch.cat([b.targets for b in batches]), source.subset.labels)
    assert all(len(batch.views) == 1 for batch in batches)


def test_clean_batches_can_be_smaller():
    assert [len(b.targets) for b in feed(7).clean(batch_size=3)] == [3, 3, 1]


# a changed view


def inverted(view, targets):
    return (*view, lambda images, augment, generator: 255 - images)


def test_an_epoch_asks_once_for_all_its_labels_and_changes_the_first_view_alone():
    source, wanted = feed(), []

    def change(view, targets):
        wanted.append(targets)
        return inverted(view, targets)

    views = ("standard", "contrastive", "standard")
    plain = epoch(source, views, "reversed_pairs", size=10)
    found = list(source.epoch(views, "reversed_pairs", 10, False, 0, augment=change))
    (targets,) = wanted
    assert torch.equal(targets, torch.cat([batch.targets for batch in plain]))
    assert torch.equal(targets, source.subset.labels[order(found)])
    for before, after in zip(plain, found, strict=True):
        assert not torch.equal(before.views[0], after.views[0])
        assert all(map(torch.equal, before.views[1:], after.views[1:]))
        assert torch.equal(before.indices, after.indices)


def test_a_part_knows_every_image_of_an_epoch_by_its_label():
    def change(view, targets):
        def invert(images, augment, generator):
            return torch.where((targets == 2).view(-1, 1, 1, 1), 255 - images, images)

        return (*view, invert)

    source = feed()
    found = list(source.epoch(("clean",), "instance_balanced", 5, False, 0, augment=change))
    own = source.subset.images[order(found)]
    second = torch.cat([batch.targets for batch in found]) == 2
    expected = torch.where(second.view(-1, 1, 1, 1), 255 - own, own)
    assert torch.equal(joined(found), source.normalise(expected))
    assert 0 < int(second.sum()) < 23


def test_chosen_images_pass_through_a_view_in_the_order_given(monkeypatch):
    monkeypatch.setattr(feed_module, "BLOCK", 600)
    source = feed()
    indices = torch.randint(0, 23, (1500,), generator=torch.Generator().manual_seed(3))

    def batches(change=feed_module.unchanged):
        draw = torch.Generator().manual_seed(0)
        return list(source.through("standard", indices, draw, change))

    plain, again, changed = batches(), batches(), batches(inverted)
    assert [len(batch.targets) for batch in plain] == [CLEAN_BATCH, 100, CLEAN_BATCH, 100, 300]
    assert torch.equal(order(plain), indices)
    assert torch.equal(torch.cat([b.targets for b in plain]), source.subset.labels[indices])
    assert torch.equal(joined(plain), joined(again))
    # Every crop is drawn afresh: of 1,500 crops of 23 images hardly two in a row are alike.
    assert len(torch.unique(joined(plain), dim=0)) > 23 * 10
    std = torch.tensor(RGB.std).view(3, 1, 1)
    mean = torch.tensor(RGB.mean).view(3, 1, 1)
    back = (joined(changed) * std + mean) + (joined(plain) * std + mean)
    torch.testing.assert_close(back, torch.ones_like(back))


def test_a_part_of_a_view_but_the_last_keeps_type_and_shape():
    def half(images, augment, generator):
        return images.float() / 2

    with pytest.raises(ValueError, match=r"half makes torch\.float32 .* keeps shape and type"):
        next(feed().epoch(("clean",), "instance_balanced", 5, False, 0,
                          augment=lambda view, targets: (*view, half, half)))  # fmt: skip


def test_labels_of_rows_give_as_many_steps_as_their_order_has_draws():
    """Rows of labels are float, and an epoch that draws by label has a whole number of draws."""
    labels = torch.zeros(30, 4)
    labels[:21, 0] = labels[10:20, 1] = labels[20:27, 2] = labels[27:, 3] = 1
    subset = Subset(torch.zeros(30, 1, 8, 8, dtype=torch.uint8), labels)
    feed = Feed(CATALOG["digits_mosaic"], subset)
    assert feed.draws("class_aware") == 21 * 4 // 4
    batches = list(feed.epoch(("standard",), "class_aware", 8, False, seed=1))
    assert len(batches) == feed.steps(8, False, "class_aware") == 3
    assert batches[0].targets.shape == (8, 4)
    assert torch.equal(batches[0].targets, labels[batches[0].indices])
