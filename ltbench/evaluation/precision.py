"""Average precision of rankings, and the scores of images with several labels each."""

import torch
from torch import Tensor

from ltbench.api.task import Task
from ltbench.evaluation.scores import LabelScores, f1


def average_precision(scores: Tensor, positive: Tensor) -> Tensor:
    """Return the average precision of scores [N] that rank images of which some are positive.

    sum_k (R_k - R_{k-1}) P_k over the distinct scores from the highest down, R_k and P_k recall and
    precision of the images that score at least the k-th, not interpolated; `positive` is [N], of 0
    and 1. A scalar in [0, 1], float64; NaN where there is no positive.
    """
    ranked, order = scores.double().sort(descending=True, stable=True)
    hits = positive[order].double().cumsum(0)
    last = torch.ones_like(ranked, dtype=torch.bool)  # of the images that share a score
    last[:-1] = ranked[:-1] != ranked[1:]
    found = hits[last]
    precision = found / (last.nonzero().squeeze(1) + 1)
    gained = torch.cat((found[:1], found.diff()))
    return (gained * precision).sum() / hits[-1]


def label_scores(logits: Tensor, labels: Tensor, task: Task, epoch: int) -> LabelScores:
    """Return the scores of logits [N, C] against labels [N, C] of 0 and 1.

    Means are over labels that some test image has; predicted is a label whose logit is above 0.
    """
    positive, predicted = labels > 0, logits > 0
    each = torch.stack(
        [100 * average_precision(logits[:, c], positive[:, c]) for c in range(task.num_classes)]
    ).cpu()
    present = ~each.isnan()
    groups: dict[str, float | None] = {}
    for name, member in task.shots.items():
        chosen = each[member.cpu() & present]
        groups[name] = float(chosen.mean()) if len(chosen) else None
    counts = [
        tuple(found.sum(0).cpu().tolist()) for found in (positive & predicted, predicted, positive)
    ]
    micro, macro = f1(*counts)
    found = tuple(v if there else None for v, there in zip(each.tolist(), present, strict=True))
    return LabelScores(
        epoch=epoch,
        mAP=float(each[present].mean()),
        micro_f1=micro,
        macro_f1=macro,
        average_precision=found,
        correct=counts[0],
        predicted=counts[1],
        total=counts[2],
        images=len(labels),
        **groups,
    )
