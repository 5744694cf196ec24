"""Long-tailed subsets, drawn as in the LDAM-DRW code (Cao et al., NeurIPS 2019)."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ltbench.errors import UsageError

SPLIT_SEED = 0  # which images of one's own `test: N` draws, at any imbalance

Indices = npt.NDArray[np.int64]


def draw(labels: Indices, counts: Sequence[int], seed: int) -> Indices:
    """Return indices of the subset with `counts[c]` images of class c, class by class.

    One legacy NumPy stream walks the classes in ascending order and shuffles each class's indices
    in place, so subsets of the same seed are nested. The global generator is not touched.
    """
    stream = np.random.RandomState(seed)
    chosen = []
    for c, count in enumerate(counts):
        members = np.flatnonzero(labels == c).astype(np.int64)
        stream.shuffle(members)
        chosen.append(members[:count])
    return np.concatenate(chosen)


def hold_out(labels: Indices, per_class: int) -> tuple[Indices, Indices]:
    """Split positions into (kept, held out): the last `per_class` of every class are held out.

    `labels` are those of a drawn subset, whose order inside a class is already random.
    Raises UsageError if a class would be left without training images.
    """
    kept, held = [], []
    for c in np.unique(labels):
        members = np.flatnonzero(labels == c)
        if len(members) <= per_class:
            raise UsageError(
                f"validation={per_class} leaves class {c} with no training image of its "
                f"{len(members)}; hold out fewer or choose a smaller imbalance."
            )
        cut = len(members) - per_class
        kept.append(members[:cut])
        held.append(members[cut:])
    return np.concatenate(kept), np.concatenate(held)


def fingerprint(indices: Indices) -> str:
    """Return the SHA-256 of indices as little-endian int64."""
    return hashlib.sha256(np.ascontiguousarray(indices, dtype="<i8").tobytes()).hexdigest()
