"""GALA: Zhang et al., "Gradient-Aware Logit Adjustment Loss for Long-tailed Classifier",
ICASSP 2024, arXiv 2403.09036.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from annotated_types import Gt
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage, Step, Task


@dataclass
class GALA(Method):
    """Cross-entropy on f_j = z_j + lambda1 log theta_j - lambda2 log phi_y, f_y = z_y (G1).

    theta_j is the positive gradient that classifier j has received, phi_k the negative gradient
    that samples of class k have sent out. For softmax cross-entropy both are the mass 1 - p_y
    summed over the class's samples, so theta = phi and one vector [C] holds them. Form `code`
    shifts the target too (G2): lambda2 then cancels in the softmax. At lambda1 = lambda2 the
    forms agree, and the first step, before any gradient is known, is plain cross-entropy.
    Margins act in training only.

    The released CIFAR recipe, relative to the protocol's so that it is met at `paper`: half the
    batch (64), 2.5 times the weight decay (5e-4), warm-up over two epochs (0.01 of 200) and
    then a cosine to zero, the last incomplete batch left out; AutoAugment and Cutout.
    """

    # which logits are shifted: all but the target (G1), or all (G2)
    form: Literal["paper", "code"] = "paper"
    lambda1: float = 1.0  # factor on log theta_j
    lambda2: float = 1.0  # factor on log phi_y
    accumulate: Literal["double", "single"] = "double"  # sums of running sums (G4), or sums
    epsilon: Annotated[float, Gt(0)] = 1e-3  # added before the logarithm
    view: Literal["autoaugment", "standard"] = "autoaugment"  # of the training images

    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "release": {"form": "code", "lambda1": 1.2, "lambda2": 0.9}
    }
    deviations = (
        "equations are the released code's and its readme's: the paper's body could not be read",
        "reported at the last epoch; the release keeps the best epoch on the test set",
        "the cosine runs one epoch late: the last epoch still learns; the release's has rate zero",
    )

    def __post_init__(self) -> None:
        self.views = (self.view,)  # type: ignore[misc]  # a parameter, so per instance

    def setup(self, task: Task) -> None:
        """Start with no gradient received; all accumulators are [C], float64."""
        super().setup(task)
        zeros = torch.zeros(task.num_classes, dtype=torch.float64, device=task.class_counts.device)
        self.state = {"running": zeros, "theta": zeros.clone()}

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return one stage by the released recipe."""
        released = replace(
            recipe,
            batch_size=max(1, recipe.batch_size // 2),
            weight_decay=2.5 * recipe.weight_decay,
            warmup_epochs=max(2, round(0.01 * recipe.epochs)),
            schedule="cosine",
            drop_last=True,
        )
        return (Stage(name="train", recipe=released),)

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the cross-entropy of the margin-adjusted logits (G3), [B]."""
        logits = self._adjusted(outputs["logits"], batch.targets)
        return F.cross_entropy(logits, batch.targets, reduction="none")

    def after_step(self, step: Step) -> None:
        """Add the batch's positive gradient, of the undisplaced pass and the old margins (G4-G5).

        F accumulates |dL/df| of the batch-mean loss and is itself added again at every step.
        """
        if step.outputs is None:
            return
        logits, batch = step.outputs["logits"], step.batch
        received = self._received(logits, batch.targets, batch.mix_ratio)
        if batch.mix_targets is not None and batch.mix_ratio is not None:
            received += self._received(logits, batch.mix_targets, 1 - batch.mix_ratio)
        running = self.state["running"] + received
        increment = running if self.accumulate == "double" else received
        self.state = {"running": running, "theta": self.state["theta"] + increment}

    def curves(self) -> dict[str, float]:
        """Return the largest margin of a class minus the smallest."""
        theta = (self.state["theta"] + self.epsilon).log()
        return {"margin_range": self.lambda1 * float(theta.max() - theta.min())}

    def _received(self, logits: Tensor, targets: Tensor, ratio: Tensor | None) -> Tensor:
        """Return the mean positive gradient [C] towards targets, weighted by a mix ratio [B]."""
        chances = self._adjusted(logits, targets).double().softmax(1)
        own = F.one_hot(targets, self.task.num_classes)  # [B, C]
        pulled = own * (1 - chances)
        return (pulled if ratio is None else ratio.unsqueeze(1) * pulled).mean(0)

    def _adjusted(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return f [B, C] of raw logits z; no gradient runs through the accumulators."""
        theta = (self.state["theta"] + self.epsilon).log()  # [C]; phi is the same
        margins = self.lambda1 * theta - self.lambda2 * theta[targets].unsqueeze(1)  # [B, C]
        if self.form == "paper":
            margins = margins.scatter(1, targets.unsqueeze(1), 0.0)
        adjusted: Tensor = logits + margins.to(logits.dtype)
        return adjusted
