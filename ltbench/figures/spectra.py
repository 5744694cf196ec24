"""Hessians of classes by shot group: spectral densities, and what they are summed up in.

A method's density in a panel is the mean over the group's classes and all seeds; a number is the
mean over the classes for each seed, its interval over seeds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltbench.analysis.density import Array, density, usual_width
from ltbench.analysis.results import Result
from ltbench.data.catalog import dataset
from ltbench.data.profile import SHOTS
from ltbench.figures.analysed import FigureResults, results_of
from ltbench.figures.definition import Figure, PrintedSpectrum, Spectra
from ltbench.runs.files import csv_text
from ltbench.runs.protocol import shots_under
from ltbench.runs.store import Store
from ltbench.statistics.estimates import Estimate, mean_interval

FIELDS = ("panel", "method", "quantity", "at", "value", "ci95", "n", "seeds", "reported")
NUMBERS = ("lambda_max", "lambda_min", "trace", "filter_trace")
_GRID, _BINS = 10_000, 240  # where the density is computed; of those, what is kept for a curve


@dataclass(frozen=True)
class GroupSpectrum:
    """One method's in one panel; the curve holds the largest density between neighbours."""

    method: str
    at: Array
    density: Array
    numbers: dict[str, Estimate]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class SpectrumPanel:
    """A shot group: its classes, ours, and what is printed."""

    title: str
    classes: tuple[int, ...]
    spectra: tuple[GroupSpectrum, ...]
    printed: tuple[PrintedSpectrum, ...]


@dataclass(frozen=True)
class SpectraFigure:
    """A figure's panels, and what they are of."""

    found: FigureResults
    panels: tuple[SpectrumPanel, ...]
    images: int  # of a class or group that a Hessian is of


def spectra(figure: Figure, store: Store, protocol: str | None = None) -> SpectraFigure:
    """Return a figure's spectra; raises NothingToDrawError, with the commands, for none."""
    definition = figure.definition
    assert isinstance(definition, Spectra)
    found = results_of(figure, store, "hessian", protocol)
    shots = shots_under(found.cell.protocol, dataset(definition.dataset))
    panels = []
    for title in SHOTS:
        classes = tuple(label for label, shot in enumerate(shots) if shot == title)
        groups = {title, *map(str, classes)}  # small sets have rows by class, others by group
        made = tuple(_spectra(found.results, groups))
        printed = tuple(each for each in definition.printed if each.panel == title)
        if made or printed:
            panels.append(SpectrumPanel(title, classes, made, printed))
    first = next(iter(next(iter(found.results.values())).values()))
    return SpectraFigure(found, tuple(panels), first.rows[0]["images"])


def _spectra(every: dict[str, dict[int, Result]], groups: set[str]) -> Iterator[GroupSpectrum]:
    for method, results in every.items():
        rows = {
            seed: [row for row in result.rows if str(row["group"]) in groups]
            for seed, result in results.items()
        }
        rows = {seed: found for seed, found in rows.items() if found}
        starts = [start for found in rows.values() for start in _starts(found)]
        if not starts:
            continue
        numbers = {name: _over_seeds(rows, name) for name in NUMBERS}
        at, values = _curve(starts)
        yield GroupSpectrum(
            method, at, values, {k: v for k, v in numbers.items() if v is not None}, tuple(rows)
        )


def _starts(rows: list[dict[str, Any]]) -> list[tuple[Array, Array]]:
    """Return the nodes and weights of every view, group and random start."""
    found: dict[tuple[Any, ...], dict[str, list[float]]] = {}
    for row in rows:
        if row["probe"] is not None:
            start = found.setdefault((row["view"], row["group"], row["probe"]), {})
            start.setdefault(row["quantity"], []).append(row["value"])
    return [(np.array(each["node"]), np.array(each["weight"])) for each in found.values()]


def _over_seeds(rows: dict[int, list[dict[str, Any]]], quantity: str) -> Estimate | None:
    means = []
    for found in rows.values():
        values = [row["value"] for row in found if row["quantity"] == quantity]
        means += [sum(values) / len(values)] if values else []
    return mean_interval(means) if means else None


def _curve(starts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Return points and densities, as PyHessian smooths them, thinned to the highest of each bin.

    Bins are even on the axis that is drawn, linear within -1 and 1 and logarithmic outside.
    """
    ends = np.concatenate([nodes for nodes, _ in starts])
    low, high = float(ends.min()), float(ends.max())
    grid = np.linspace(low - 0.01, high + 0.01, _GRID)
    values = density(starts, grid, usual_width(low, high))
    along = np.sign(grid) * np.where(np.abs(grid) < 1, np.abs(grid), 1 + np.log10(
        np.maximum(np.abs(grid), 1)))  # fmt: skip
    bins = np.floor((along - along[0]) / (along[-1] - along[0]) * (_BINS - 1)).astype(int)
    first = np.flatnonzero(np.diff(bins, prepend=-1))
    highest = [part + int(values[part:end].argmax()) for part, end in
               zip(first, [*first[1:], _GRID], strict=True)]  # fmt: skip
    return grid[highest], values[highest]


def as_csv(drawn: SpectraFigure) -> str:
    """Return a line for each point of a density and for each number, reproduced or reported."""
    rows: list[tuple[Any, ...]] = [FIELDS]
    for panel in drawn.panels:
        for each in panel.spectra:
            seeds = " ".join(map(str, each.seeds))
            for name, number in each.numbers.items():
                half = "" if number.half_width is None else f"{number.half_width:.6g}"
                mean = f"{number.mean:.6g}"
                rows.append((panel.title, each.method, name, "", mean, half, number.n, seeds, ""))
            for at, value in zip(each.at, each.density, strict=True):
                rows.append((panel.title, each.method, "density", f"{at:.6g}", f"{value:.6g}", "",
                             len(each.seeds), seeds, ""))  # fmt: skip
        for given in panel.printed:
            for name in ("lambda_max", "trace"):
                rows.append((panel.title, given.name, name, *[""] * 5, getattr(given, name)))
    return csv_text(rows)
