"""tau-normalisation against its definition, class by class."""

import copy

import pytest
import torch
from made_methods import resnet8

from ltbench import build
from ltbench.engine.evaluate import finalised
from ltbench.errors import UsageError
from ltbench.registry.methods import role, trained_part
from ltbench.testing import conformance
from ltbench.testing.synthetic import training


def network():
    made = resnet8().double().eval()
    with torch.no_grad():
        made.classifier.weight.mul_(torch.tensor([9.0, 4.0, 1.0, 0.5, 0.1]).unsqueeze(1))
    return made


def images():
    return torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()


def logits(tau):
    method = build(f"ce+tau_norm(tau={tau})")
    return method.predict(finalised(method, network()), images()).detach()


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0, 2.0])
def test_it_is_the_definition_by_loops(tau):
    made = network()
    features, found = made.backbone(images()).detach(), logits(tau)
    for c, weight in enumerate(made.classifier.weight.detach()):
        length = sum(w**2 for w in weight.tolist()) ** 0.5
        torch.testing.assert_close(found[:, c], features @ weight / length**tau)


def test_tau_zero_only_drops_the_bias():
    made = network()
    plain = made(images())["logits"] - made.classifier.bias
    torch.testing.assert_close(logits(0.0), plain.detach(), rtol=0, atol=1e-12)


def test_tau_one_makes_all_class_weights_unit_vectors():
    method = build("ce+tau_norm")
    assert method.parts[1].tau == 1.0
    lengths = finalised(method, network()).classifier.weight.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(5).double())


def test_a_class_with_a_short_weight_gains():
    """Weights (3, 0) and (0, 1) on the feature (1, 2): the second class wins once equal in length.

    Without normalisation the first leads, 3 to 2.
    """
    made = network()
    made.classifier = torch.nn.Linear(2, 2).double()
    with torch.no_grad():
        made.classifier.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    feature = torch.tensor([[1.0, 2.0]]).double()
    for tau, expected in ((0.0, [3.0, 2.0]), (1.0, [1.0, 2.0])):
        final = finalised(build(f"ce+tau_norm(tau={tau})"), made)
        torch.testing.assert_close(final.classifier(feature)[0], torch.tensor(expected).double())


def test_the_trained_network_is_left_as_it_was():
    made = network()
    before = copy.deepcopy(made.state_dict())
    finalised(build("ce+tau_norm"), made)
    assert made.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())


def test_it_is_post_hoc_so_it_shares_the_training():
    method = build("ce+tau_norm(tau=0.5)")
    assert role(type(method.parts[1])) == "post-hoc"
    assert trained_part(method) == build("ce")


def test_a_head_that_is_not_linear_is_refused():
    work = training("ldam_drw")
    with pytest.raises(UsageError, match="this network has a CosineClassifier; put it behind"):
        finalised(build("ldam_drw+tau_norm"), work.network)


@pytest.mark.slow
@pytest.mark.parametrize("specification", ["crt+tau_norm", "ce+sam+tau_norm(tau=0.7)"])
def test_conformance(specification):
    assert conformance.check(specification) == []
