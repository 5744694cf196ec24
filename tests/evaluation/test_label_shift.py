"""Test priors: the profile, its two directions, and re-weighting as the mean over draws."""

import numpy as np
import pytest

from ltbench.errors import UsageError
from ltbench.evaluation.label_shift import image_weights, prior

COUNTS = np.array([100, 10, 1, 50])  # classes need not be in order


def test_forward_follows_the_training_classes_and_backward_turns_them_round():
    forward, backward = prior("forward8").shares(COUNTS), prior("backward8").shares(COUNTS)
    assert forward.sum() == pytest.approx(1)
    assert forward / forward[2] == pytest.approx([8, 2, 1, 4])
    assert backward / backward[0] == pytest.approx([1, 4, 8, 2])
    assert prior("uniform").shares(COUNTS) == pytest.approx([0.25] * 4)
    assert prior("forward1").shares(COUNTS) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize(
    "name", ["", "forward", "forward0.5", "sideways5", "forward-5", "uniform5"]
)
def test_what_is_no_prior_is_refused(name):
    with pytest.raises(UsageError, match=r"test prior .* is none; write uniform"):
        prior(name)


def test_weights_give_every_class_its_share_and_leave_out_those_without_images():
    labels = np.array([0, 0, 0, 1, 3])
    shares = np.array([0.4, 0.3, 0.2, 0.1])
    weights = image_weights(labels, shares)
    by_class = np.bincount(labels, weights, minlength=4)
    assert by_class == pytest.approx(np.array([0.4, 0.3, 0, 0.1]) / 0.8)
    assert weights[0] == weights[1] == weights[2]


def test_reweighting_is_the_mean_over_test_sets_drawn_so():
    rng = np.random.default_rng(0)
    labels, hits = np.repeat(np.arange(4), 100), rng.random(400) < 0.6
    shares = prior("backward50").shares(COUNTS)
    sizes = np.round(100 * shares / shares.max()).astype(int)
    shares = sizes / sizes.sum()  # as whole images can have them
    means = []
    for _ in range(400):
        chosen = np.concatenate(
            [rng.choice(np.flatnonzero(labels == c), n, replace=False) for c, n in enumerate(sizes)]
        )
        means.append(hits[chosen].mean())
    assert image_weights(labels, shares) @ hits == pytest.approx(np.mean(means), abs=0.005)
