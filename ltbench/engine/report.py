"""What an observer hears of a training."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """What an observer hears after a step, or after an epoch (then `loss` is given)."""

    epoch: int  # finished, over all stages
    epochs: int
    step: int  # finished, of the current epoch
    steps: int
    seconds: float  # of training and evaluation so far, over all sessions
    images_per_second: float
    loss: float | None = None  # mean over the epoch
    top1: float | None = None  # on the test set, where it was evaluated


Observer = Callable[[Report], None]
"""Hears how a training goes, every step; must be cheap."""
