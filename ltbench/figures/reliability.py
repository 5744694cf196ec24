"""A reliability diagram: accuracy by confidence, and how many test images have it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ltbench.figures.style import COLOURS, GREY, canvas, tier
from ltbench.runs.files import csv_text
from ltbench.runs.protocol import is_exact
from ltbench.runs.record import Record

FIELDS = ("above", "up_to", "images", "confidence", "accuracy")

Bins = npt.NDArray[Any]  # [3, bins]: images, those predicted right, summed confidence


def error_of(table: Bins) -> float:
    """Return the expected calibration error in percent of a table [3, bins]."""
    images, right, confidence = table
    return 100 * float(np.abs(right - confidence).sum() / images.sum())


def as_csv(tables: Sequence[Bins]) -> str:
    """Return a line for each bin of the runs' images together, in percent; four decimals."""
    images, right, confidence = np.sum(tables, axis=0)
    width = 100 / len(images)
    rows = []
    for index, n in enumerate(images.astype(int)):
        shares = [100 * each[index] / n if n else None for each in (confidence, right)]
        numbers = [index * width, (index + 1) * width, n, *shares]
        rows.append([f"{v:.4f}" if isinstance(v, float) else v for v in numbers])
    return csv_text([FIELDS, *rows])


def draw_reliability(
    records: Sequence[Record], tables: Sequence[Bins], post_hoc: str = ""
) -> Figure:
    """Return accuracy by confidence over the test images of runs that differ in seed."""
    first, (images, right, confidence) = records[0], np.sum(tables, axis=0)
    error = np.mean([error_of(table) for table in tables])
    seeds = ", ".join(str(record.seed) for record in records)
    figure = canvas(
        3.6, 4.0, f"{'+'.join(filter(None, (first.method, post_hoc)))} on {first.dataset}",
        tier(first.protocol, is_exact(first.protocol)),
        f"Accuracy of the test images whose confidence lies in each of {len(images)} bins, at the "
        "dots' mean confidence; on the dashed line the two are equal. Beneath, the images' share. "
        f"All of seeds {seeds}; expected calibration error {error:.1f} %, mean over seeds.",
    )  # fmt: skip
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    left = np.linspace(0, 100, len(images) + 1)[:-1]
    bars = {"width": 100 / len(images), "align": "edge", "edgecolor": "white", "linewidth": 0.5}
    filled = images > 0
    upper.bar(left[filled], 100 * right[filled] / images[filled], color=COLOURS[0], **bars)
    upper.plot([0, 100], [0, 100], color="0.2", linestyle="--", linewidth=1)
    upper.plot(
        100 * confidence[filled] / images[filled], 100 * right[filled] / images[filled],
        color=COLOURS[1], marker="o", markersize=3, linestyle="none",
    )  # fmt: skip
    lower.bar(left, 100 * images / images.sum(), color=GREY, **bars)
    upper.set(xlim=(0, 100), ylim=(0, 100), ylabel="accuracy in percent")
    lower.set(xlabel="confidence in percent", ylabel="images in percent")
    return figure
