"""What finished runs predict, image by image and class by class, from their stored logits."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from ltbench.evaluation.metrics import reliability
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, slug

if TYPE_CHECKING:
    import pandas as pd

Counts = npt.NDArray[Any]


def confusion(scores: Counts, labels: Counts) -> Counts:
    """Return test images by true class (rows) and predicted class (columns), [C, C].

    Of logits [N, C] and labels [N].
    """
    classes = scores.shape[1]
    pairs = labels * classes + scores.argmax(1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def by_confidence(scores: Counts, labels: Counts, bins: int) -> Counts:
    """Return the test images, those predicted right, and their confidence by bin, [3, bins].

    Of logits [N, C] and labels [N].
    """
    table: Counts = reliability(torch.from_numpy(scores), torch.from_numpy(labels), bins).numpy()
    return table


def by_class(
    record: Record, counts: Counts, thresholds: tuple[int, int] | None = None
) -> "pd.DataFrame":
    """Return precision, recall and F1 in percent, a row a class; none where nothing was predicted.

    precision = hits / predicted, recall = hits / images of the class, F1 their harmonic mean,
    2 hits / (predicted + images). Shot groups by `thresholds`, many above and few below: the
    record's own, if not given.
    """
    import pandas as pd  # noqa: PLC0415  (takes a third of a second)

    hits, images, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    return pd.DataFrame(
        {
            "class": np.arange(len(counts)),
            "training_images": record.data.class_counts,
            "shots": record.shots(thresholds),
            "test_images": images,
            "predicted": predicted,
            "precision": _percent(hits, predicted),
            "recall": _percent(hits, images),
            "f1": _percent(2 * hits, predicted + images),
        }
    )


def by_image(scores: Counts, labels: Counts) -> "pd.DataFrame":
    """Return every test image in the order of the test set: label, prediction, confidence.

    Of logits [N, C] and labels [N].
    """
    import pandas as pd  # noqa: PLC0415

    likely = softmax(scores.astype(np.float64), axis=1)
    return pd.DataFrame(
        {
            "image": np.arange(len(labels)),
            "label": labels,
            "predicted": scores.argmax(1),
            "confidence": likely.max(1),
        }
    )


def file_name(record: Record, post_hoc: str = "") -> str:
    """Return a name for the files of a record's method after a post-hoc part, without its seed."""
    cell = Cell.of(record)
    named = (cell.dataset, cell.protocol, cell.network, cell.method, post_hoc)
    return "_".join(map(slug, filter(None, named)))


def _percent(part: Counts, whole: Counts) -> Counts:
    share: Counts = 100 * part / np.where(whole > 0, whole, np.nan)
    return share
