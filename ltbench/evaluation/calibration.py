"""Calibration of stored logits: how far confidence lies from accuracy, and temperature scaling."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ltbench.evaluation.metrics import calibration_error

Floats = npt.NDArray[Any]
Labels = npt.NDArray[Any]
_WIDEST = float(np.log(100))  # temperatures from 1/100 to 100 are tried


@dataclass(frozen=True)
class Calibration:
    """Expected calibration error in percent, log loss in nats, Brier score from 0 to 2."""

    error: float
    log_loss: float
    brier: float


def calibration(logits: Floats, labels: Labels, weights: Floats, bins: int) -> Calibration:
    """Return the calibration of logits [N, C] against labels [N]; `weights` [N] sum to one."""
    log_likely = log_softmax(logits.astype(np.float64), axis=1)
    likely = np.exp(log_likely)
    own = np.arange(len(labels)), labels
    squares = (likely**2).sum(1) - 2 * likely[own] + 1
    tensor = torch.from_numpy
    return Calibration(
        calibration_error(tensor(logits), tensor(labels), tensor(weights), bins),
        -float(weights @ log_likely[own]),
        float(weights @ squares),
    )


def temperature(logits: Floats, labels: Labels) -> float | None:
    """Return the T in [0.01, 100] at which logits / T, [N, C], have the least log loss.

    Guo et al. 2017. None where the least is at a bound: the loss falls with T to 0 where every
    label is predicted, and with 1 / T where logits say nothing of labels.
    """
    own = np.arange(len(labels)), labels
    exact = logits.astype(np.float64)
    if (exact.argmax(1) == labels).all():
        return None

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(exact * np.exp(-log_temperature), axis=1)
        return -float(scaled[own].mean())

    found = minimize_scalar(loss, bounds=(-_WIDEST, _WIDEST), method="bounded")
    return None if abs(found.x) > _WIDEST - 0.01 else float(np.exp(found.x))


def halves(labels: Labels) -> npt.NDArray[np.bool_]:
    """Return which images [N] are in the first of two halves that share every class equally."""
    first = np.zeros(len(labels), dtype=bool)
    for c in np.unique(labels):
        first[np.flatnonzero(labels == c)[::2]] = True
    return first
