"""A confusion matrix, drawn: classes from head to tail, shot groups told apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ltbench.data.profile import SHOTS
from ltbench.figures.style import canvas, tier
from ltbench.runs.protocol import is_exact
from ltbench.runs.record import Record

_LABELLED = 20  # classes at most whose numbers stand at the axes


def shares(matrices: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the mean over runs of each true class's shares in percent, [C, C]; rows sum to 100."""
    totals = [np.maximum(matrix.sum(1, keepdims=True), 1) for matrix in matrices]
    mean: npt.NDArray[Any] = np.mean(
        [100 * matrix / total for matrix, total in zip(matrices, totals, strict=True)], axis=0
    )
    return mean


def draw_confusion(
    records: Sequence[Record],
    matrices: Sequence[npt.NDArray[Any]],
    post_hoc: str = "",
    thresholds: tuple[int, int] | None = None,
) -> Figure:
    """Return the mean confusion of runs that differ in seed, lines between their shot groups.

    Groups by `thresholds`, many above and few below: the first record's own, if not given.
    """
    first, counts = records[0], records[0].data.class_counts
    order = sorted(range(len(counts)), key=lambda label: -counts[label])
    groups = first.shots(thresholds)
    seeds = ", ".join(str(record.seed) for record in records)
    figure = canvas(
        4.6, 3.9, f"{'+'.join(filter(None, (first.method, post_hoc)))} on {first.dataset}",
        tier(first.protocol, is_exact(first.protocol)),
        "Test images of each true class, in percent of it, by the class that was predicted; "
        f"classes from most to fewest training images; mean over seeds {seeds}.",
    )  # fmt: skip
    ax = figure.subplots()
    ax.grid(visible=False)
    image = ax.imshow(shares(matrices)[np.ix_(order, order)], vmin=0, vmax=100, cmap="cividis")
    figure.colorbar(image, ax=ax, label="percent of the true class")
    end = 0
    for group in SHOTS[:-1]:
        end += groups.count(group)
        if 0 < end < len(counts):
            ax.axhline(end - 0.5, color="white", linewidth=0.8)
            ax.axvline(end - 0.5, color="white", linewidth=0.8)
    if len(counts) <= _LABELLED:
        ax.set_xticks(range(len(counts)), [str(label) for label in order])
        ax.set_yticks(range(len(counts)), [str(label) for label in order])
    else:
        ax.set_xticks([])
        ax.set_yticks([])
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    return figure
