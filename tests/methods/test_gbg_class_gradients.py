"""Classes' gradients over a training set against one backward pass over all its images."""

import pytest
import torch
import torch.nn.functional as F
from ltbench.methods.gbg import class_gradients

from ltbench import Batch
from ltbench.networks import create


@pytest.mark.parametrize("size", [3, 11])
def test_gradients_are_those_at_the_given_weights_however_the_images_come(size):
    torch.manual_seed(0)
    network, there = create("resnet8", 1, 4).double().eval(), create("resnet8", 1, 4).double()
    images = torch.randn(11, 1, 8, 8, dtype=torch.float64)
    targets = torch.tensor([0, 2, 0, 1, 0, 2, 0, 1, 0, 0, 2])  # no image of class 3
    batches = [
        Batch((images[part],), targets[part], part) for part in torch.arange(11).split(size)
    ]  # fmt: skip
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = class_gradients(network, there.state_dict(), batches, 4, "backbone.")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    there.eval()
    weights = [p for n, p in there.named_parameters() if n.startswith("backbone.")]
    assert found.shape == (4, sum(p.numel() for p in weights))
    for label in range(3):
        own = targets == label
        loss = F.cross_entropy(there(images[own])["logits"], targets[own], reduction="sum")
        expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)])
        torch.testing.assert_close(found[label], expected)
        assert expected.norm() > 0
    assert found[3].abs().max() == 0
