"""Post-hoc logit adjustment by closed form."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from made_methods import COUNTS, bound, random_logits

from ltbench import build
from ltbench.api.compose import is_post_hoc


def adjusted(tau, logits, counts=COUNTS):
    method = bound(f"ce+posthoc_logit_adjustment(tau={tau!r})", counts)
    return method.adjust_logits(logits)


@given(seed=st.integers(0, 2**31), tau=st.floats(0, 3))
def test_prediction_is_the_argmax_of_the_logits_minus_tau_log_prior(seed, tau):
    (logits, _), priors = random_logits(seed, 64), COUNTS / COUNTS.sum().double()
    found = adjusted(tau, logits)
    for row, ours in zip(logits, found, strict=True):
        scores = [float(o - tau * p.log()) for o, p in zip(row, priors, strict=True)]
        gaps = sorted(scores)
        if gaps[-1] - gaps[-2] > 1e-5:  # the priors' logarithms are taken in float32
            assert int(ours.argmax()) == scores.index(max(scores))
    expected = logits - tau * priors.log()
    assert torch.allclose(found, expected, rtol=0, atol=5e-6)


def test_tau_zero_is_the_identity():
    logits, _ = random_logits(images=64)
    assert torch.equal(adjusted(0.0, logits), logits)


def test_uniform_counts_do_not_change_the_prediction():
    logits, _ = random_logits(images=64)
    found = adjusted(1.0, logits, torch.full((5,), 20))
    assert torch.equal(found.argmax(1), logits.argmax(1))


def test_equal_logits_predict_the_rarest_class():
    found = adjusted(1.0, torch.zeros(3, 5))
    assert found.argmax(1).tolist() == [4, 4, 4]


def test_it_takes_out_what_the_adjusted_loss_puts_in():
    """The optimum of cross-entropy carries the prior; without it the posterior is balanced."""
    balanced = random_logits(images=64)[0].softmax(1)
    carried = (balanced * COUNTS / COUNTS.sum()).log()
    found = adjusted(1.0, carried).softmax(1)
    assert torch.allclose(found, balanced, rtol=0, atol=1e-5)


def test_logits_are_not_changed_in_place():
    logits, _ = random_logits(images=64)
    before = logits.clone()
    adjusted(1.0, logits)
    assert torch.equal(logits, before)


def test_it_shares_the_trained_run():
    assert is_post_hoc(build("ce+posthoc_logit_adjustment").parts[1])
