"""The loss over a plane of weights: two filter-normalised directions from the trained ones.

    l_c(alpha, beta) = L_c(theta + alpha delta + beta eta),   alpha, beta in [-reach, reach]

What is kept is the mean loss of every class at every point, so any grouping is free. It shows
curvature along random directions, which is a trace, not the largest eigenvalue.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from ltbench.analysis.directions import Direction, drawn, place, restored
from ltbench.analysis.subject import (
    AnalysisPart,
    AnalysisRow,
    FinishedRun,
    RunImages,
    Sample,
    class_losses,
    class_rows,
)
from ltbench.data.batch import seed_of
from ltbench.data.profile import SHOTS

if TYPE_CHECKING:
    import pandas as pd


def surface(
    network: nn.Module,
    directions: tuple[Direction, Direction],
    alphas: Tensor,
    betas: Tensor,
    function: Callable[[nn.Module], Tensor],
) -> Tensor:
    """Return `function(network)` at every point, [alphas, betas, …]; the weights end as they were.

    One call of the function a point, and nothing else that takes time.
    """
    with restored(network) as base:
        rows = []
        for alpha in alphas.tolist():
            for beta in betas.tolist():
                place(network, base, zip((alpha, beta), directions, strict=True))
                rows.append(function(network))
    found = torch.stack(rows)
    return found.view(len(alphas), len(betas), *found.shape[1:])


def basin(losses: Tensor, alphas: Tensor, betas: Tensor, rise: float = 1.0) -> float:
    """Return the area where losses [alphas, betas] are at most `rise` above the centre's."""
    centre = losses[len(alphas) // 2, len(betas) // 2]
    area = float((alphas[1] - alphas[0]) * (betas[1] - betas[0]))
    return area * int((losses <= centre + rise).sum())


def basins(rows: Sequence[AnalysisRow]) -> str | None:
    """Return a sentence on the basin's area, of each view and shot group; None of no plane.

    A group's loss is the mean over its classes, its area the mean over pairs of directions.
    """
    if not {"pair", "alpha", "beta"} <= rows[0].keys():
        return None
    import pandas as pd  # noqa: PLC0415  (takes a third of a second)

    table, parts = pd.DataFrame(rows), []
    for view in table["view"].unique():
        areas = []
        for shots in SHOTS:
            group = table[(table["view"] == view) & (table["shots"] == shots)]
            squares = [
                group[group["pair"] == pair].pivot_table("value", "alpha", "beta")
                for pair in group["pair"].unique()
            ]
            if squares:
                areas.append(f"{shots} {fmean(map(_basin_of, squares)):.3g}")
        parts.append(f"{view} {', '.join(areas)}")
    whole = 4 * table["alpha"].max() ** 2
    return (
        f"basin, where the loss is at most 1 above the trained weights', of {whole:g}: "
        f"{'; '.join(parts)}"
    )


def _basin_of(square: "pd.DataFrame") -> float:
    alphas, betas = (torch.tensor(each.tolist()) for each in (square.index, square.columns))
    return basin(torch.tensor(square.to_numpy()), alphas, betas)


@dataclass(frozen=True)
class Plane:
    """The loss of every class on a grid of two filter-normalised directions."""

    view: Literal["train", "test", "both"] = "both"
    points: Annotated[int, Ge(3)] = 21  # a side; odd, so that the trained weights are one of them
    reach: Annotated[float, Gt(0)] = 1.0
    train_per_class: Annotated[int, Ge(1)] = 50  # images at most
    test_per_class: Annotated[int, Ge(1)] = 500
    pairs: Annotated[int, Ge(1)] = 1  # of directions; three show their spread
    seed: Annotated[int, Ge(0)] = 0  # the same draws for all networks of one shape

    def __post_init__(self) -> None:
        if self.points % 2 == 0:
            raise ValueError("points is even, so no point is the trained weights; make it odd")

    def parts(self, run: FinishedRun, data: RunImages) -> list[AnalysisPart]:
        """Return a piece for every row of every pair's grid."""
        images = sum(len(self._sample(sample).labels) for sample in data.views(self.view))
        return [
            AnalysisPart(f"{pair}/{row}", run.epochs[-1], images * self.points)
            for pair in range(self.pairs) for row in range(self.points)
        ]  # fmt: skip

    def analyse(
        self, run: FinishedRun, network: nn.Module, data: RunImages, part: AnalysisPart
    ) -> list[AnalysisRow]:
        """Return the loss of every class along one row of the grid."""
        pair, row = map(int, part.name.split("/"))
        draw = torch.Generator().manual_seed(seed_of(self.seed, "directions", pair))
        directions = drawn(network, draw), drawn(network, draw)
        places = torch.linspace(-self.reach, self.reach, self.points, dtype=torch.float64)
        rows: list[AnalysisRow] = []
        for whole in data.views(self.view):
            sample = self._sample(whole)
            losses = surface(
                network, directions, places[row : row + 1], places,
                lambda moved, sample=sample: class_losses(run, moved, sample),  # type: ignore[misc]
            )[0]  # fmt: skip
            for beta, values in zip(places.tolist(), losses, strict=True):
                rows += class_rows(
                    run, values, view=sample.view, pair=pair, alpha=float(places[row]), beta=beta
                )
        return rows

    def _sample(self, sample: Sample) -> Sample:
        most = self.train_per_class if sample.view == "train" else self.test_per_class
        return sample.equal(most, self.seed)
