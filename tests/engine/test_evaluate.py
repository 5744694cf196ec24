"""Evaluation: scores against scikit-learn and by hand, calibration in closed form."""

import copy
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_methods import resnet8
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from ltbench.api.method import Method
from ltbench.api.task import Task
from ltbench.data.catalog import CATALOG
from ltbench.data.feed import CLEAN_BATCH, Feed
from ltbench.data.readers import Subset
from ltbench.engine.evaluate import finalised, logits_of
from ltbench.evaluation.metrics import calibration_error, scores_of

DIGITS = CATALOG["digits_lt"]


def task(*counts):
    return Task(torch.tensor(counts))


def one_hot(predictions, classes, sure=10.0):
    return sure * torch.nn.functional.one_hot(torch.tensor(predictions), classes).double()


def network(channels=1):
    return resnet8(10, channels)


def feed(count):
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 1, 8, 8), generator=draw, dtype=torch.uint8)
    return Feed(DIGITS, Subset(images, torch.arange(count) % 10))


# scores


def test_scores_of_a_case_made_by_hand():
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2, 3])
    logits = one_hot([0, 0, 0, 1, 1, 1, 0, 2, 3, 0], 4)
    scores = scores_of(logits, labels, task(500, 101, 20, 19), epoch=7)
    assert scores.epoch == 7
    assert scores.correct == (3, 2, 1, 0)
    assert scores.total == (4, 2, 3, 1)
    assert scores.top1 == pytest.approx(60)
    assert scores.many == pytest.approx((75 + 100) / 2)  # the mean over classes, not images
    assert scores.medium == pytest.approx(100 / 3)
    assert scores.few == 0


def test_a_group_without_classes_has_no_accuracy():
    labels, logits = torch.tensor([0, 1]), one_hot([0, 0], 2)
    scores = scores_of(logits, labels, task(5000, 500), epoch=1)
    assert (scores.many, scores.medium, scores.few) == (50, None, None)
    scores = scores_of(logits, labels, task(5, 3), epoch=1)
    assert (scores.many, scores.medium, scores.few) == (None, None, 50)


def test_the_borders_of_the_groups_are_strict():
    labels, logits = torch.tensor([0, 1, 2, 3]), one_hot([0, 1, 2, 3], 4)
    scores = scores_of(logits, labels, task(101, 100, 20, 19), epoch=1)
    assert (scores.many, scores.medium, scores.few) == (100, 100, 100)
    wrong_medium = scores_of(one_hot([0, 0, 0, 3], 4), labels, task(101, 100, 20, 19), epoch=1)
    assert (wrong_medium.many, wrong_medium.medium, wrong_medium.few) == (100, 0, 100)


def test_a_class_without_test_images_does_not_count_in_its_group():
    labels = torch.tensor([0, 0, 2])
    scores = scores_of(one_hot([0, 1, 2], 3), labels, task(500, 400, 300), epoch=1)
    assert scores.total == (2, 0, 1)
    assert scores.many == pytest.approx((50 + 100) / 2)


@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 12), images=st.integers(1, 200))
@settings(max_examples=60)
def test_scores_agree_with_scikit_learn(seed, classes, images):
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (images,), generator=draw)
    logits = torch.randn(images, classes, generator=draw)
    logits[torch.arange(images), labels] += 1
    counts = torch.randint(1, 200, (classes,), generator=draw)
    scores = scores_of(logits, labels, Task(counts), epoch=1)
    predicted, names = logits.argmax(1).numpy(), np.arange(classes)
    matrix = confusion_matrix(labels.numpy(), predicted, labels=names)
    assert scores.correct == tuple(matrix.diagonal())
    assert scores.total == tuple(matrix.sum(1))
    assert scores.top1 == pytest.approx(100 * accuracy_score(labels.numpy(), predicted))
    recall = 100 * recall_score(
        labels.numpy(), predicted, labels=names, average=None, zero_division=0
    )
    shot = {"many": counts > 100, "medium": (counts >= 20) & (counts <= 100), "few": counts < 20}
    for name, member in shot.items():
        chosen = recall[member.numpy() & (matrix.sum(1) > 0)]
        expected = None if not len(chosen) else pytest.approx(chosen.mean())
        assert getattr(scores, name) == expected


# calibration


def slow_calibration_error(logits, labels):
    """Guo et al. 2017, Eq. 2 and 3, bin by bin and image by image."""
    bins = [[] for _ in range(15)]
    for row, label in zip(logits.double().tolist(), labels.tolist(), strict=True):
        odds = np.exp(np.array(row) - max(row))
        confidence = float(odds.max() / odds.sum())
        (index,) = [m for m in range(15) if m / 15 < confidence <= (m + 1) / 15]
        bins[index].append((confidence, int(np.argmax(row)) == label))
    gaps = 0.0
    for members in bins:
        if members:
            confidence, hits = (np.mean(column) for column in zip(*members, strict=True))
            gaps += len(members) / len(labels) * abs(hits - confidence)
    return 100 * gaps


def test_sure_and_right_is_perfectly_calibrated():
    assert calibration_error(one_hot([0, 1, 2], 3, 1e4), torch.tensor([0, 1, 2])) == 0


def test_sure_and_wrong_is_off_by_everything():
    assert calibration_error(one_hot([1, 2, 0], 3, 1e4), torch.tensor([0, 1, 2])) == 100
    labels = torch.arange(48) % 3  # forty-eight shares of 1 / 48 add up to more than one
    assert calibration_error(one_hot((labels + 1).remainder(3).tolist(), 3, 1e4), labels) == 100
    shares = torch.full((48,), 1 / 48, dtype=torch.float64)
    wrong = one_hot((labels + 1).remainder(3).tolist(), 3, 1e4)
    assert calibration_error(wrong, labels, shares) <= 100


@pytest.mark.parametrize(("hits", "expected"), [(0, 25), (1, 5), (2, 15), (5, 75)])
def test_a_constant_confidence_is_off_by_its_distance_from_the_accuracy(hits, expected):
    labels = torch.tensor([0] * hits + [1] * (5 - hits))
    assert calibration_error(torch.zeros(5, 4), labels) == pytest.approx(expected)


def test_over_and_under_confidence_in_different_bins_do_not_cancel():
    sure, unsure = torch.tensor([[8.0, 0.0]]), torch.tensor([[0.2, 0.0]])
    logits, labels = torch.cat([sure, unsure]), torch.tensor([1, 0])
    wrong = float(sure.double().softmax(1).max())
    right = 1 - float(unsure.double().softmax(1).max())
    assert calibration_error(logits, labels) == pytest.approx(100 * (wrong + right) / 2)


def test_a_bin_contains_its_upper_border():
    """Of five classes, a fifth is the border of the third bin; a quarter lies in the fourth."""
    border = torch.zeros(1, 5, dtype=torch.float64)
    quarter = torch.tensor([[4 / 3, 1, 1, 1, 1]], dtype=torch.float64).log()
    found = calibration_error(torch.cat([border, quarter]), torch.tensor([1, 0]))
    assert found == pytest.approx(100 * (0.2 + 0.75) / 2)


def test_within_one_bin_they_do_cancel():
    logits = torch.tensor([[2.0, 0.0]] * 100)
    confidence = float(logits[:1].double().softmax(1).max())
    hits = round(100 * confidence)
    labels = torch.tensor([0] * hits + [1] * (100 - hits))
    assert calibration_error(logits, labels) == pytest.approx(abs(hits - 100 * confidence))


@given(
    seed=st.integers(0, 2**32 - 1),
    classes=st.integers(2, 20),
    images=st.integers(1, 120),
    spread=st.floats(0.01, 20),
)
@settings(max_examples=60)
def test_the_calibration_error_agrees_with_a_slow_implementation(seed, classes, images, spread):
    draw = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(images, classes, generator=draw, dtype=torch.float64)
    labels = torch.randint(classes, (images,), generator=draw)
    expected = slow_calibration_error(logits, labels)
    assert calibration_error(logits, labels) == pytest.approx(expected, abs=1e-9)


# logits


@dataclass
class Heavy(Method):
    """Changes the network when it finishes, and the logits of the whole set."""

    def finalize(self, network):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(2)
            for buffer in network.buffers():
                buffer.add_(1)

    def adjust_logits(self, logits):
        return logits - logits.mean(0)


def test_finishing_works_on_a_copy_ready_to_predict():
    original = network().train()
    before = copy.deepcopy(original.state_dict())
    final = finalised(Heavy(), original)
    assert not any(part.training for part in final.modules())
    assert all(part.training for part in original.modules())
    assert all(torch.equal(value, before[key]) for key, value in original.state_dict().items())
    weight = before["classifier.weight"]
    assert torch.equal(final.classifier.weight, 2 * weight)


def test_predicting_leaves_the_network_untouched_and_asks_for_no_gradient():
    original = network().train()
    before = copy.deepcopy(original.state_dict())
    logits = logits_of(Heavy(), finalised(Heavy(), original), feed(30), nullcontext)
    assert not logits.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in original.state_dict().items())
    assert all(parameter.grad is None for parameter in original.parameters())


def test_logits_are_those_of_every_image_in_order():
    source, final = feed(CLEAN_BATCH + 3), network().eval()
    with torch.no_grad():
        expected = torch.cat([final(batch.images)["logits"] for batch in source.clean(50)])
    found = logits_of(Method(), final, source, nullcontext)
    assert found.shape == (CLEAN_BATCH + 3, 10)
    assert torch.allclose(found, expected, atol=1e-5)


def test_the_whole_set_is_adjusted_at_once():
    source, final = feed(CLEAN_BATCH + 3), network().eval()
    plain = logits_of(Method(), final, source, nullcontext)
    adjusted = logits_of(Heavy(), final, source, nullcontext)
    assert torch.allclose(adjusted, plain - plain.mean(0), atol=1e-6)


def test_logits_come_back_in_float32_from_bfloat16_autocast():
    final = network().eval()
    found = logits_of(Method(), final, feed(9), lambda: torch.autocast("cpu", torch.bfloat16))
    exact = logits_of(Method(), final, feed(9), nullcontext)
    assert found.dtype == torch.float32
    assert not torch.equal(found, exact)  # autocast did reach the network
    assert torch.allclose(found, exact, rtol=0.05, atol=0.1)
