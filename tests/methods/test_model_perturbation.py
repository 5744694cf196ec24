"""Random perturbation: where the noise goes, how long it is, and the mean over the draws."""

import pytest
import torch
from made_methods import gap, made_step

from ltbench import Clock, Step
from ltbench.errors import UsageError
from ltbench.networks import create


class Spying(Step):
    """Keeps the perturbations at which the objective is asked for."""

    def objective(self, perturbation=None):
        self.notes.setdefault("perturbations", []).append(perturbation)
        return super().objective(perturbation)


def set_up(specification, number=0):
    clock = Clock("train", 0, 10, number, 50)
    return made_step(specification, counts=(40, 20, 10, 5, 1), clock=clock, kind=Spying)


def gradients_of(specification):
    step = set_up(specification)
    step.method.backward(step)
    return [p.grad for p in step.network.parameters()]


def perturbations_of(specification, number=0):
    step = set_up(specification, number)
    step.method.backward(step)
    return step.notes["perturbations"]


@pytest.mark.parametrize("layers", [1, 4])
def test_every_filter_of_the_last_convolutions_moves_by_its_share(layers):
    network = create("resnet8", 3, 5)
    convolutions = [name for name, p in network.named_parameters() if p.dim() == 4]
    step = set_up(f"model_perturbation(size=0.3, layers={layers})")
    step.method.backward(step)
    assert len(step.notes["perturbations"]) == 2
    for perturbation in step.notes["perturbations"]:
        assert list(perturbation) == convolutions[-layers:]
        for name, part in perturbation.items():
            lengths = part.flatten(1).norm(dim=1)
            filters = step.network.get_parameter(name).detach().flatten(1).norm(dim=1)
            assert torch.allclose(lengths, 0.3 * filters, rtol=1e-9)


def test_noise_is_uniform_around_zero():
    (perturbation,) = perturbations_of("model_perturbation(draws=1, layers=1)")
    (noise,) = perturbation.values()
    unit = noise.flatten(1) / noise.flatten(1).abs().max(1, keepdim=True).values
    assert abs(unit.mean().item()) < 0.02
    assert unit.square().mean().item() == pytest.approx(1 / 3, rel=0.03)


def test_the_gradient_is_the_mean_over_the_draws():
    perturbations = perturbations_of("ce+model_perturbation(size=0.3, draws=3)")
    assert len(perturbations) == 3
    parts = []
    for perturbation in perturbations:
        step = set_up("ce")
        with torch.no_grad():
            for name, shift in perturbation.items():
                step.network.get_parameter(name).add_(shift)
        step.method.backward(step)
        parts.append([p.grad for p in step.network.parameters()])
    mean = [sum(parts_of) / 3 for parts_of in zip(*parts, strict=True)]
    ours = gradients_of("ce+model_perturbation(size=0.3, draws=3)")
    assert gap(ours, mean) < 1e-12
    assert gap(ours, gradients_of("ce")) > 1e-3


def test_draws_and_steps_have_noise_of_their_own_and_the_same_step_the_same():
    def first(perturbation):
        return next(iter(perturbation.values()))

    one, two = perturbations_of("model_perturbation")
    assert not torch.equal(first(one), first(two))
    assert torch.equal(first(one), first(perturbations_of("model_perturbation")[0]))
    assert not torch.equal(first(one), first(perturbations_of("model_perturbation", 1)[0]))


@pytest.mark.parametrize("base", ["ce", "ldam_drw"])
def test_size_zero_is_the_base(base):
    assert gap(gradients_of(f"{base}+model_perturbation(size=0.0)"), gradients_of(base)) < 1e-12


def test_weights_that_are_parametrised_are_refused():
    with pytest.raises(UsageError, match="displaces plain weights"):
        perturbations_of("spectral_norm+model_perturbation")
