"""VOC-LT's and COCO-LT's lists: what was published of them, and what a fraction keeps."""

import re
from collections import Counter

import numpy as np
import pytest

from ltbench.data import label_lists
from ltbench.data.catalog import dataset
from ltbench.data.profile import published_counts

# Of the published lists: images, counts' extremes, labels an image and at most, head and tail.
LISTS = {
    "voc_lt": (
        1142, 775, 4, 2.05, 6, [4, 6, 8, 10, 14, 15], [0, 2, 3, 5, 9, 12, 16, 18],
    ),
    "coco_lt": (
        1909, 1128, 6, 4.36, 14,
        [0, 2, 24, 26, 39, 41, 42, 43, 44, 45, 56, 57, 58, 60, 62, 63, 67, 69, 71, 72, 73, 75],
        [4, 6, 10, 11, 12, 14, 17, 18, 19, 20, 21, 22, 23, 29, 30, 31, 33, 36, 37, 52, 54, 70, 76,
         78, 79],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_a_shipped_list_has_the_counts_and_groups_that_were_published(name):
    images, most, least, labels, at_most, head, tail = LISTS[name]
    data = dataset(name)
    sets = data.label_sets("train", 1.0)
    assert tuple(sets.sum(0)) == published_counts(name) == data.class_counts()
    assert (len(sets), data.training_images()) == (images, images)
    assert (data.info.head_count, min(data.class_counts())) == (most, least)
    assert max(data.class_counts()) == most
    assert data.imbalance == most / least
    assert (round(float(sets.sum(1).mean()), 2), sets.sum(1).max()) == (labels, at_most)
    shots = data.shots()
    assert [c for c, group in enumerate(shots) if group == "many"] == head
    assert [c for c, group in enumerate(shots) if group == "few"] == tail


@pytest.mark.parametrize(
    ("name", "start"), [("voc_lt", "20(08|09|10|11)_[0-9]{6}"), ("coco_lt", "[0-9]{1,6}")]
)
def test_a_shipped_list_has_no_image_twice_and_none_of_the_test_sets_names(name, start):
    rows = label_lists.shipped(name)
    assert max(Counter(identifier for identifier, _ in rows).values()) == 1
    assert all(re.fullmatch(start, identifier) for identifier, _ in rows)
    assert all(len(set(labels)) == len(labels) > 0 for _, labels in rows)


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("fraction", [0.005, 0.05, 0.5])
def test_a_fraction_keeps_every_label_and_its_share(name, fraction):
    data = dataset(name)
    whole, counts = np.array(data.class_counts()), np.array(data.class_counts(fraction=fraction))
    assert (counts >= np.maximum(1, np.round(fraction * whole))).all()
    assert (counts <= whole).all()
    assert data.training_images(fraction) < len(label_lists.shipped(name))
    assert data.test_images(fraction) == round(fraction * data.info.test_count)


def test_what_a_fraction_keeps_is_what_walking_down_the_list_gives():
    sets = np.array([[1, 0], [1, 0], [1, 1], [0, 1], [1, 0], [0, 1]])
    assert label_lists.leading(sets, 0.5).tolist() == [0, 1, 2, 3]  # two of four; two of three
    assert label_lists.leading(sets, 0.01).tolist() == [0, 2]
    assert label_lists.leading(sets, 1.0).tolist() == list(range(6))
