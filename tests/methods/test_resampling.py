"""Re-sampling: the draws of the one stage there is."""

import pytest
import torch

from ltbench import Recipe, Stage, build
from ltbench.api.compose import overrides
from ltbench.data.samplers import order

RECIPE = Recipe(10, 16, learning_rate=0.1, weight_decay=2e-4)
COUNTS = torch.tensor([900, 90, 10])


@pytest.mark.parametrize(
    ("specification", "power"),
    [("resampling", 0), ("resampling(sampler='square_root')", 0.5),
     ("resampling(sampler='instance_balanced')", 1)],
)  # fmt: skip
def test_classes_are_drawn_by_a_power_of_their_counts(specification, power):
    (stage,) = build(specification).stages(RECIPE)
    labels = torch.repeat_interleave(torch.arange(3), COUNTS)
    draws = [order(stage.sampler, labels, torch.Generator().manual_seed(s)) for s in range(40)]
    shares = labels[torch.cat(draws)].bincount() / sum(map(len, draws))
    expected = COUNTS**power / (COUNTS**power).sum()
    assert torch.allclose(shares, expected.float(), rtol=0, atol=0.01)


def test_the_control_is_plain_training():
    method = build("resampling(sampler='instance_balanced')")
    assert method.stages(RECIPE) == (Stage(name="train", recipe=RECIPE),)
    assert overrides(method) == {"stages"}
