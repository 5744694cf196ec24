"""Feature quality by class: how far a class's features are from the next class, and how tight.

    Dis_c = min_{c' != c} |mu_c - mu_c'|,   Var_c = 1 / m_c sum_a |a - mu_c|^2
    paper       Dis - 1/2 log Var, of features of unit length
    release     -1 / Dis - log Var, of features as they enter the classifier
    scale_free  log Dis - 1/2 log Var, the same for k times the features

From few images Dis is too large and Var too small: E |^mu_c - ^mu_c'|^2 = |mu_c - mu_c'|^2 +
tr S_c / m_c + tr S_c' / m_c' and E Var = (1 - 1 / m) tr S. The `corrected` values have both out.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltbench.analysis.subject import (
    AnalysisPart,
    AnalysisRow,
    FinishedRun,
    RunImages,
    Sample,
    class_rows,
)

_BLOCK = 512  # classes whose distances to all others are held at once
_TINY = 1e-12


class Moments(NamedTuple):
    """Of the features of C classes, in float64: images [C], centroids [C, D], variances [C]."""

    counts: Tensor
    centroids: Tensor
    variance: Tensor  # summed over the D coordinates; pooled for a class of one image
    pooled: Tensor  # [C], whether a class's variance is the pooled one


def moments(features: Tensor, labels: Tensor, classes: int) -> Moments:
    """Return the moments of features [N, D] with labels [N]; NaN for a class without images."""
    features = features.double()
    counts = labels.bincount(minlength=classes).double()
    sums = features.new_zeros(classes, features.shape[1]).index_add_(0, labels, features)
    centroids = sums / counts.unsqueeze(1)
    squares = (features - centroids[labels]).square().sum(1)
    summed = features.new_zeros(classes).index_add_(0, labels, squares)
    several = counts > 1
    shared = summed[several].sum() / counts[several].sum()
    variance = torch.where(several, summed / counts, shared)
    variance = variance.masked_fill(counts == 0, torch.nan)
    return Moments(counts, centroids, variance, (counts == 1))


def distances(found: Moments, corrected: bool = False) -> Tensor:
    """Return the distance of each centroid to the nearest other one, [C]; NaN without images.

    `corrected` subtracts what two centroids of few images are apart by chance, down to 0.
    """
    classes = len(found.counts)
    # The matrix product would lose the digits of centroids that nearly coincide.
    exact = "donot_use_mm_for_euclid_dist"
    noise = unbiased_variance(found).nan_to_num(nan=0.0) / found.counts.clamp_min(1)
    nearest = []
    for start in range(0, classes, _BLOCK):
        rows = torch.arange(start, min(start + _BLOCK, classes), device=noise.device)
        gaps = torch.cdist(found.centroids[rows], found.centroids, compute_mode=exact)
        if corrected:
            gaps = (gaps.square() - noise[rows, None] - noise).clamp_min(0).sqrt()
        gaps[torch.arange(len(rows)), rows] = torch.inf
        nearest.append(gaps.nan_to_num(nan=torch.inf).amin(1))
    return torch.cat(nearest).masked_fill(found.counts == 0, torch.nan)


def unbiased_variance(found: Moments) -> Tensor:
    """Return the unbiased tr S, [C]: pooled for a class of one image, NaN for one of none."""
    several = found.counts > 1
    grown = found.counts / (found.counts - 1).clamp_min(1)
    pooled = found.counts[several].sum() / (found.counts[several] - 1).sum()
    return found.variance * torch.where(several, grown, pooled)


def quality(form: str, distance: Tensor, variance: Tensor) -> Tensor:
    """Return the quality [C] of a form from distances and variances, each [C]."""
    log_variance = variance.clamp_min(_TINY).log()
    if form == "paper":
        return distance - 0.5 * log_variance
    if form == "release":
        return -1 / distance.clamp_min(_TINY) - log_variance
    return distance.clamp_min(_TINY).log() - 0.5 * log_variance


@torch.no_grad()
def features_of(network: nn.Module, sample: Sample) -> Tensor:
    """Return the features [N, D] that enter the classifier, in float32."""
    return torch.cat([network(images)["features"].float() for images, _ in sample.chunks()])


@dataclass(frozen=True)
class Features:
    """Feature quality of every class at every kept epoch, in three forms."""

    view: Literal["train", "test", "both"] = "test"

    def parts(self, run: FinishedRun, data: RunImages) -> list[AnalysisPart]:
        """Return a piece for every kept epoch."""
        images = sum(len(sample.labels) for sample in data.views(self.view))
        return [AnalysisPart(f"epoch{epoch}", epoch, images) for epoch in run.epochs]

    def analyse(
        self, run: FinishedRun, network: nn.Module, data: RunImages, part: AnalysisPart
    ) -> list[AnalysisRow]:
        """Return distance, variance and the three qualities of every class, plain and corrected."""
        rows: list[AnalysisRow] = []
        for sample in data.views(self.view):
            raw = features_of(network, sample)
            for form in ("paper", "release", "scale_free"):
                used = F.normalize(raw, dim=1) if form == "paper" else raw
                found = moments(used, sample.labels, run.classes)
                pooled = found.pooled.nonzero().flatten().tolist()
                for corrected in (False, True):
                    distance = distances(found, corrected)
                    variance = unbiased_variance(found) if corrected else found.variance
                    values = {
                        "quality": quality(form, distance, variance),
                        "distance": distance, "variance": variance,
                    }  # fmt: skip
                    for quantity, value in values.items():
                        own = class_rows(
                            run, value, epoch=part.epoch, view=sample.view, form=form,
                            corrected=int(corrected), quantity=quantity,
                        )  # fmt: skip
                        rows += [{**r, "pooled_variance": int(r["class"] in pooled)} for r in own]
        return rows
