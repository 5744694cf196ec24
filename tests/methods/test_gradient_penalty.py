"""The gradient-norm penalty: a mix of two gradients, and what it approximates."""

import pytest
import torch
from made_methods import gap, gradients_of, made_step


def mixed(left, right, share):
    return [share * a + (1 - share) * b for a, b in zip(left, right, strict=True)]


@pytest.mark.parametrize("base", ["ce", "ldam_drw"])
@pytest.mark.parametrize("alpha", [0.3, 0.8])
def test_it_is_the_share_of_sams_gradient_and_of_the_plain_one(base, alpha):
    ours = gradients_of(f"{base}+gradient_penalty(alpha={alpha}, rho=0.2)")
    sharp, plain = gradients_of(f"{base}+sam(rho=0.2)"), gradients_of(base)
    assert gap(ours, mixed(sharp, plain, alpha)) < 1e-12
    assert gap(ours, plain) > 1e-3


def test_for_small_radii_it_is_the_gradient_of_the_penalised_loss():
    """L + alpha rho |grad L|, by second derivatives."""
    alpha, rho = 0.8, 1e-6
    step = made_step("ce")
    weights = list(step.network.parameters())
    value = step.objective()
    gradient = torch.autograd.grad(value, weights, create_graph=True)
    length = sum(part.square().sum() for part in gradient).sqrt()
    bend = torch.autograd.grad(length, weights)
    ours = gradients_of(f"gradient_penalty(alpha={alpha}, rho={rho})")
    extra = [
        (part - plain.detach()) / (alpha * rho) for part, plain in zip(ours, gradient, strict=True)
    ]
    size = max(part.abs().max().item() for part in bend)
    assert gap(extra, bend) < 1e-3 * size


def test_alpha_one_is_sam_and_zero_the_base():
    sharp = gradients_of("ce+gradient_penalty(alpha=1.0, rho=0.2)")
    assert gap(sharp, gradients_of("ce+sam(rho=0.2)")) < 1e-12
    assert gap(gradients_of("ce+gradient_penalty(alpha=0.0)"), gradients_of("ce")) < 1e-12


def test_radius_zero_is_the_base():
    assert gap(gradients_of("ce+gradient_penalty(rho=0.0)"), gradients_of("ce")) < 1e-12
