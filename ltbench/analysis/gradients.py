"""How much the gradient of each class agrees with the gradient of the step.

    g_c = grad 1/|B_c| sum_{i in B_c} l_i,   g = grad 1/|B| sum_i l_i,   s_c = mean_B cos(g_c, g)

Train mode on the training pipeline, the method's own losses: the gradient that is stepped along.
With `equal` the whole is the mean over the classes of the batch. The cosine of a class of one
image is attenuated by noise, so its images are counted beside it. Orthogonal class gradients of
equal length give n_c / sqrt(sum n^2), or 1 / sqrt(C) with equal classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Tensor, nn

from ltbench.analysis.directions import restored
from ltbench.analysis.subject import AnalysisPart, AnalysisRow, FinishedRun, RunImages, class_rows
from ltbench.api.norm_batch import norm_batches
from ltbench.errors import LtbenchError


def class_gradients(
    losses: Tensor, labels: Tensor, parameters: Sequence[Tensor]
) -> dict[int, Tensor]:
    """Return the gradient [d] of the mean loss of every class of a batch, flat."""
    found = {}
    present = sorted(set(labels.tolist()))
    for label in present:
        parts = torch.autograd.grad(
            losses[labels == label].mean(), parameters, retain_graph=label != present[-1],
            allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        found[label] = torch.cat([part.flatten() for part in parts]).detach()
    return found


def cosines(
    gradients: dict[int, Tensor], counts: Tensor, *, equal: bool = False
) -> dict[int, float]:
    """Return the cosine of each class's gradient with the whole, sum_c w_c g_c.

    w_c is the class's share of the images `counts` [C], or the same for all where `equal`.
    """
    weights = {c: 1.0 if equal else float(counts[c]) for c in gradients}
    stacked = torch.stack(list(gradients.values())).double()
    shares = torch.tensor(list(weights.values()), dtype=torch.float64, device=stacked.device)
    whole = shares @ stacked
    inner = stacked @ whole / (stacked.norm(dim=1) * whole.norm())
    return dict(zip(gradients, inner.tolist(), strict=True))


@dataclass(frozen=True)
class Gradients:
    """The mean cosine of every class's gradient with the whole batch's, at every kept epoch."""

    mode: ClassVar[str] = "train, on the training pipeline"
    loss: ClassVar[str] = "the method's own, sample by sample"

    batches: Annotated[int, Ge(1)] = 20  # of each epoch
    parameters: Literal["backbone", "all"] = "backbone"
    batch_size: Annotated[int, Ge(2)] = 128

    def parts(self, run: FinishedRun, data: RunImages) -> list[AnalysisPart]:
        """Return a piece for every kept epoch; raises LtbenchError where no step can be made."""
        if run.steps is None:
            raise LtbenchError(
                f"{run.name} has weights but no training to take steps of; choose a run."
            )
        cost = self.batches * self.batch_size * (1 + 2 * min(run.classes, self.batch_size))
        return [AnalysisPart(f"epoch{epoch}", epoch, cost) for epoch in run.epochs]

    def analyse(
        self, run: FinishedRun, network: nn.Module, data: RunImages, part: AnalysisPart
    ) -> list[AnalysisRow]:
        """Return the mean cosine, its deviation, batches and images a batch of every class."""
        assert run.steps is not None
        each: dict[bool, list[dict[int, float]]] = {False: [], True: []}
        images = torch.zeros(run.classes)
        for step in islice(run.steps(part.epoch), self.batches):
            within = "backbone." if self.parameters == "backbone" else ""
            weights = [p for name, p in step.network.named_parameters() if name.startswith(within)]
            weights = [p for p in weights if p.requires_grad]
            norm_batch = None if step.clock.recipe is None else step.clock.recipe.norm_batch
            with restored(step.network), norm_batches(norm_batch, len(step.batch.targets)):
                step.network.train()
                losses = step.losses(step.forward())
                found = class_gradients(losses, step.batch.targets, weights)
            counts = step.batch.targets.bincount(minlength=run.classes)
            images += counts
            for equal, kept in each.items():
                kept.append(cosines(found, counts, equal=equal))
        rows: list[AnalysisRow] = []
        for equal, kept in each.items():
            by_class = [[c[label] for c in kept if label in c] for label in range(run.classes)]
            mean = torch.tensor([sum(v) / len(v) if v else torch.nan for v in by_class])
            for row in class_rows(
                run, mean, epoch=part.epoch, whole="equal classes" if equal else "sample mean",
                parameters=self.parameters,
            ):  # fmt: skip
                label = int(row["class"] or 0)
                own = torch.tensor(by_class[label])
                rows.append(
                    {**row, "deviation": float(own.std()) if len(own) > 1 else None,
                     "batches": len(own), "images": float(images[label]) / len(own)}
                )  # fmt: skip
        return rows
