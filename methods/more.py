"""MORE: Luo et al., "Long-Tailed Recognition with Model Rebalancing", NeurIPS 2025,
arXiv 2510.08177.

Written from a reconstruction: neither the paper's body nor its code could be read. Equation
numbers (M1) to (M6) are those of our notes.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ltbench import Method, Perturbation, Step, Task
from ltbench.networks import Network
from ltbench.networks.parametrize import merge_weights


class LowRank(nn.Module):
    """The parametrization W -> W + UV of a weight W [m, ...] seen as a matrix [m, n].

    U [m, r] starts at zero, so W does not change; V [r, n] is Kaiming-normal.
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.flatten(1).shape
        self.U = nn.Parameter(weight.new_zeros(rows, rank))
        self.V = nn.Parameter(nn.init.kaiming_normal_(weight.new_empty(rank, columns)))

    def forward(self, weight: Tensor) -> Tensor:
        """Return W + UV, of W's shape."""
        with torch.autocast(weight.device.type, enabled=False):  # small beside W: no rounding yet
            return weight + (self.U @ self.V).view(weight.shape)


def add_low_rank(network: nn.Module, ratio: float) -> None:
    """Give every ungrouped convolution a low-rank part of rank max(1, round(ratio min(m, n))).

    Of an encoder with adapters, which alone are trained, their linear maps have it instead.
    Raises ValueError for a network without such a convolution.
    """
    adapters = getattr(getattr(network, "backbone", None), "adapters", ())
    linear = [m for adapter in adapters for m in adapter.modules() if isinstance(m, nn.Linear)]
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups == 1]
    if not (chosen := linear or convolutions):
        raise ValueError("the network has no ungrouped convolution to give a low-rank part")
    for module in chosen:
        rank = max(1, round(ratio * min(module.weight.flatten(1).shape)))
        part = LowRank(module.weight.detach(), rank)
        parametrize.register_parametrization(module, "weight", part)


def without_low_rank(network: nn.Module) -> Perturbation:
    """Return the perturbation at which every weight is W alone.

    It is the negative of each U, not detached: evaluated there, a gradient reaches W, and the two
    ways into U cancel.
    """
    return {
        f"{name}.U": -module.U
        for name, module in network.named_modules()
        if isinstance(module, LowRank)
    }


@dataclass
class MORE(Method):
    """Mean base loss of f + alpha(t) mean_i pi_{y_i} |f(x_i) - f_g(x_i)|^2 (M3, M4, M6).

    Every convolution, or every linear map of the adapters of a frozen encoder, is W_g + B_t A_t
    (M1), B_t zero and A_t Kaiming-normal at first. f, the full pass, uses both parts and f_g, the
    general pass on the same views, W_g alone (M2); a head sample pays for what the low-rank part
    changes, a tail sample hardly. alpha(t) = A sin(pi t / T) (M5) with A = `amplitude` C; t / T is
    taken at the middle of each step. After training the parts are merged: parameters and cost of
    prediction are the plain network's.

    The term needs logits alone, so behind `+` this adds to any base and trains by its recipe;
    alone, on cross-entropy. Being tied to the batch, it sits in the gradient rule: it cannot be
    joined with another one. The general pass uses batch statistics and moves no running ones.
    amplitude=0 is the control: the same network on its base loss. `per_logit` weighs each
    logit by its own class's prior instead, and reads no targets: so it is where images have
    several labels, pi_c being the share of label c among all labels.
    Curves: the mean discrepancy of each shot group, over the epoch's steps.
    """

    amplitude: Annotated[float, Ge(0)] = 0.001  # A / C; our reading, 2 as it is quoted
    rank: Annotated[float, Gt(0), Le(1)] = (
        0.1  # of min(m, n), for a weight seen as a matrix [m, n]; at least rank 1
    )
    distance: Literal["l2", "kl"] = "l2"  # kl: KL(softmax f || softmax f_g), the paper's ablation
    per_logit: bool = False  # sum_c pi_c (f_c - f_gc)^2
    detach_general: bool = False  # no gradient through f_g

    kinds = ("single", "multi")

    deviations = (
        "reconstructed from secondary sources: where the prior sits, the sum over logits, which "
        "layers, rank 0.1 and the gradient through f_g are not confirmed",
        "amplitude 0.001 C, by the mechanism: on digits a head sample's discrepancy ends below "
        "half of the control's, a tail sample's above; on CIFAR-100-LT after four epochs both are "
        "below half; at the quoted 2 C the low-rank part is unused",
        "the recipe is the base method's; the paper's was not recovered",
    )

    def __post_init__(self) -> None:
        if self.per_logit and self.distance == "kl":
            raise ValueError("kl compares whole softmax outputs, so it has no per_logit form")

    def setup(self, task: Task) -> None:
        """Take the task; raises TypeError for the ablated distance where labels are several."""
        super().setup(task)
        self.by_logit = self.per_logit or task.kind == "multi"
        if self.by_logit and self.distance == "kl":
            raise TypeError("kl compares whole softmax outputs, and several labels have none")

    def build(self, network: Network) -> Network:
        """Give every ungrouped convolution, or every map of adapters, a low-rank part."""
        add_low_rank(network, self.rank)
        return network

    def backward(self, step: Step) -> None:
        """Follow the base's objective at f plus the weighted discrepancy from f_g."""
        clock, outputs = step.clock, step.forward()
        share = (clock.epoch + (clock.step + 0.5) / clock.steps) / clock.epochs
        weight = self.alpha(share) * step.method.loss_weight(clock)
        with torch.set_grad_enabled(weight > 0 and not self.detach_general):
            general = step.forward(without_low_rank(step.network))["logits"]
        terms = self.discrepancy(outputs["logits"], general)  # [B, C]
        self.log_by_shot(step, terms.detach())
        priors = self.task.priors if self.by_logit else self.task.priors[step.batch.targets, None]
        base = step.losses(outputs).mean() + step.penalty()
        step.descend(base + weight * (terms * priors).sum(1).mean() if weight else base)

    def log_by_shot(self, step: Step, terms: Tensor) -> None:
        """Log the mean discrepancy of the images (per logit: of the logits) of each shot group."""
        for name, member in self.task.shots.items():
            own = terms[:, member].mean(0) if self.by_logit else terms[member[step.batch.targets]]
            if len(own):
                step.log(f"discrepancy_{name}", own.mean() if self.by_logit else own.sum(1).mean())

    def finalize(self, network: nn.Module) -> None:
        """Merge W_g + B_t A_t into plain weights."""
        merge_weights(network)

    def alpha(self, share: float) -> float:
        """Return A sin(pi t / T) (M5) at a share t / T of training."""
        return self.amplitude * self.task.num_classes * math.sin(math.pi * share)

    def discrepancy(self, full: Tensor, general: Tensor) -> Tensor:
        """Return the terms, [B, C], whose sum over the classes is d(x) (M3)."""
        if self.distance == "kl":
            return full.softmax(1) * (full.log_softmax(1) - general.log_softmax(1))
        return (full - general).square()
