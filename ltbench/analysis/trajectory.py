"""The trajectory of a training through weight space, on the plane of its two principal components.

Rows theta_i - theta_n of the kept epochs, centred as PCA does; axes u are unit vectors; a
checkpoint is drawn at <theta_i - theta_n, u>, so the last one is at the origin. It lies off the
plane by |r - P r| / |r|, and its own loss is not the plane's there: both are in the rows. High
explained variance proves nothing: a random walk has 6 / pi^2 and a quarter of that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import torch
from annotated_types import Ge, Gt
from torch import nn

from ltbench.analysis.directions import Direction, dot
from ltbench.analysis.subject import (
    AnalysisPart,
    AnalysisRow,
    FinishedRun,
    RunImages,
    Sample,
    class_losses,
    class_rows,
)
from ltbench.analysis.weight_plane import (
    Weights,
    at_places,
    less,
    project,
    side,
    statistics_images,
    weights_of_all,
)
from ltbench.errors import LtbenchError


class Principal(NamedTuple):
    """Two orthonormal directions, and what share of the rows' variance each explains."""

    directions: tuple[Direction, Direction]
    explained: tuple[float, float]


def principal(rows: Sequence[Weights]) -> Principal:
    """Return the two principal components of rows, from the eigenvectors of their Gram matrix.

    The largest coordinate of each is positive. Raises LtbenchError for rows on a line or fewer.
    """
    count = len(rows)
    mean = {name: torch.stack([row[name] for row in rows]).mean(0) for name in rows[0]}
    centred = [{name: row[name] - mean[name] for name in row} for row in rows]
    gram = torch.tensor([[dot(a, b) for b in centred] for a in centred], dtype=torch.float64)
    values, vectors = torch.linalg.eigh(gram)
    if count < 3 or values[-2] <= 1e-10 * values[-1]:
        raise LtbenchError(
            "the kept epochs lie on one line in weight space and span no plane; train with more of "
            "them kept, such as `ltbench run --keep snapshots:1`."
        )
    found, shares = [], []
    for place_ in (-1, -2):
        factors = (vectors[:, place_] / values[place_].sqrt()).tolist()
        direction = {
            name: sum(f * row[name] for f, row in zip(factors, centred, strict=True))
            for name in mean
        }
        largest = max((part.flatten() for part in direction.values()), key=lambda p: p.abs().max())
        sign = float(largest[largest.abs().argmax()].sign())
        found.append({name: sign * part for name, part in direction.items()})
        shares.append(float(values[place_] / values.clamp_min(0).sum()))
    return Principal((found[0], found[1]), (shares[0], shares[1]))


@dataclass(frozen=True)
class Trajectory:
    """The kept epochs on their principal plane, with the loss of every class around them."""

    mode: ClassVar[str] = "eval, batch statistics made anew at every point of the grid"

    points: Annotated[int, Ge(2)] = 15  # a side of the grid
    margin: Annotated[float, Ge(0)] = 0.2  # around the epochs, of their extent
    per_class: Annotated[int, Ge(1)] = 50  # training images at most
    statistics: Annotated[int, Gt(0)] = 2000  # images at most, for batch statistics, equal classes
    seed: Annotated[int, Ge(0)] = 0

    def parts(self, run: FinishedRun, data: RunImages) -> list[AnalysisPart]:
        """Return a piece for the epochs and one for every row of the grid.

        Raises LtbenchError for a run with fewer than three kept epochs.
        """
        if len(run.epochs) < 3:
            raise LtbenchError(
                f"{run.name} kept the weights of {len(run.epochs)} epochs, and a trajectory wants "
                "three; train it with `ltbench run --keep snapshots:1`."
            )
        images = len(self._sample(data).labels)
        last, once = run.epochs[-1], images + min(self.statistics, len(data.train.labels))
        return [
            AnalysisPart("epochs", last, images * len(run.epochs)),
            *(AnalysisPart(f"row{row}", last, once * self.points) for row in range(self.points)),
        ]

    def analyse(
        self, run: FinishedRun, network: nn.Module, data: RunImages, part: AnalysisPart
    ) -> list[AnalysisRow]:
        """Return where the epochs are and what they lose, or the losses along a row of the grid."""
        sample = self._sample(data)
        last = weights_of_all(network)
        rows = [less(weights_of_all(run.network(epoch)), last) for epoch in run.epochs]
        axes = principal(rows)
        projected = [project(row, axes.directions) for row in rows]
        if part.name == "epochs":
            found: list[AnalysisRow] = []
            for epoch, (x, y, off) in zip(run.epochs, projected, strict=True):
                losses = class_losses(run, run.network(epoch), sample)
                found += class_rows(
                    run, losses, kind="epoch", epoch=epoch, x=x, y=y, off_plane=off,
                    explained_x=axes.explained[0], explained_y=axes.explained[1],
                )  # fmt: skip
            return found
        xs, ys = (
            side([each[axis] for each in projected], self.margin, self.points) for axis in (0, 1)
        )
        y = ys[int(part.name.removeprefix("row"))]
        images = statistics_images(data, self.statistics, self.seed)
        places = [(last, tuple(zip((x, y), axes.directions, strict=True))) for x in xs]
        at_each = at_places(network, places, images, lambda moved: class_losses(run, moved, sample))
        return [
            row for x, losses in zip(xs, at_each, strict=True)
            for row in class_rows(run, losses, kind="grid", epoch=None, x=x, y=y)
        ]  # fmt: skip

    def _sample(self, data: RunImages) -> Sample:
        return data.train.equal(self.per_class, self.seed)
