"""Losses of shot groups on the plane of each training's trajectory, and the kept epochs on it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ltbench.analysis.density import Array
from ltbench.analysis.results import Result, ResultRow
from ltbench.data.profile import SHOTS
from ltbench.figures.analysed import FigureResults, results_of
from ltbench.figures.definition import Figure, Planes
from ltbench.runs.files import csv_text
from ltbench.runs.store import Store

FIELDS = ("method", "seed", "shots", "kind", "epoch", "x", "y", "loss", "off_plane")


@dataclass(frozen=True)
class Epoch:
    """A kept epoch: where it is drawn, what it loses itself, how far off the plane it lies."""

    epoch: int
    x: float
    y: float
    loss: float
    off_plane: float  # share of its distance to the last epoch


@dataclass(frozen=True)
class GroupPlane:
    """A group's mean loss [ys, xs] on the plane of one training's trajectory."""

    shots: str
    xs: Array
    ys: Array
    losses: Array
    trajectory: tuple[Epoch, ...]


@dataclass(frozen=True)
class PlanesFigure:
    """The planes of each method, by shot group, of one seed."""

    found: FigureResults
    planes: dict[str, tuple[GroupPlane, ...]]
    seeds: dict[str, int]
    explained: dict[str, tuple[float, float]]  # shares of the epochs' variance along x and y

    @property
    def shots(self) -> list[str]:
        """Return the groups there are, head first."""
        return list(dict.fromkeys(p.shots for planes in self.planes.values() for p in planes))


def planes(figure: Figure, store: Store, protocol: str | None = None) -> PlanesFigure:
    """Return a figure's planes, of each method's first seed.

    Raises NothingToDrawError, with the commands, where none is here.
    """
    assert isinstance(figure.definition, Planes)
    found = results_of(figure, store, "trajectory", protocol)
    first = {method: next(iter(results.items())) for method, results in found.results.items()}
    return PlanesFigure(
        found,
        {
            method: tuple(plane for shot in SHOTS if (plane := _plane(result, shot)) is not None)
            for method, (_, result) in first.items()
        },
        {method: seed for method, (seed, _) in first.items()},
        {
            method: (row["explained_x"], row["explained_y"])
            for method, (_, result) in first.items()
            for row in result.where(kind="epoch")[:1]
        },
    )


def _plane(result: Result, shots: str) -> GroupPlane | None:
    grid = result.where(kind="grid", shots=shots)
    return plane_of(shots, grid, result.where(kind="epoch", shots=shots)) if grid else None


def plane_of(shots: str, grid: list[ResultRow], epochs: list[ResultRow]) -> GroupPlane:
    """Return the plane of rows by class: losses are means over the classes that have rows."""
    places: dict[tuple[float, float], list[float]] = {}
    for row in grid:
        places.setdefault((row["y"], row["x"]), []).append(row["value"])
    ys, xs = (sorted({place[axis] for place in places}) for axis in (0, 1))
    losses = np.array([[np.mean(places[y, x]) for x in xs] for y in ys])
    return GroupPlane(shots, np.array(xs), np.array(ys), losses, epochs_of(epochs))


def epochs_of(found: list[ResultRow]) -> tuple[Epoch, ...]:
    """Return the kept epochs of rows by class, in order."""
    trajectory: dict[int, list[ResultRow]] = {}
    for row in found:
        trajectory.setdefault(row["epoch"], []).append(row)
    return tuple(
        Epoch(epoch, rows[0]["x"], rows[0]["y"], float(np.mean([row["value"] for row in rows])),
              rows[0]["off_plane"])
        for epoch, rows in sorted(trajectory.items())
    )  # fmt: skip


def as_csv(drawn: PlanesFigure) -> str:
    """Return a line for each point of a grid and each kept epoch."""
    rows: list[tuple[Any, ...]] = [FIELDS]
    for method, made in drawn.planes.items():
        for plane in made:
            fixed = (method, drawn.seeds[method], plane.shots)
            for e in plane.trajectory:
                rows.append((*fixed, "epoch", e.epoch, *_short(e.x, e.y, e.loss, e.off_plane)))
            for y, line in zip(plane.ys, plane.losses, strict=True):
                rows += [
                    (*fixed, "grid", "", *_short(x, y, loss), "")
                    for x, loss in zip(plane.xs, line, strict=True)
                ]
    return csv_text(rows)


def _short(*values: float) -> tuple[str, ...]:
    return tuple(f"{value:.6g}" for value in values)
