"""What a network predicts, class by class: how often, how surely, and by what weights.

P_c counts the test images whose largest logit is c, m_c sums the probabilities of c; on a balanced
test set the target of both is N / C. Confidence minus accuracy is signed, for head and tail cancel
in a pooled calibration error; a perfect model's error from so few images stands beside it.
"""

from dataclasses import dataclass
from math import isnan
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from scipy.stats import spearmanr
from torch import Tensor, nn

from ltbench.analysis.features import features_of
from ltbench.analysis.subject import (
    AnalysisPart,
    AnalysisRow,
    FinishedRun,
    RunImages,
    class_rows,
    outputs,
)
from ltbench.data.batch import seed_of
from ltbench.evaluation.calibration import calibration

ALL = "all"


def class_quantities(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return counts and shares of what logits [N, C] predict, float64 [C] each; NaN for 0 / 0."""
    classes = logits.shape[1]
    likely = logits.double().softmax(1)
    predicted = logits.argmax(1)
    hits = labels[predicted == labels].bincount(minlength=classes).double()
    images = labels.bincount(minlength=classes).double()
    positives = predicted.bincount(minlength=classes).double()
    return {
        "positives": positives, "soft_positives": likely.sum(0),
        "relative_positives": positives / (len(labels) / classes),
        "false_positives": positives - hits,
        "accuracy": 100 * hits / images, "precision": 100 * hits / positives,
        "mean_logit": logits.double().mean(0),
    }  # fmt: skip


def spread(positives: Tensor) -> dict[str, float]:
    """Return how unevenly predictions [C] are spread: total variation and Gini coefficient.

    1/2 sum_c |P_c / N - 1 / C|, and sum_cd |P_c - P_d| / (2 C N).
    """
    shares, classes = positives / positives.sum(), len(positives)
    gaps = (shares.unsqueeze(1) - shares).abs().sum()
    return {
        "total_variation": float((shares - 1 / classes).abs().sum() / 2),
        "gini": float(gaps / (2 * classes)),
    }


def against_counts(values: Tensor, counts: Tensor) -> dict[str, float]:
    """Return Spearman's rho of values [C] with class counts, and the slope per decade of counts."""
    x, y = counts.double().numpy(), values.numpy()
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return {}
    centred = np.log10(x) - np.log10(x).mean()
    slope = float(centred @ (y - y.mean()) / (centred @ centred))
    return {"spearman": float(spearmanr(x, y).statistic), "slope_per_decade": slope}


def noise_floor(logits: Tensor, bins: int, seed: int, draws: int = 20) -> float:
    """Return the mean calibration error, in percent, of labels drawn from what is predicted."""
    likely = logits.double().softmax(1)
    draw = torch.Generator().manual_seed(seed)
    plain, weights = logits.numpy(), np.full(len(logits), 1 / len(logits))
    found = [
        calibration(
            plain, torch.multinomial(likely, 1, generator=draw)[:, 0].numpy(), weights, bins
        )
        for _ in range(draws)
    ]
    return float(np.mean([each.error for each in found]))


def calibrated(logits: Tensor, labels: Tensor, bins: int, seed: int) -> dict[str, float]:
    """Return calibration of logits [N, C]: error with its noise floor, signed gap, two scores."""
    confidence, predicted = logits.double().softmax(1).max(1)
    weights = np.full(len(labels), 1 / len(labels))
    found = calibration(logits.numpy(), labels.numpy(), weights, bins)
    hits = (predicted == labels).double()
    return {
        "calibration_error": found.error,
        "calibration_error_floor": noise_floor(logits, bins, seed),
        "confidence_gap": 100 * float((confidence - hits).mean()),
        "log_loss": found.log_loss, "brier": found.brier,
    }  # fmt: skip


@dataclass(frozen=True)
class Predictions:
    """Positive predictions, weight norms, calibration, and accuracy against class counts."""

    bins: Annotated[int, Ge(1)] = 15
    seed: Annotated[int, Ge(0)] = 0  # of the labels drawn for the noise floor

    def parts(self, run: FinishedRun, data: RunImages) -> list[AnalysisPart]:
        """Return one piece, of all test images at the last epoch."""
        return [AnalysisPart("test", run.epochs[-1], 2 * len(data.test.labels))]

    def analyse(
        self, run: FinishedRun, network: nn.Module, data: RunImages, part: AnalysisPart
    ) -> list[AnalysisRow]:
        """Return rows by class, by shot group and over all classes."""
        labels, counts = data.test.labels.cpu(), torch.tensor(run.class_counts)
        logits = run.adjust(outputs(run, network, data.test)).cpu()
        found = class_quantities(logits, labels) | self._weights(run, network, data)
        rows: list[AnalysisRow] = []
        for quantity, values in found.items():
            rows += class_rows(run, values, quantity=quantity)
        rows += self._overall(found, counts)
        groups = {ALL: range(run.classes)} | {
            shot: [c for c, own in enumerate(run.shots) if own == shot]
            for shot in dict.fromkeys(run.shots)
        }
        for shot, members in groups.items():
            inside = torch.isin(labels, torch.tensor(list(members)))
            seed = seed_of(self.seed, "floor", shot)
            for quantity, value in calibrated(
                logits[inside], labels[inside], self.bins, seed
            ).items():
                rows.append(_row(quantity, value, shot))
        return rows

    def _overall(self, found: dict[str, Tensor], counts: Tensor) -> list[AnalysisRow]:
        accuracy = found["accuracy"]
        named = {
            **spread(found["positives"]),
            "accuracy_lowest": float(accuracy.min()),
            "accuracy_deviation": float(accuracy.std()),
            "accuracy_harmonic_mean": float(len(accuracy) / (1 / accuracy).sum()),
        }
        for quantity in ("accuracy", "positives", "weight_norm"):
            if quantity in found:
                for name, value in against_counts(found[quantity], counts).items():
                    named[f"{quantity}_{name}"] = value
        return [_row(name, value, ALL) for name, value in named.items() if not isnan(value)]

    def _weights(self, run: FinishedRun, network: nn.Module, data: RunImages) -> dict[str, Tensor]:
        """Return the norms of features, and of the rows of a classifier that has one a class."""
        features = features_of(network, data.test).double().cpu().norm(dim=1)
        total = torch.zeros(run.classes, dtype=torch.float64)
        labels = data.test.labels.cpu()
        found = {"feature_norm": total.index_add_(0, labels, features) / data.test.counts.cpu()}
        classifier = getattr(network, "classifier", None)
        weight, bias = getattr(classifier, "weight", None), getattr(classifier, "bias", None)
        if isinstance(weight, Tensor) and len(weight) == run.classes:
            found["weight_norm"] = weight.detach().double().cpu().flatten(1).norm(dim=1)
        if isinstance(bias, Tensor):
            found["bias"] = bias.detach().double().cpu()
        return found


def _row(quantity: str, value: float, shot: str) -> AnalysisRow:
    return {
        "quantity": quantity, "class": None, "training_images": None, "shots": shot, "value": value,
    }  # fmt: skip
