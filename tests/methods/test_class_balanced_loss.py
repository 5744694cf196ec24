"""The class-balanced loss by closed form."""

import pytest
import torch
import torch.nn.functional as F
from made_methods import COUNTS, losses, random_logits


@pytest.mark.parametrize("base", ["ce", "focal(gamma=2)"])
@pytest.mark.parametrize("beta", [0.9, 0.9999])
def test_a_loss_is_divided_by_the_effective_number_of_its_class(base, beta):
    logits, targets = random_logits()
    effective = torch.tensor([sum(beta**k for k in range(n)) for n in COUNTS.tolist()])
    expected = 5 * (1 / effective) / (1 / effective).sum()
    found = losses(f"{base}+class_balanced_loss(beta={beta})", logits, targets)
    ratio = found / losses(base, logits, targets)
    assert torch.allclose(ratio, expected.double()[targets], rtol=1e-5)


def test_hand_values():
    """beta = 0.5 and counts 1, 2: effective numbers 1 and 1.5, factors 6/5 and 4/5."""
    logits, targets = torch.zeros(2, 2, dtype=torch.float64), torch.tensor([0, 1])
    found = losses("class_balanced_loss(beta=0.5)", logits, targets, torch.tensor([1, 2]))
    assert (found / torch.tensor(2.0).log()).tolist() == pytest.approx([1.2, 0.8])


def test_the_papers_extremes_are_the_plain_loss_and_the_inverse_count():
    logits, targets = random_logits()
    plain = losses("ce", logits, targets)
    assert torch.equal(losses("class_balanced_loss(beta=0.0)", logits, targets), plain)
    inverse = 5 / COUNTS.double() / (1 / COUNTS.double()).sum()
    found = losses("class_balanced_loss(beta=0.999999999)", logits, targets)
    assert torch.allclose(found, plain * inverse[targets], rtol=1e-4)


def test_uniform_counts_give_the_plain_loss():
    logits, targets = random_logits()
    found = losses("class_balanced_loss", logits, targets, torch.full((5,), 37))
    assert torch.equal(found, losses("ce", logits, targets))


def test_drw_from_the_start_is_the_other_published_normalisation():
    """LDAM-DRW's code takes torch's weighted mean, which divides by the batch's mean factor."""
    logits, targets = random_logits()
    factors = (1 - 0.9999) / (1 - 0.9999 ** COUNTS.double())
    deferred, balanced = (
        losses("drw(defer=0)", logits, targets),
        losses("class_balanced_loss", logits, targets),
    )
    expected = F.cross_entropy(logits, targets, weight=factors)
    assert float(deferred.mean()) == pytest.approx(float(expected), rel=1e-6)
    ratio = float(balanced.mean() / deferred.mean())
    own = factors / factors.mean()
    assert ratio == pytest.approx(float(own[targets].mean()), rel=1e-6)
    assert abs(ratio - 1) > 0.01
