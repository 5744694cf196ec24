"""Spectral normalisation: largest singular values by torch's decomposition, and the merging."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from ltbench import Task, build
from ltbench.engine.evaluate import finalised
from ltbench.errors import LtbenchError
from ltbench.networks import CosineClassifier, create
from ltbench.testing.synthetic import training

TASK = Task(torch.tensor([40, 20, 10, 5, 1]))


def built(specification, base="ce"):
    method = build(f"{base}+{specification}")
    method.setup(TASK)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = create("resnet8", 3, 5).double()
        network = method.build(copy.deepcopy(plain))
    return method, network.double(), plain


def settled(network, passes=200):
    """Run the power iteration until it stands still."""
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    network.train()
    with torch.no_grad():
        for _ in range(passes):
            network(images)
    return network


def sigma(weight):
    return torch.linalg.matrix_norm(weight.detach().flatten(1), 2).item()


def parametrised(network):
    return {name for name, m in network.named_modules() if parametrize.is_parametrized(m)}


@pytest.mark.parametrize(
    ("layers", "convolutions", "classifier"),
    [("all", True, True), ("convolutions", True, False), ("classifier", False, True)],
)
def test_the_chosen_weights_are_divided_by_their_largest_singular_value(
    layers, convolutions, classifier
):
    method, network, plain = built(f"spectral_norm(layers={layers!r})")
    final = finalised(method, settled(network))
    normalised = 0
    for name, weight in plain.named_parameters():
        if weight.ndim == 1:
            continue
        here = classifier if name.startswith("classifier") else convolutions
        expected = weight.detach() / (sigma(weight) if here else 1.0)
        found = dict(final.named_parameters())[name].detach()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)
        if here:
            assert sigma(found) == pytest.approx(1, abs=1e-4)
            normalised += 1
    assert normalised == {"all": 8, "convolutions": 7, "classifier": 1}[layers]


def test_the_first_iterations_are_near_already():
    _, network, plain = built("spectral_norm")
    head = network.classifier.weight
    assert sigma(head) == pytest.approx(1, abs=0.05)
    assert abs(sigma(plain.classifier.weight) - 1) > 0.1


def test_logits_are_no_longer_than_the_features():
    method, network, _ = built("spectral_norm(layers='classifier')")
    final = finalised(method, settled(network))
    features = torch.randn(50, 64, generator=torch.Generator().manual_seed(2)).double()
    logits = (final.classifier(features) - final.classifier.bias).detach()
    assert (logits.norm(dim=1) <= features.norm(dim=1) * (1 + 1e-9)).all()


def test_a_cosine_head_keeps_its_logits():
    method, network, _ = built("spectral_norm(layers='classifier')", "ldam_drw")
    assert isinstance(network.classifier, CosineClassifier)
    assert parametrised(network) == {"classifier"}
    features = torch.randn(4, 64, generator=torch.Generator().manual_seed(3)).double()
    own = network.classifier.parametrizations.weight.original.detach()
    expected = 30 * nn.functional.cosine_similarity(features[:, None], own[None], dim=2)
    torch.testing.assert_close(finalised(method, network).classifier(features), expected)


def test_the_merged_network_is_plain_and_the_trained_one_still_trains():
    work = training("spectral_norm", 2)
    work.run(lambda report: None)
    names = parametrised(work.network)
    final = finalised(work.method, work.network)
    assert not parametrised(final)
    assert final.state_dict().keys() == training("ce").network.state_dict().keys()
    assert parametrised(work.network) == names
    images = next(work.train.clean()).images
    work.network.eval()
    torch.testing.assert_close(final(images)["logits"], work.network(images)["logits"])
    before = work.network.classifier.parametrizations.weight[0]._u.clone()
    work.network.train()(images)
    assert not torch.equal(work.network.classifier.parametrizations.weight[0]._u, before)


def test_a_stage_that_resets_a_parametrised_head_is_refused_in_words():
    work = training("crt+spectral_norm", 1)
    with pytest.raises(LtbenchError, match="resets 'classifier', whose weight is parametrised"):
        work.run(lambda report: None)
    fits = training("crt+spectral_norm(layers='convolutions')", 1)
    fits.run(lambda report: None)
