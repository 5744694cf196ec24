"""The trajectory of a training through weight space, on the plane of its two principal components.

Rows theta_i - theta_n of the kept epochs, centred as PCA does; axes u are unit vectors; a
checkpoint is drawn at <theta_i - theta_n, u>, so the last one is at the origin. It lies off the
plane by |r - P r| / |r|, and its own loss is not the plane's there: both are in the rows. High
explained variance proves nothing: a random walk has 6 / pi^2 and a quarter of that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from ltbench.analysis.directions import Direction, dot, place, restored
from ltbench.analysis.subject import (
    CHUNK,
    AnalysisPart,
    AnalysisRow,
    FinishedRun,
    RunImages,
    Sample,
    class_losses,
    class_rows,
)
from ltbench.errors import LtbenchError

Weights = Mapping[str, Tensor]


class Axes(NamedTuple):
    """Two orthonormal directions, and what share of the rows' variance each explains."""

    directions: tuple[Direction, Direction]
    explained: tuple[float, float]


def principal(rows: Sequence[Weights]) -> Axes:
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
    return Axes((found[0], found[1]), (shares[0], shares[1]))


def through(origin: Weights, first: Weights, second: Weights) -> tuple[Direction, Direction]:
    """Return orthonormal axes of the plane through three points, the first towards `first`."""
    u = _less(first, origin)
    v = _less(second, origin)
    v = _less(v, {name: part * (dot(v, u) / dot(u, u)) for name, part in u.items()})
    return _unit(u), _unit(v)


def project(row: Weights, axes: tuple[Direction, Direction]) -> tuple[float, float, float]:
    """Return a displacement's coordinates in a plane, and the share of its length off the plane."""
    x, y, length = dot(row, axes[0]), dot(row, axes[1]), dot(row, row)
    off = max(0.0, length - x * x - y * y)
    return x, y, (off / length) ** 0.5 if length else 0.0


def _less(left: Weights, right: Weights) -> Direction:
    return {name: left[name] - right[name] for name in left}


def _unit(direction: Direction) -> Direction:
    length = dot(direction, direction) ** 0.5
    return {name: part / length for name, part in direction.items()}


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
        last = _weights(network)
        rows = [_less(_weights(run.network(epoch)), last) for epoch in run.epochs]
        axes = principal(rows)
        places = [project(row, axes.directions) for row in rows]
        if part.name == "epochs":
            found: list[AnalysisRow] = []
            for epoch, (x, y, off) in zip(run.epochs, places, strict=True):
                losses = class_losses(run, run.network(epoch), sample)
                found += class_rows(
                    run, losses, kind="epoch", epoch=epoch, x=x, y=y, off_plane=off,
                    explained_x=axes.explained[0], explained_y=axes.explained[1],
                )  # fmt: skip
            return found
        xs, ys = (self._range([place_[axis] for place_ in places]) for axis in (0, 1))
        y = ys[int(part.name.removeprefix("row"))]
        found = []
        with restored(network) as base:
            for x in xs:
                place(network, base, zip((x, y), axes.directions, strict=True))
                self._renew(network, data)
                losses = class_losses(run, network, sample)
                found += class_rows(run, losses, kind="grid", epoch=None, x=x, y=y)
        return found

    def _sample(self, data: RunImages) -> Sample:
        return data.train.equal(self.per_class, self.seed)

    def _range(self, values: list[float]) -> list[float]:
        extent = max(values) - min(values)
        low, high = min(values) - self.margin * extent, max(values) + self.margin * extent
        return torch.linspace(low, high, self.points, dtype=torch.float64).tolist()

    def _renew(self, network: nn.Module, data: RunImages) -> None:
        most = max(1, self.statistics // data.train.classes)
        renew_statistics(network, data.train.equal(most, self.seed).images)


def renew_statistics(network: nn.Module, images: Tensor) -> None:
    """Compute batch statistics anew, without which every point between epochs looks a wall."""
    # Images lie class by class, and batches of one class have other statistics than all of them
    # have: every batch takes images from the whole length.
    batches = -(-len(images) // CHUNK)
    with torch.no_grad():
        update_bn((images[k::batches] for k in range(batches)), network)
    network.eval()


def _weights(network: nn.Module) -> Direction:
    return {name: p.detach().clone() for name, p in network.named_parameters()}
