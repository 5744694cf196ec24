"""Draw the pictures of these pages from code: `python docs/pictures.py` writes docs/pictures/*.svg.

With `--report` and a Chromium it also takes the picture of the report of the committed records.
"""

import io
import re
import shutil
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch
from PIL import Image
from scipy.stats import t

from ltbench.data.catalog import dataset
from ltbench.data.profile import FEW_BELOW, MANY_ABOVE, shot_groups
from ltbench.figures.definition import figures
from ltbench.figures.make import drawing
from ltbench.figures.style import COLOURS, GREY, SHOT_COLOURS, style
from ltbench.report.page import render
from ltbench.runs.store import Store
from ltbench.statistics.verdict import Evidence, judge

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"

PLACE = re.compile(rb"(\.\d\d)\d+")  # a coordinate, of which two decimals are kept
Item = tuple[str, Any]  # a hook and a few words, or a box: its title and items

ORDER: tuple[Item, ...] = (
    ("once, before training", (
        ("on_compose", "meet the other parts of a composition"),
        ("setup", "take the task: class counts, priors, shot groups"),
        ("stages", "say how long and how fast to train what"),
        ("build", "change the network"),
    )),
    ("every stage", (
        ("begin_stage", "change the network again; not in the first"),
        ("every epoch", (
            ("views, augment", "say what is done to the images"),
            ("every step", (
                ("mix", "mix the batch"),
                ("backward", "fill the gradients; asks as often as it likes, anywhere, for"),
                ("step.objective(offset)", (
                    ("forward", "outputs of the batch"),
                    ("losses", "one a sample, of the outputs"),
                    ("sample_weights, loss_weight", "factors on them"),
                    ("penalty", "a scalar, added to their mean"),
                )),
                ("after_step", "update the method's state"),
            )),
            ("after_epoch", "update it, from the training images too"),
            ("curves", "give scalars to log"),
        )),
    )),
    ("after training and at evaluations on the way, on a copy", (
        ("finalize", "change it for prediction"),
        ("predict", "give logits of images"),
        ("adjust_logits", "change those of the whole test set"),
    )),
)  # fmt: skip
SCREEN, COLOURS_OF_REPORT = (1280, 900), 256
TOLERANCE, DEVIATION, METHODS, SEEDS = 1.0, 0.5, 15, (3, 5, 10)
EXAMPLES = (-3.4, -1.6, 0.2)  # differences, in points
VERDICT_COLOURS = {"holds": COLOURS[2], "undecided": GREY, "differs": COLOURS[1]}
LINE, GAP, INDENT, WORDS = 0.22, 0.06, 0.18, 2.9  # inches


def tail() -> Figure:
    """Draw the class counts of CIFAR-100-LT at r = 100, by shot group, and the thresholds."""
    data = dataset("cifar100_lt(imbalance=100)")
    counts = data.class_counts()
    groups = shot_groups(counts)
    figure = Figure(figsize=(6.4, 2.9), layout="constrained")
    axes = figure.subplots()
    axes.bar(range(len(counts)), counts, width=1.0, color=[SHOT_COLOURS[g] for g in groups])
    for threshold, words in ((MANY_ABOVE, "many: more than"), (FEW_BELOW, "few: fewer than")):
        axes.axhline(threshold, color=GREY, linewidth=0.8, linestyle="--")
        axes.text(99.5, threshold + 6, f"{words} {threshold}", ha="right", color="0.3")
    handles = [
        Patch(color=colour, label=f"{name}: {groups.count(name)} classes")
        for name, colour in SHOT_COLOURS.items()
    ]
    axes.legend(handles=handles, loc="upper right")
    axes.set(
        xlabel="class, from head to tail", ylabel="training images", xlim=(-1, 100),
        title=f"{data.title}: {sum(counts):,} images, {counts[0]} of the first class, "
        f"{counts[-1]} of the last",
    )  # fmt: skip
    axes.grid(axis="x", visible=False)
    return figure


def hooks() -> Figure:
    """Draw the order in which a method's hooks are called: boxes of what happens how often."""
    width, height = 6.4, sum(map(_height, ORDER)) + GAP * (len(ORDER) + 1)
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    top = GAP
    for box in ORDER:
        top = _draw(axes, box, GAP, top, width - 2 * GAP) + GAP
    return figure


def _height(item: Item) -> float:
    _, content = item
    if isinstance(content, str):
        return LINE
    return LINE + sum(map(_height, content)) + GAP * (1 + sum(_is_box(one) for one in content))


def _is_box(item: Item) -> bool:
    return not isinstance(item[1], str)


def _draw(axes: Axes, item: Item, left: float, top: float, width: float) -> float:
    """Draw a hook or a box with all that it holds; return where it ends."""
    title, content = item
    middle = top + LINE / 2
    if isinstance(content, str):
        axes.text(left, middle, title, va="center", family="DejaVu Sans Mono", size=8.5)
        axes.text(WORDS, middle, content, va="center", size=8, color="0.35")
        return top + LINE
    bottom = top + _height(item)
    axes.add_patch(
        FancyBboxPatch(
            (left, top), width, bottom - top, boxstyle="round,pad=0,rounding_size=0.05",
            facecolor="#0072B20E", edgecolor=COLOURS[0], linewidth=0.7,
        )
    )  # fmt: skip
    axes.text(left + INDENT / 2, middle, title, va="center", size=8, color=COLOURS[0])
    top += LINE
    for each in content:
        inner = (left + INDENT, top, width - 1.5 * INDENT)
        top = _draw(axes, each, *inner) + (GAP if _is_box(each) else 0)
    return bottom


def verdict() -> Figure:
    """Draw which difference gets which verdict: bands by the rule itself, means with intervals."""
    figure = Figure(figsize=(6.4, 2.9), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(-TOLERANCE, TOLERANCE, color="0.93", linewidth=0)
    axes.text(-0.97, 2.44, f"tolerance ± {TOLERANCE:g}", va="bottom", size=7, color="0.25")
    differences = [step / 100 for step in range(-450, 451)]
    for row, n in enumerate(SEEDS):
        words = [_word(difference, n) for difference in differences]
        ends = [0, *(i for i in range(1, len(words)) if words[i] != words[i - 1]), len(words) - 1]
        for start, end in pairwise(ends):
            left, right = differences[start], differences[end]
            axes.barh(row, right - left, 0.16, left, color=VERDICT_COLOURS[words[start]])
            limits = f"from {left:.1f}" if words[start] == "differs" else f"to {right:.1f}"
            if right > 0:
                middle = max(left, 0) + (right - max(left, 0)) / 2
                label = f"{words[start]} {limits}"
                axes.text(middle, row + 0.16, label, ha="center", va="top", size=7, color="0.25")
        half = float(t.ppf(0.975, METHODS * (n - 1))) * DEVIATION / n**0.5
        for mean in EXAMPLES:
            colour = VERDICT_COLOURS[_word(mean, n)]
            axes.errorbar(mean, row - 0.22, xerr=half, fmt="o", color=colour, capsize=2, ms=4)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set(
        xlim=(-4.5, 4.5), ylim=(len(SEEDS) - 0.5, -0.5), yticks=range(len(SEEDS)),
        yticklabels=[f"{n} seeds" for n in SEEDS], xlabel="our mean - reported value, points",
        title=f"Seeds that differ by {DEVIATION:g} points, {METHODS} methods in a column",
    )  # fmt: skip
    axes.grid(visible=False)
    return figure


def _word(difference: float, n: int) -> str:
    """Return the verdict on a difference, the first that is judged of its column."""
    freedom = METHODS * (n - 1)
    evidence = Evidence(0, TOLERANCE, difference, n, n, DEVIATION, freedom, DEVIATION)
    return judge([evidence, *[None] * (METHODS - 1)])[0].verdict.word


def gkp_on_ce() -> Figure:
    """Draw what trainings of the committed records logged, which explains their verdict."""
    (figure,) = figures("gkp_on_ce")
    return drawing(figure, Store(ROOT / "results")).picture


PICTURES = {"tail": tail, "hooks": hooks, "verdict": verdict, "gkp_on_ce": gkp_on_ce}


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG, small: text is text, places are to the hundredth of a point."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "ltbench"})
    return re.sub(rb' d="[^"]*"', lambda path: PLACE.sub(rb"\1", path[0]), buffer.getvalue())


def report(chromium: str) -> bytes:
    """Return the first screen of the report of the committed records as PNG, in few colours."""
    with tempfile.TemporaryDirectory() as folder:
        page, picture = Path(folder, "report.html"), Path(folder, "report.png")
        page.write_text(render(Store(ROOT / "results")).text)
        subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--hide-scrollbars", f"--screenshot={picture}",
             f"--window-size={SCREEN[0]},{SCREEN[1]}", page.as_uri()],
            check=True, stderr=subprocess.DEVNULL, timeout=300,
        )  # fmt: skip
        with Image.open(picture) as taken:
            few = taken.convert("RGB").quantize(
                COLOURS_OF_REPORT, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
            )
        buffer = io.BytesIO()
        few.save(buffer, "png", optimize=True)
        return buffer.getvalue()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with style():
        for name, draw in PICTURES.items():
            (FOLDER / f"{name}.svg").write_bytes(svg(draw()))
    if "--report" in sys.argv:
        found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
        (FOLDER / "report.png").write_bytes(report(next(found)))
