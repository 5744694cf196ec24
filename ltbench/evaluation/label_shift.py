"""Shifted test priors: long-tailed test sets of either direction (Hong et al., LADE, CVPR 2021).

The paper draws such test sets; here each test image weighs as much as its class
should, which is what accuracy over all such draws would average to, without their noise.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ltbench.errors import UsageError

Floats = npt.NDArray[Any]
Labels = npt.NDArray[Any]
_NAME = re.compile(r"(forward|backward)(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Prior:
    """How often each class is tested, by a name such as `forward50`."""

    name: str
    ratio: float = 1.0  # largest over smallest share
    backward: bool = False  # whether the rarest training class is tested most

    def shares(self, class_counts: npt.NDArray[np.integer]) -> Floats:
        """Return the class shares [C]: exponential over the classes from head to tail."""
        classes = len(class_counts)
        rank = np.empty(classes)
        rank[np.argsort(-class_counts, kind="stable")] = np.arange(classes) / max(classes - 1, 1)
        exponent = 1 - rank if self.backward else rank
        shares = self.ratio**-exponent
        shares /= shares.sum()
        return shares


def prior(name: str) -> Prior:
    """Return the prior called `uniform`, `forward50` or `backward2`; raises UsageError."""
    if name == "uniform":
        return Prior(name)
    found = _NAME.fullmatch(name)
    if found is None or not 1 <= float(found[2]) <= 1e6:
        raise UsageError(
            f"test prior {name!r} is none; write uniform, forward50 or backward50 "
            "(a ratio of at least 1)."
        )
    return Prior(name, float(found[2]), found[1] == "backward")


def image_weights(labels: npt.NDArray[np.integer], shares: Floats) -> Floats:
    """Return the weight [N] of every test image, summing to one.

    Classes without test images are left out, and the others' shares grow in proportion.
    """
    total = np.bincount(labels, minlength=len(shares))
    weights: Floats = (shares / np.maximum(total, 1))[labels]
    weights /= weights.sum()
    return weights
