"""What analyses of finished networks say, as curves by shot group or class: ours and the printed.

A shot group's value is the mean over its classes, for each seed; the interval is over seeds.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ltbench.analysis.results import Result
from ltbench.data.profile import SHOTS
from ltbench.figures.analysed import FigureResults, NothingToDrawError, results_of
from ltbench.figures.definition import Figure, Inside
from ltbench.runs.files import csv_text
from ltbench.runs.store import Store
from ltbench.statistics.estimates import Estimate, mean_interval

FIELDS = ("panel", "method", "x", "value", "ci95", "n", "seeds", "reported")
ALL = "all classes"


@dataclass(frozen=True)
class CurveQuantity:
    """How an analysis becomes curves: which rows, over what, in which panels."""

    analysis: str
    rows: dict[str, Any]  # columns that a row must have so
    x: str
    axes: tuple[str, str]  # what stands at them
    by_shot: bool = True  # a panel a shot group; else classes are the axis
    log: bool = False
    note: str = ""


QUANTITIES = {
    "features": CurveQuantity(
        "features", {"view": "test", "form": "release", "corrected": 0, "quantity": "quality"},
        "epoch", ("share of the training", "feature quality -1 / Dis - log Var"),
        note="Test images, raw features, the released code's formula. Its scale moves with that "
        "of the features; the CSV of the analysis has a form that does not.",
    ),
    "gradients": CurveQuantity(
        "gradients", {"whole": "sample mean"}, "epoch",
        ("share of the training", "cosine with the batch's gradient"),
        note="Train mode, backbone. Printed ones are of a definition that is not known, so shapes "
        "compare, not heights.",
    ),
    "noise": CurveQuantity(
        "line", {"view": "test", "of": "classifier"}, "ratio",
        ("norm of noise / of classifier", "rise of the test loss"), log=True,
        note="Uniform directions, weight and bias together; to second order a trace.",
    ),
    "positives": CurveQuantity(
        "predictions", {"quantity": "relative_positives"}, "class",
        ("class, most training images first", "predictions / (N / C)"), by_shot=False,
        note="1 is the share that every class has of the balanced test set.",
    ),
    "weight_norms": CurveQuantity(
        "predictions", {"quantity": "weight_norm"}, "class",
        ("class, most training images first", "norm of the class's weights"), by_shot=False,
        note="Norms of a cosine head change no prediction.",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """A method's values in one panel, and what is printed of it."""

    method: str
    points: tuple[tuple[float, Estimate], ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class CurvePanel:
    """Curves that share axes, and the printed ones: a name and points each."""

    title: str
    curves: tuple[Curve, ...]
    printed: tuple[tuple[str, tuple[tuple[float, float], ...]], ...]


@dataclass(frozen=True)
class InsideFigure:
    """A figure's panels, and what they are of."""

    found: FigureResults
    quantity: CurveQuantity
    panels: tuple[CurvePanel, ...]

    @property
    def scale_free(self) -> dict[str, bool]:
        """Return whether twice a method's classifier predicts the same; of noise on it alone."""
        return {
            method: bool(rows[0]["scale_free"])
            for method, results in self.found.results.items()
            if (rows := next(iter(results.values())).where(**self.quantity.rows))
            and rows[0].get("scale_free") is not None
        }


def inside(figure: Figure, store: Store, protocol: str | None = None) -> InsideFigure:
    """Return a figure's curves; raises NothingToDrawError, with the commands, for none."""
    definition = figure.definition
    assert isinstance(definition, Inside)
    quantity = QUANTITIES[definition.shows]
    found = results_of(figure, store, quantity.analysis, protocol)
    panels = tuple(_panels(definition, quantity, found.results))
    if not any(panel.curves for panel in panels):
        raise NothingToDrawError(
            f"figure {figure.name}: what `ltbench analyse '{quantity.analysis}'` wrote has no "
            f"{definition.shows}; analyse the runs again."
        )
    return InsideFigure(
        found, quantity, tuple(each for each in panels if each.curves or each.printed)
    )


def _panels(
    definition: Inside, quantity: CurveQuantity, found: dict[str, dict[int, Result]]
) -> Iterator[CurvePanel]:
    for title in SHOTS if quantity.by_shot else (ALL,):
        curves = []
        for method, results in found.items():
            values = {seed: _values(result, quantity, title) for seed, result in results.items()}
            order = _order(results, quantity)
            xs = sorted({x for each in values.values() for x in each}, key=order)
            points = tuple(
                (x / _last(quantity, xs), mean_interval([v[x] for v in values.values() if x in v]))
                for x in xs
            )
            if points:
                curves.append(Curve(method, points, tuple(results)))
        printed = tuple(
            (
                each.name,
                tuple(
                    (x / _last(quantity, each.values), y) for x, y in sorted(each.values.items())
                ),
            )
            for each in definition.printed if each.panel == title
        )  # fmt: skip
        yield CurvePanel(title, tuple(curves), printed)


def _last(quantity: CurveQuantity, xs: Iterable[float]) -> float:
    """Return what places are divided by: the last epoch, for trainings of other lengths to fit."""
    return max(xs) if quantity.x == "epoch" else 1


def _values(result: Result, quantity: CurveQuantity, title: str) -> dict[float, float]:
    """Return one run's values by x: means over a shot group's classes, or those of each class."""
    rows = result.where(**quantity.rows, **({"shots": title} if quantity.by_shot else {}))
    by_x: dict[float, list[float]] = {}
    for row in rows:
        by_x.setdefault(row[quantity.x], []).append(row["value"])
    return {x: sum(values) / len(values) for x, values in by_x.items()}


def _order(results: dict[int, Result], quantity: CurveQuantity) -> Callable[[float], Any]:
    if quantity.by_shot:
        return lambda x: x
    first = next(iter(results.values())).where(**quantity.rows)
    images = {row["class"]: row["training_images"] for row in first}
    return lambda label: (-images.get(label, 0), label)


def as_csv(drawn: InsideFigure) -> str:
    """Return one line a point, reproduced or reported."""
    rows: list[tuple[Any, ...]] = [FIELDS]
    for panel in drawn.panels:
        for curve in panel.curves:
            for x, each in curve.points:
                half = "" if each.half_width is None else f"{each.half_width:.6g}"
                seeds = " ".join(map(str, curve.seeds))
                value = f"{each.mean:.6g}"
                rows.append((panel.title, curve.method, x, value, half, each.n, seeds, ""))
        for name, points in panel.printed:
            rows += [(panel.title, name, x, "", "", "", "", value) for x, value in points]
    return csv_text(rows)
