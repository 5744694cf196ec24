"""Where a training ends beside two others from the same first weights: on all classes, on the tail.

theta_0 are the weights before training, theta_1 those of training on the tail alone, theta_2 those
of training on everything, theta those of the run that is looked at (GKP+GSA, Figure 1). The plane
is through the first three; theta, and every kept epoch, is projected on it.

    |theta - theta_1| / |theta_2 - theta_1|     below 1: nearer to where the tail alone would go

A shorter way is nearer to everything, so beside it stands what that ratio would be for a training
as long as the run's that had theta_2's direction: sqrt(l^2 + l_1^2 - 2 l l_1 cos_12) over the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Annotated, ClassVar, NamedTuple

from annotated_types import Ge, Gt
from torch import nn

from ltbench.analysis.curvature import influential
from ltbench.analysis.directions import Direction, cosine
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
    at_places,
    length,
    less,
    project,
    side,
    statistics_images,
    through,
    weights_of_all,
)
from ltbench.errors import LtbenchError

_LINES = (("tail", "full"), ("tail", "run"), ("full", "run"))
_Steps = Sequence[tuple[float, Direction]]  # from the first weights


class _Way(NamedTuple):
    """A training's kept epochs, the first weights before them: displacements from those."""

    run: FinishedRun
    epochs: tuple[int, ...]  # 0 is before the first
    rows: tuple[Direction, ...]


@dataclass(frozen=True)
class Drift:
    """Three trainings from one start on one plane, with the loss of every class around them."""

    mode: ClassVar[str] = "eval, batch statistics made anew but at kept epochs"

    # whose training on everything, and on the tail, spans the plane; empty: the run's base, without
    # what modifies it
    full: str = ""
    points: Annotated[int, Ge(2)] = 31  # a side of the grid
    margin: Annotated[float, Ge(0)] = 0.2  # around the epochs, of their extent
    between: Annotated[int, Ge(2)] = 11  # points of the straight line between two ends
    per_class: Annotated[int, Ge(1)] = 50  # training images at most
    statistics: Annotated[int, Gt(0)] = 2000  # images at most, for batch statistics, equal classes
    seed: Annotated[int, Ge(0)] = 0

    def skips(self, run: FinishedRun) -> str | None:
        """Return why a run is left out: it is itself of the tail alone."""
        if not run.tail_only:
            return None
        return f"{run.name} is left out: it is trained on the tail, which others are set beside"

    def others(self, run: FinishedRun) -> dict[str, FinishedRun]:
        """Return the runs of `full` on everything and on the tail alone, else as the run's.

        Raises LtbenchError for one that is not there, with the command that trains it.
        """
        assert run.beside is not None
        return {"tail": run.beside(self.full, True), "full": run.beside(self.full, False)}

    def parts(self, run: FinishedRun, data: RunImages) -> list[AnalysisPart]:
        """Return a piece for the ends and kept epochs, one for the lines, one for each grid row."""
        ways, last = _ways(run, self, data.train), run.epochs[-1]
        images = len(self._sample(data).labels)
        once = images + min(self.statistics, len(data.train.labels))
        return [
            AnalysisPart("epochs", last, images * sum(len(way.epochs) for way in ways.values())),
            AnalysisPart("lines", last, once * self.between * len(_LINES)),
            *(AnalysisPart(f"row{row}", last, once * self.points) for row in range(self.points)),
        ]

    def analyse(
        self, run: FinishedRun, network: nn.Module, data: RunImages, part: AnalysisPart
    ) -> list[AnalysisRow]:
        """Return distances and kept epochs, losses between ends, or those along a grid's row."""
        ways, sample = _ways(run, self, data.train), self._sample(data)
        axes = _axes(ways)
        if part.name == "epochs":
            return [*self._distances(ways), *self._epochs(ways, sample)]
        start = weights_of_all(run.network(0))
        images = statistics_images(data, self.statistics, self.seed)

        def losses(fixed: Sequence[AnalysisRow], steps: Sequence[_Steps]) -> list[AnalysisRow]:
            found = at_places(
                network, [(start, each) for each in steps], images,
                lambda moved: class_losses(run, moved, sample),
            )  # fmt: skip
            pairs = zip(fixed, found, strict=True)
            return [row for given, at in pairs for row in class_rows(run, at, **given)]

        if part.name == "lines":
            shares = [k / (self.between - 1) for k in range(self.between)]
            ends = {role: way.rows[-1] for role, way in ways.items()}
            return [
                row for a, b in _LINES
                for row in losses(
                    [{"kind": "line", "of": f"{a} to {b}", "x": share} for share in shares],
                    [((1 - share, ends[a]), (share, ends[b])) for share in shares],
                )
            ]  # fmt: skip
        at = [project(row, axes) for way in ways.values() for row in way.rows]
        xs, ys = (side([e[axis] for e in at], self.margin, self.points) for axis in (0, 1))
        y = ys[int(part.name.removeprefix("row"))]
        return losses(
            [{"kind": "grid", "x": x, "y": y} for x in xs],
            [tuple(zip((x, y), axes, strict=True)) for x in xs],
        )

    def _distances(self, ways: dict[str, _Way]) -> list[AnalysisRow]:
        tail, full, own = (ways[role].rows[-1] for role in ("tail", "full", "run"))
        apart = length(less(full, tail))
        to_tail = cosine(full, tail)
        l_own, l_tail = length(own), length(tail)
        straight = sqrt(max(0.0, l_own**2 + l_tail**2 - 2 * l_own * l_tail * to_tail))
        values = {
            "distance_ratio": length(less(own, tail)) / apart,
            "distance_ratio_by_length": straight / apart,
            "cosine_tail": cosine(own, tail), "cosine_full": cosine(own, full),
            "cosine_tail_full": to_tail,
            "length_tail": l_tail, "length_full": length(full), "length_run": l_own,
        }  # fmt: skip
        return [{"kind": "quantity", "of": name, "value": value} for name, value in values.items()]

    def _epochs(self, ways: dict[str, _Way], sample: Sample) -> list[AnalysisRow]:
        axes = _axes(ways)
        found: list[AnalysisRow] = []
        for role, way in ways.items():
            for epoch, row in zip(way.epochs, way.rows, strict=True):
                x, y, off = project(row, axes)
                losses = class_losses(way.run, way.run.network(epoch), sample)
                found += class_rows(
                    way.run, losses, kind="epoch", of=role, epoch=epoch, x=x, y=y, off_plane=off
                )
        return found

    def _sample(self, data: RunImages) -> Sample:
        return data.train.equal(self.per_class, self.seed)


def _axes(ways: dict[str, _Way]) -> tuple[Direction, Direction]:
    """Return the plane's axes; raises LtbenchError where the three trainings lie on a line."""
    start, tail, full = ways["tail"].rows[0], ways["tail"].rows[-1], ways["full"].rows[-1]
    try:
        return through(start, tail, full)
    except ValueError as error:
        raise LtbenchError(
            f"{ways['run'].run.name}: {error}, for the base's trainings on the tail alone and on "
            "everything end on one line with their start; choose runs with a smaller shot group."
        ) from None


@lru_cache(maxsize=1)  # for all parts of one run
def _ways(run: FinishedRun, drift: Drift, train: Sample) -> dict[str, _Way]:
    """Return the trainings by role, in the parameters that the run's logits depend on.

    Raises LtbenchError where they do not begin at the same weights.
    """
    names, _ = influential(run, run.network(run.epochs[-1]), train, "all")

    def weights_at(other: FinishedRun, epoch: int) -> Direction:
        every = weights_of_all(other.network(epoch))
        return {name: every[name] for name in names if name in every}

    start = weights_at(run, 0)
    if len(start) < len(names):
        raise LtbenchError(
            f"{run.name} predicts by weights that it did not begin with, so its way has no length; "
            "choose a method that predicts by the network it trains."
        )
    shapes = {name: part.shape for name, part in start.items()}
    found = {}
    for role, other in {**drift.others(run), "run": run}.items():
        first, last = weights_at(other, 0), weights_at(other, other.epochs[-1])
        if any({n: part.shape for n, part in w.items()} != shapes for w in (first, last)):
            problem = "have other weights, so no plane holds both"
        elif not all(part.equal(start[name]) for name, part in first.items()):
            problem = "do not begin at the same weights"
        else:
            rows = [less(weights_at(other, epoch), start) for epoch in other.epochs]
            found[role] = _Way(other, (0, *other.epochs), (less(start, start), *rows))
            continue
        raise LtbenchError(
            f"{run.name} and {other.name} {problem}; name the method whose network is this one's, "
            "in drift(full='…')."
        )
    return found
