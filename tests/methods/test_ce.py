"""Cross-entropy: the harness's own training, nothing else."""

import pytest
import torch

from ltbench import Batch, Clock, Method, Task, build
from ltbench.api.compose import overrides

CLOCK = Clock("train", 0, 200)


def test_cross_entropy_is_the_log_of_the_softmax_at_the_target():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 5, generator=draw, dtype=torch.float64)
    targets = torch.randint(5, (8,), generator=draw)
    method = build("ce")
    method.setup(Task(torch.tensor([50, 40, 30, 20, 10])))
    found = method.losses({"logits": logits}, Batch((logits,), targets, targets), CLOCK)
    odds = logits.exp()
    expected = -(odds[torch.arange(8), targets] / odds.sum(1)).log()
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)


def test_cross_entropy_of_equal_logits_is_the_log_of_the_number_of_classes():
    logits, targets = torch.zeros(3, 7, dtype=torch.float64), torch.tensor([0, 3, 6])
    found = build("ce").losses({"logits": logits}, Batch((logits,), targets, targets), CLOCK)
    assert found.tolist() == pytest.approx([1.945910149055313] * 3, abs=1e-12)


def test_cross_entropy_changes_no_hook_of_the_harness():
    assert overrides(build("ce")) == set()
    assert isinstance(build("ce"), Method)
