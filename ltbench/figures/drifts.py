"""Losses of the tail and of all classes on the plane of three trainings, and their ways on it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ltbench.analysis.results import Result, ResultRow
from ltbench.data.profile import SHOTS
from ltbench.figures.analysed import FigureResults, results_of
from ltbench.figures.definition import Drifts, Figure
from ltbench.figures.planes import FIELDS, Epoch, GroupPlane
from ltbench.runs.files import csv_text
from ltbench.runs.store import Store
from ltbench.statistics.estimates import Estimate, mean_interval

ROLES = ("tail", "full", "run")
_FIELDS = (*FIELDS[:3], "kind", "of", *FIELDS[4:], "value")


@dataclass(frozen=True)
class DriftPlanes:
    """One method's plane, for the tail's loss and for all classes', of its first seed."""

    planes: tuple[GroupPlane, GroupPlane]  # whose trajectory is the method's own
    beside: dict[str, tuple[tuple[Epoch, ...], tuple[Epoch, ...]]]  # of tail and full, by plane
    full: str  # the method whose trainings span the plane
    seed: int
    quantities: dict[str, Estimate]  # over seeds


@dataclass(frozen=True)
class DriftsFigure:
    """The planes of each method."""

    found: FigureResults
    planes: dict[str, DriftPlanes]


def drifts(figure: Figure, store: Store, protocol: str | None = None) -> DriftsFigure:
    """Return a figure's planes, of each method's first seed, with distances over all seeds.

    Raises NothingToDrawError, with the commands, where none is here.
    """
    assert isinstance(figure.definition, Drifts)
    found = results_of(figure, store, "drift", protocol)
    return DriftsFigure(found, {method: _of(each) for method, each in found.results.items()})


def _of(results: dict[int, Result]) -> DriftPlanes:
    seed, first = next(iter(results.items()))
    shots = {row["shots"] for row in first.where(kind="grid")}
    smallest = next(shot for shot in reversed(SHOTS) if shot in shots)
    groups = {"the tail": {smallest}, "all classes": shots}
    names = [row["of"] for row in first.where(kind="quantity")]
    every = {
        name: [row["value"] for r in results.values() for row in r.where(kind="quantity", of=name)]
        for name in names
    }
    (tail, all_) = (
        GroupPlane(name, *_grid(first, chosen), _epochs(first, chosen, "run"))
        for name, chosen in groups.items()
    )
    return DriftPlanes(
        (tail, all_),
        {
            role: (_epochs(first, {smallest}, role), _epochs(first, shots, role))
            for role in ROLES[:2]
        },
        first.header["full_run"].partition(" on ")[0], seed,
        {name: mean_interval(values) for name, values in every.items()},
    )  # fmt: skip


def _grid(result: Result, shots: set[str]) -> tuple[Any, Any, Any]:
    """Return a grid's xs, ys and mean losses [ys, xs] over the classes of shot groups."""
    grid: dict[tuple[float, float], list[float]] = {}
    for row in result.where(kind="grid"):
        if row["shots"] in shots:
            grid.setdefault((row["y"], row["x"]), []).append(row["value"])
    ys, xs = (sorted({place[axis] for place in grid}) for axis in (0, 1))
    return np.array(xs), np.array(ys), np.array([[np.mean(grid[y, x]) for x in xs] for y in ys])


def _epochs(result: Result, shots: set[str], role: str) -> tuple[Epoch, ...]:
    found: dict[int, list[ResultRow]] = {}
    for row in result.where(kind="epoch", of=role):
        if row["shots"] in shots:
            found.setdefault(row["epoch"], []).append(row)
    return tuple(
        Epoch(epoch, rows[0]["x"], rows[0]["y"], float(np.mean([row["value"] for row in rows])),
              rows[0]["off_plane"])
        for epoch, rows in sorted(found.items())
    )  # fmt: skip


def as_csv(drawn: DriftsFigure) -> str:
    """Return a line for each distance, each kept epoch and each point of a grid."""
    rows: list[tuple[Any, ...]] = [_FIELDS]
    for method, made in drawn.planes.items():
        blank = ("",) * 5
        for name, estimate in made.quantities.items():
            rows.append((method, f"{estimate.n} seeds", "", "quantity", name, *blank,
                         estimate.text(6)))  # fmt: skip
        for index, plane in enumerate(made.planes):
            fixed = (method, made.seed, plane.shots)
            ways = {**{role: both[index] for role, both in made.beside.items()},
                    "run": plane.trajectory}  # fmt: skip
            for role, epochs in ways.items():
                for e in epochs:
                    places = (f"{value:.6g}" for value in (e.x, e.y, e.loss, e.off_plane))
                    rows.append((*fixed, "epoch", role, e.epoch, *places, ""))
            for y, line in zip(plane.ys, plane.losses, strict=True):
                for x, loss in zip(plane.xs, line, strict=True):
                    places = (f"{value:.6g}" for value in (x, y, loss))
                    rows.append((*fixed, "grid", "", "", *places, "", ""))
    return csv_text(rows)
