"""Digits-Mosaic: its published hashes, its counts, and what is scarce in it."""

import hashlib
from collections import Counter

import numpy as np
import pytest
import torch

from ltbench.data import mosaic
from ltbench.data.catalog import dataset
from ltbench.data.loading import load
from ltbench.errors import UsageError

COUNTS = (1000, 555, 308, 170, 94, 52, 29, 16, 9, 5)
# First digits of the SHA-256 of pictures and of labels as uint8, of subset seed 0.
HASHES = {
    "train": ("95466d9508188cbc", "cde5f2a5bf4ce793"),
    "val": ("8b89351b9991b151", "1ca5b17fccd70c26"),
    "test": ("c4fefc9d3f42fefd", "4c128d7bb7268995"),
}
TESTED = (502, 520, 499, 510, 516, 522, 509, 520, 464, 483)


def start_of(array):
    return hashlib.sha256(array.astype(np.uint8).tobytes()).hexdigest()[:16]


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return load(dataset("digits_mosaic"), tmp_path_factory.mktemp("none"), download=False)


@pytest.mark.parametrize("part", HASHES)
def test_pictures_and_labels_are_those_published(part):
    labels = mosaic.labels_of(part, COUNTS, 1.0, 0)
    pictures = mosaic.pictures_of(labels, part, 0)
    assert (start_of(pictures), start_of(labels)) == HASHES[part]


def test_counts_groups_and_sizes_are_known_without_a_picture():
    data = dataset("digits_mosaic")
    assert data.class_counts() == COUNTS
    assert data.test_counts() == TESTED
    assert (data.training_images(), data.test_images()) == (1254, 2000)
    assert (data.info.many_above, data.info.few_below) == (99, 20)


def test_the_split_is_what_the_catalogue_says(split):
    assert split.class_counts == COUNTS
    assert torch.equal(split.train.labels.sum(0), torch.tensor(COUNTS).float())
    assert tuple(split.test.labels.sum(0).int().tolist()) == TESTED
    assert [len(part.labels) for part in (split.train, split.test, split.validation)] == [
        1254, 2000, 500,
    ]  # fmt: skip
    assert split.train.images.shape == (1254, 1, 32, 32)
    assert split.train.labels.dtype == torch.float32


def test_a_rare_label_never_comes_alone_and_often_beside_its_partner():
    labels = mosaic.training_labels(COUNTS, 0)
    assert Counter(labels.sum(1).tolist()) == {1: 520, 2: 514, 3: 190, 4: 30}
    for c in range(4, 10):
        assert labels[labels[:, c] == 1].sum(1).min() >= 2
    beside = [round(float(labels[labels[:, c] == 1, 0].mean()), 2) for c in (7, 8, 9)]
    assert beside == [0.5, 0.56, 0.4]
    tested = mosaic.balanced_labels(mosaic.TESTED, 102)
    assert all(abs(tested[tested[:, c] == 1, 0].mean() - 0.22) < 0.06 for c in (7, 8, 9))


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("counts", [COUNTS, (224,) * 10, (50, 27, 15, 8, 5, 3, 1, 1, 1, 1)])
def test_counts_are_met_exactly_by_sets_without_twins(counts, seed):
    labels = mosaic.training_labels(counts, seed)
    assert tuple(labels.sum(0)) == counts
    assert labels.min() >= 0
    assert labels.max() == 1
    assert 1 <= labels.sum(1).min() <= labels.sum(1).max() <= 4


def test_no_digit_is_in_two_parts():
    pools = [set(np.concatenate(mosaic.pool_of(part)).tolist()) for part in HASHES]
    assert sum(map(len, pools)) == 1797
    assert set.union(*pools) == set(range(1797))


def test_the_subset_seed_draws_other_training_images_and_the_same_test_images(split, tmp_path):
    other = load(dataset("digits_mosaic"), tmp_path, subset_seed=1)
    assert other.class_counts == split.class_counts
    assert other.indices_sha256 != split.indices_sha256
    assert torch.equal(other.test.images, split.test.images)
    assert torch.equal(other.validation.labels, split.validation.labels)


def test_a_share_of_the_images_keeps_a_share_of_each_count(tmp_path):
    data = dataset("digits_mosaic")
    small = load(data, tmp_path, fraction=0.24)
    assert small.class_counts == data.class_counts(fraction=0.24)
    assert small.class_counts[:3] == (240, 133, 74)
    assert len(small.train.labels) == data.training_images(0.24)
    assert len(small.test.labels) == data.test_images(0.24) == 480
    assert tuple(small.test.labels.sum(0).int().tolist()) == data.test_counts(0.24)


def test_the_balanced_control_has_as_many_labels_in_all():
    data = dataset("digits_mosaic(profile='balanced')")
    assert data.class_counts() == (224,) * 10
    assert str(data) == "digits_mosaic(imbalance=200, profile='balanced')"
    assert data.test_counts() == TESTED
    labels = mosaic.training_labels((224,) * 10, 0)
    assert (labels.sum(1) == 1).any()


def test_none_of_its_images_can_be_held_out(tmp_path):
    with pytest.raises(UsageError, match="several labels an image, so 2 of each class cannot be"):
        load(dataset("digits_mosaic"), tmp_path, validation=2)
