"""Average precision: closed forms, scikit-learn on ties, and what recomputes the scores."""

import pytest
import torch
from pydantic import ValidationError
from sklearn.metrics import average_precision_score, f1_score

from ltbench.api.task import Task
from ltbench.data.profile import shot_groups
from ltbench.evaluation.metrics import scores_of
from ltbench.evaluation.precision import average_precision
from ltbench.evaluation.scores import HEADLINES, LabelScores, Scores, scores_from

COUNTS = (150, 100, 99, 20, 19, 4)


def task(counts=COUNTS):
    return Task(torch.tensor(counts), 0, 99, 20, "multi", 200)


def drawn(seed, levels=None, images=300, labels=6):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, labels, generator=draw)
    if levels:
        logits = (logits * levels).round() / levels
    return logits, (torch.rand(images, labels, generator=draw) < 0.2).float()


def precision(scores, positive):
    return float(average_precision(torch.tensor(scores), torch.tensor(positive)))


def test_hand_values_of_average_precision():
    assert precision([0.9, 0.8, 0.7, 0.6], [1.0, 0.0, 1.0, 0.0]) == pytest.approx(5 / 6, abs=1e-15)
    assert precision([4.0, 3.0, 2.0, 1.0], [0.0, 0.0, 0.0, 1.0]) == 0.25
    assert precision([1.0] * 8, [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]) == 3 / 8
    assert precision([1.0, 2.0], [0.0, 0.0]) != precision([1.0, 2.0], [0.0, 0.0])  # not a number


@pytest.mark.parametrize("levels", [None, 1, 2, 8])
@pytest.mark.parametrize("seed", range(5))
def test_mean_average_precision_is_that_of_scikit_learn(levels, seed):
    logits, labels = drawn(seed, levels)
    found = scores_of(logits, labels, task(), 1)
    for c, value in enumerate(found.average_precision):
        own = average_precision_score(labels[:, c].numpy(), logits[:, c].double().numpy())
        assert value / 100 == pytest.approx(own, abs=1e-12)
    whole = average_precision_score(labels.numpy(), logits.double().numpy(), average="macro")
    assert found.mAP / 100 == pytest.approx(whole, abs=1e-12)
    said = (logits > 0).numpy()
    micro, macro = (f1_score(labels.numpy(), said, average=each) for each in ("micro", "macro"))
    assert found.micro_f1 == pytest.approx(100 * micro, abs=1e-9)
    assert found.macro_f1 == pytest.approx(100 * macro, abs=1e-9)


def test_maps_that_keep_a_labels_order_leave_it_alone_and_a_soft_max_does_not():
    logits, labels = drawn(0)
    plain = scores_of(logits, labels, task(), 1)
    shifted = scores_of(3 * logits.sigmoid() + torch.arange(6.0), labels, task(), 1)
    assert shifted.average_precision == plain.average_precision
    assert scores_of(logits.softmax(1), labels, task(), 1).mAP != plain.mAP


def test_a_label_without_a_test_positive_is_left_out_of_every_mean():
    logits, labels = drawn(1)
    labels[:, 5] = 0
    found = scores_of(logits, labels, task(), 1)
    assert found.average_precision[5] is None
    present = found.average_precision[:5]
    assert found.mAP == pytest.approx(sum(present) / 5)
    assert found.few == found.average_precision[4]


def test_groups_are_means_over_labels_with_the_sets_own_thresholds():
    assert shot_groups(COUNTS, 0, 99, 20) == ["many", "many", "medium", "medium", "few", "few"]
    found = scores_of(*drawn(2), task(), 1)
    a = found.average_precision
    assert found.many == pytest.approx((a[0] + a[1]) / 2)
    assert found.medium == pytest.approx((a[2] + a[3]) / 2)
    assert found.mAP == pytest.approx((found.many + found.medium + found.few) / 3)


@pytest.mark.parametrize(
    ("groups", "sizes", "total"),
    [((73.22, 84.18, 79.30), (6, 6, 8), 78.94), ((51.13, 57.05, 51.06), (22, 33, 25), 53.55)],
)
def test_the_published_totals_are_means_over_labels_not_over_groups(groups, sizes, total):
    """Wu et al. 2020: their totals follow from their groups and the groups' sizes."""
    weighted = sum(g * n for g, n in zip(groups, sizes, strict=True)) / sum(sizes)
    assert weighted == pytest.approx(total, abs=0.005)
    counts = [c for c, n in zip((500, 50, 5), sizes, strict=True) for _ in range(n)]
    assert [shot_groups(counts, 0, 99, 20).count(g) for g in ("many", "medium", "few")] == [*sizes]


def test_prevalence_and_priors_are_kept_apart():
    found = task()
    assert torch.equal(found.prevalence, torch.tensor(COUNTS) / 200)
    assert float(found.priors.sum()) == pytest.approx(1)
    assert float(found.prevalence.sum()) == pytest.approx(392 / 200)  # labels an image
    single = Task(torch.tensor(COUNTS))
    assert torch.equal(single.prevalence, single.priors)


def test_scores_of_either_kind_read_back_and_say_their_headline():
    found = scores_of(*drawn(3), task(), 7)
    assert isinstance(found, LabelScores)
    assert (found.metric, found.headline, found.images) == ("mAP", found.mAP, 300)
    assert scores_from(found.model_dump()) == found
    logits = torch.eye(3)
    single = scores_of(logits, torch.arange(3), Task(torch.tensor([3, 2, 1])), 1)
    assert isinstance(scores_from(single.model_dump()), Scores)
    assert (single.metric, single.headline) == ("top1", 100.0)
    assert HEADLINES == {"single": "top1", "multi": "mAP"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mAP": 1.0}, "mAP does not follow"),
        ({"micro_f1": 1.0}, "micro_f1 or macro_f1 does not follow"),
        ({"macro_f1": 1.0}, "micro_f1 or macro_f1 does not follow"),
        ({"images": 10}, "no counts of the images"),
        ({"total": (1,)}, "one entry per label"),
        ({"average_precision": (None,) * 6}, "null where total is 0"),
    ],
)
def test_scores_that_contradict_themselves_are_refused(change, message):
    plain = scores_of(*drawn(4), task(), 1).model_dump()
    with pytest.raises(ValidationError, match=message):
        scores_from(plain | change)
