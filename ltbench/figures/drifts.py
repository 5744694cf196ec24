"""Losses of the tail and of all classes on the plane of three trainings, and their ways on it."""

from dataclasses import dataclass
from typing import Any

from ltbench.analysis.results import Result, ResultRow
from ltbench.data.profile import SHOTS
from ltbench.figures.analysed import FigureResults, results_of
from ltbench.figures.definition import Drifts, Figure
from ltbench.figures.planes import FIELDS, Epoch, GroupPlane, epochs_of, plane_of
from ltbench.runs.files import csv_text
from ltbench.runs.store import Store
from ltbench.statistics.estimates import Estimate, mean_interval

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
    grid = first.where(kind="grid")
    shots = {row["shots"] for row in grid}
    smallest = next(shot for shot in reversed(SHOTS) if shot in shots)

    def within(rows: list[ResultRow], groups: set[str]) -> list[ResultRow]:
        return [row for row in rows if row["shots"] in groups]

    def way(role: str, groups: set[str]) -> list[ResultRow]:
        return within(first.where(kind="epoch", of=role), groups)

    tail, everything = (
        plane_of(name, within(grid, groups), way("run", groups))
        for name, groups in (("the tail", {smallest}), ("all classes", shots))
    )
    every = {
        row["of"]: [
            each["value"] for r in results.values()
            for each in r.where(kind="quantity", of=row["of"])
        ]
        for row in first.where(kind="quantity")
    }  # fmt: skip
    return DriftPlanes(
        (tail, everything),
        {role: (epochs_of(way(role, {smallest})), epochs_of(way(role, shots)))
         for role in ("tail", "full")},
        first.header["full_run"].partition(" on ")[0], seed,
        {name: mean_interval(values) for name, values in every.items()},
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
