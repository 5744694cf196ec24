"""Shot groups: one rule, whatever a protocol holds out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltbench.api.task import Task
from ltbench.data.catalog import dataset
from ltbench.data.profile import SHOTS, shot_groups


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
