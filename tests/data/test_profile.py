"""Images of each class by both profiles, and shot groups, whatever a protocol holds out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltbench.api.task import Task
from ltbench.data.catalog import dataset
from ltbench.data.profile import SHOTS, class_counts, kept, shot_groups
from ltbench.errors import UsageError


def as_ldam_drw_computes_it(img_max, cls_num, imb_type, imb_factor):
    """`get_img_num_per_cls` of that code's imbalance_cifar.py, for an even number of classes."""
    numbers = []
    if imb_type == "exp":
        for idx in range(cls_num):
            numbers.append(int(img_max * (imb_factor ** (idx / (cls_num - 1.0)))))
    else:
        for _ in range(cls_num // 2):
            numbers.append(int(img_max))
        for _ in range(cls_num // 2):
            numbers.append(int(img_max * imb_factor))
    return numbers


@pytest.mark.parametrize(("head", "classes"), [(5000, 10), (500, 100), (6000, 10), (120, 10)])
@pytest.mark.parametrize(("imbalance", "factor"), [(100, 0.01), (50, 0.02), (20, 0.05), (10, 0.1)])
@pytest.mark.parametrize(("profile", "theirs"), [("exponential", "exp"), ("step", "step")])
def test_counts_are_those_of_the_published_code(head, classes, imbalance, factor, profile, theirs):
    ours = class_counts(head, classes, imbalance, profile)
    assert ours == as_ldam_drw_computes_it(head, classes, theirs, factor)


@given(small=st.integers(1, 1000), half=st.integers(1, 60), power=st.integers(0, 10))
def test_half_of_the_classes_has_the_ratio_of_the_others(small, half, power):
    # Buda et al. 2018: a share mu = 1/2 of the classes has 1 / rho of the others' images.
    counts = class_counts(small * 2**power, 2 * half, 2**power, "step")
    assert counts == [small * 2**power] * half + [small] * half


def test_a_step_in_closed_form():
    assert class_counts(5000, 10, 100, "step") == [5000] * 5 + [50] * 5
    assert class_counts(500, 100, 100, "step") == [500] * 50 + [5] * 50
    assert class_counts(10, 3, 5, "step") == [10, 2, 2]
    assert class_counts(7, 4, 1, "step") == [7] * 4
    with pytest.raises(UsageError, match="imbalance 500 leaves class 5 of 10 without images"):
        class_counts(120, 10, 500, "step")


def test_the_thresholds_themselves_are_medium():
    assert shot_groups([101, 100, 20, 19]) == ["many", "medium", "medium", "few"]
    assert shot_groups([99, 98, 18, 17], held_out=2) == ["many", "medium", "medium", "few"]
    assert shot_groups([7, 5, 3], many_above=5, few_below=4) == ["many", "medium", "few"]


@given(counts=st.lists(st.integers(1, 1000), min_size=1, max_size=30), held_out=st.integers(0, 30))
def test_a_task_has_the_same_groups(counts, held_out):
    groups = shot_groups(counts, held_out)
    masks = Task(torch.tensor(counts), held_out).shots
    assert [name for c in range(len(counts)) for name in SHOTS if masks[name][c]] == groups


@pytest.mark.parametrize("validation", [0, 1, 2, 4])
def test_a_protocol_that_holds_images_out_has_the_papers_groups(validation):
    data = dataset("cifar100_lt")
    held = data.class_counts(validation=validation)
    assert shot_groups(held, validation) == shot_groups(data.class_counts())


def test_of_every_class_a_fraction_stays_and_at_least_one_image():
    assert [kept(count, 0.1) for count in (1, 4, 30, 57)] == [1, 1, 3, 6]
    assert [kept(count, 1.0) for count in (1, 57)] == [1, 57]
