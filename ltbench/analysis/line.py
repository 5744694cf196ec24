"""The loss over the size of a random displacement: of the classifier alone, or of all filters.

    classifier: Delta L(r) = L(v + r |v| u) - L(v), u uniform on the unit sphere, weight and bias
    rows:       the same with each class's row displaced by r |w_c|, which is filter-normalised
    filters:    L(theta + r delta) - L(theta), delta filter-normalised

To second order E Delta L = r^2 |v|^2 / 2 tr H / dim v: the trace, not the largest eigenvalue.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from ltbench.analysis.directions import Direction, drawn, filter_norms, place, restored
from ltbench.analysis.features import features_of
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
from ltbench.errors import LtbenchError

RATIOS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


def on_sphere(module: nn.Module, draw: torch.Generator) -> Direction:
    """Return a direction as long as all parameters of a module together, uniform on the sphere."""
    weights = dict(module.named_parameters())
    noise = {name: torch.randn(p.shape, generator=draw).to(p) for name, p in weights.items()}
    scale = _norm(list(weights.values())) / _norm(list(noise.values()))
    return {name: part * scale for name, part in noise.items()}


def by_row(module: nn.Module, draw: torch.Generator) -> Direction:
    """Return a direction whose every row is as long as the weight's; a bias follows its row."""
    found: Direction = {}
    for name, p in module.named_parameters():
        noise = torch.randn(p.shape, generator=draw).to(p)
        if p.dim() > 1:
            noise = noise * filter_norms(p.detach()) / filter_norms(noise)
        else:
            noise = noise.sign() * p.detach().abs()
        found[name] = noise
    return found


def _norm(tensors: Sequence[Tensor]) -> float:
    return float(torch.cat([t.detach().double().flatten() for t in tensors]).norm())


def rises(
    network: nn.Module,
    directions: Sequence[Direction],
    ratios: Sequence[float],
    function: Callable[[nn.Module], Tensor],
) -> Tensor:
    """Return the function's values [directions, ratios, …] above that at the weights themselves."""
    with torch.no_grad(), restored(network) as base:
        here = function(network)
        rows = []
        for direction in directions:
            for ratio in ratios:
                place(network, base, [(ratio, direction)])
                rows.append(function(network) - here)
    found = torch.stack(rows)
    return found.view(len(directions), len(ratios), *found.shape[1:])


@torch.no_grad()
def is_scale_free(classifier: nn.Module, features: Tensor) -> bool:
    """Return whether twice the weights give the same logits, as of a cosine classifier."""
    before = classifier(features)
    with restored(classifier) as base:
        place(classifier, base, [(1.0, {n: base[n] for n, _ in classifier.named_parameters()})])
        return bool(torch.allclose(classifier(features), before, rtol=1e-4, atol=1e-5))


@dataclass(frozen=True)
class Line:
    """How much the loss of every class rises with the size of random displacements."""

    of: Literal["classifier", "rows", "filters"] = "classifier"
    view: Literal["train", "test", "both"] = "both"
    draws: Annotated[int, Ge(1)] = 100  # of directions, the same for all networks of one shape
    train_per_class: Annotated[int, Ge(1)] = 50
    seed: Annotated[int, Ge(0)] = 0

    def parts(self, run: FinishedRun, data: RunImages) -> list[AnalysisPart]:
        """Return a piece for every view of the images."""
        passes = self.draws * len(RATIOS) if self.of == "filters" else 1
        return [
            AnalysisPart(sample.view, run.epochs[-1], len(self._sample(sample).labels) * passes)
            for sample in data.views(self.view)
        ]

    def analyse(
        self, run: FinishedRun, network: nn.Module, data: RunImages, part: AnalysisPart
    ) -> list[AnalysisRow]:
        """Return mean and standard deviation over the directions for every ratio and class."""
        (whole,) = data.views(part.name)
        sample = self._sample(whole)
        draw = torch.Generator().manual_seed(seed_of(self.seed, "directions", self.of))
        free: int | None = None
        if self.of == "filters":
            directions = [drawn(network, draw) for _ in range(self.draws)]
            found = rises(
                network, directions, RATIOS, lambda moved: class_losses(run, moved, sample)
            )
        else:
            classifier = getattr(network, "classifier", None)
            if not isinstance(classifier, nn.Module):
                raise LtbenchError(f"{run.name} has no classifier of its own; use line(of=filters)")
            features = features_of(network, sample)
            _check_alone(run, network, classifier, features, sample)
            free = int(is_scale_free(classifier, features[:100]))
            make = on_sphere if self.of == "classifier" else by_row
            directions = [make(classifier, draw) for _ in range(self.draws)]
            found = rises(
                classifier, directions, RATIOS, lambda moved: _losses(moved, features, sample)
            )
        rows: list[AnalysisRow] = []
        spread = found.std(0) if self.draws > 1 else torch.zeros_like(found[0])
        for ratio, mean, deviation in zip(RATIOS, found.mean(0), spread, strict=True):
            own = class_rows(run, mean, view=part.name, of=self.of, ratio=ratio, scale_free=free)
            for row, value in zip(own, deviation[~mean.isnan()].tolist(), strict=True):
                rows.append({**row, "deviation": value, "draws": self.draws})
        return rows

    def _sample(self, sample: Sample) -> Sample:
        return sample if sample.view == "test" else sample.equal(self.train_per_class, self.seed)


@torch.no_grad()
def _check_alone(
    run: FinishedRun, network: nn.Module, classifier: nn.Module, features: Tensor, sample: Sample
) -> None:
    """Raise LtbenchError where something besides the classifier makes logits of the features."""
    few = slice(0, 100)
    if not torch.allclose(
        classifier(features[few]), run.predict(network, sample.images[few]), rtol=1e-3, atol=1e-3
    ):
        raise LtbenchError(
            f"{run.name} predicts by more than its classifier; use line(of=filters), which "
            "displaces all that it predicts by."
        )


def _losses(classifier: nn.Module, features: Tensor, sample: Sample) -> Tensor:
    """Return the mean cross-entropy of each class of features, [C]."""
    each = F.cross_entropy(classifier(features).double(), sample.labels, reduction="none")
    total = torch.zeros(sample.classes, dtype=torch.float64, device=each.device)
    return total.index_add_(0, sample.labels, each) / sample.counts
