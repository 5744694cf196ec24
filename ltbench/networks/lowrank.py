"""Low-rank parts of convolution weights: W + UV beside W, switched off by an offset, merged.

The parts live in `torch.nn.utils.parametrize`, so a convolution's weight is W + UV wherever it is
read, while optimiser, checkpoint and offsets see W, U and V apart.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ltbench.perturb import Offset


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

    Raises ValueError for a network without such a convolution.
    """
    chosen = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups == 1]
    if not chosen:
        raise ValueError("the network has no ungrouped convolution to give a low-rank part")
    for module in chosen:
        rank = max(1, round(ratio * min(module.weight.flatten(1).shape)))
        part = LowRank(module.weight.detach(), rank)
        parametrize.register_parametrization(module, "weight", part)


def without_low_rank(network: nn.Module) -> Offset:
    """Return the offset at which every weight is W alone.

    It is the negative of each U, not detached: evaluated there, a gradient reaches W, and the two
    ways into U cancel.
    """
    return {
        f"{name}.U": -module.U
        for name, module in network.named_modules()
        if isinstance(module, LowRank)
    }
