"""Accuracy, shot groups and calibration of logits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ltbench.api.task import Task
from ltbench.evaluation.precision import label_scores
from ltbench.evaluation.scores import AnyScores, Scores

BINS = 15  # of the calibration error (Guo et al. 2017)


Score = Callable[[Tensor, str, int], AnyScores]
"""Logits [N, C] of `test` or `validation`, and the epoch, from one, to their scores."""


@dataclass(frozen=True)
class Scorer:
    """Scores a run's logits against the labels of its subsets, `test` and maybe `validation`."""

    task: Task
    labels: Mapping[str, Tensor]

    def __call__(self, logits: Tensor, subset: str, epoch: int) -> AnyScores:
        """Return the scores of a subset's logits [N, C]; `epoch` counts from one."""
        labels = self.labels[subset]
        return scores_of(logits.to(labels.device), labels, self.task, epoch)


def scores_of(logits: Tensor, labels: Tensor, task: Task, epoch: int) -> AnyScores:
    """Return the scores of logits [N, C] against the labels of the task's kind, [N] or [N, C].

    `epoch` counts from one.
    """
    score = label_scores if task.kind == "multi" else class_scores
    return score(logits, labels, task, epoch)


def class_scores(logits: Tensor, labels: Tensor, task: Task, epoch: int) -> Scores:
    """Return the scores of logits [N, C] against labels [N]; `epoch` counts from one.

    A shot group's accuracy is the mean over its classes of the class accuracy.
    """
    classes = task.num_classes
    hits = logits.argmax(1) == labels
    total = labels.bincount(minlength=classes).cpu()
    correct = labels[hits].bincount(minlength=classes).cpu()
    accuracy = 100 * correct.double() / total.clamp_min(1)
    groups: dict[str, float | None] = {}
    for name, member in task.shots.items():
        chosen = accuracy[member.cpu() & (total > 0)]
        groups[name] = float(chosen.mean()) if len(chosen) else None
    return Scores(
        epoch=epoch,
        top1=100 * int(correct.sum()) / int(total.sum()),
        calibration_error=calibration_error(logits, labels),
        correct=tuple(correct.tolist()),
        total=tuple(total.tolist()),
        **groups,
    )


def calibration_error(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, bins: int = BINS
) -> float:
    """Return the expected calibration error in percent (Guo et al. 2017, Eq. 3).

    100 sum_b |sum_{i in b} w_i (hit_i - confidence_i)| over equal-width bins b of the confidence;
    `weights` w [N] sum to one and are all 1 / N if not given.
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    surplus = (predicted == labels).double() - confidence
    surplus, total = (surplus, len(labels)) if weights is None else (surplus * weights, 1)
    gaps = torch.zeros(bins, dtype=torch.float64, device=logits.device)
    error = 100 * float(gaps.index_add_(0, _bin_of(confidence, bins), surplus).abs().sum()) / total
    return min(error, 100.0)  # weights add up to one but for rounding


def reliability(logits: Tensor, labels: Tensor, bins: int = BINS) -> Tensor:
    """Return images, those predicted right, and summed confidence by bin, [3, bins] in float64.

    Of logits [N, C] against labels [N], in the bins of `calibration_error`; sums of runs' tables
    are the table of their images together.
    """
    confidence, predicted = logits.double().softmax(1).max(1)
    right = (predicted == labels).double()
    values = torch.stack((torch.ones_like(confidence), right, confidence))
    return values.new_zeros(3, bins).index_add_(1, _bin_of(confidence, bins), values)


def _bin_of(confidence: Tensor, bins: int) -> Tensor:
    """Return b of the bin (b / bins, (b + 1) / bins] of each confidence [N], int64."""
    return (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)
