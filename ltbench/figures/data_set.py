"""A data set looked at: how many images each class has, and what they look like."""

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ltbench.data.catalog import Dataset
from ltbench.data.profile import SHOTS
from ltbench.data.samplers import members
from ltbench.data.source import Source
from ltbench.errors import counted
from ltbench.figures.style import SHOT_COLOURS, canvas

ROWS, COLUMNS = 9, 10  # classes that are shown, and images of each


def draw_counts(data: Dataset, classes: tuple[str, ...]) -> Figure:
    """Return the training images of every class as bars, largest class first, by shot group."""
    counts, info = data.class_counts(), data.info
    order = sorted(range(len(counts)), key=lambda label: -counts[label])
    groups = data.shots()
    figure = canvas(
        5.0, 2.8, f"{data.title}: {sum(counts)} training images", str(data),
        f"From {_drawn(order[0], classes)} with {max(counts)} training images to "
        f"{_drawn(order[-1], classes)} with {min(counts)}; many: more than {info.many_above}, "
        f"few: fewer than {info.few_below}.",
    )  # fmt: skip
    ax = figure.subplots()
    colours = [to_rgb(SHOT_COLOURS[groups[label]]) for label in order]
    ax.bar(range(len(order)), [counts[label] for label in order], 1.0, color=colours)
    ax.set(
        yscale="log", xlabel="class, from head to tail", ylabel="training images",
        xlim=(-0.5, len(counts) - 0.5), ylim=(min(counts) / 2, 1.5 * max(counts)),
    )  # fmt: skip
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    there = [name for name in SHOTS if name in groups]
    ax.legend(handles=[
        Patch(color=SHOT_COLOURS[name], label=f"{name}: {counted(groups.count(name), 'class')}")
        for name in there
    ])  # fmt: skip
    return figure


def draw_samples(data: Dataset, train: Source, classes: tuple[str, ...]) -> Figure:
    """Return images as a network gets them, before augmentation: classes from head to tail."""
    counts = data.class_counts()
    order = sorted(range(len(counts)), key=lambda label: -counts[label])
    ranks = np.linspace(0, len(order) - 1, min(ROWS, len(order))).round().astype(int)
    shown = [order[rank] for rank in ranks]
    found = members(train.labels)
    first = [found[label][:COLUMNS] for label in shown]
    images = [train.pictures(indices, data.info.shape[1]) for indices in first]
    rows = [_row(each.permute(0, 2, 3, 1).numpy()) for each in images]
    side = len(rows[0])
    figure = canvas(
        5.0, 0.5 * len(rows), f"{data.title}: training images", str(data),
        "The first images of classes from most to fewest training images, as a network gets them, "
        "before augmentation.",
    )  # fmt: skip
    ax = figure.subplots()
    ax.grid(visible=False)
    ax.imshow(np.concatenate(rows), interpolation="nearest")
    middle = [(row + 0.5) * side - 0.5 for row in range(len(rows))]
    ax.set_yticks(middle, [f"{_drawn(label, classes)} ({counts[label]})" for label in shown])
    ax.set_xticks([])
    ax.spines[:].set_visible(False)
    return figure


def _drawn(label: int, classes: tuple[str, ...]) -> str:
    """Return a class's name if the font has its letters, else its number."""
    there = get_font(findfont("DejaVu Sans")).get_charmap()
    whole = all(ord(letter) in there for letter in classes[label])
    return classes[label][:24].replace("$", r"\$") if whole else f"class {label}"


def _row(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return images [n, H, H, C] side by side, white where there are fewer than fit."""
    side = images.shape[1]
    row = np.full((side, COLUMNS * side, 3), 255, np.uint8)
    for position, image in enumerate(images):
        row[:, position * side : (position + 1) * side] = image
    return row
