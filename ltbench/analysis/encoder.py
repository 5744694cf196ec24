"""The encoder's weights as one vector."""

import torch
from torch import Tensor, nn

from ltbench.errors import LtbenchError

ENCODER = "backbone."


def encoder_of(network: nn.Module) -> Tensor:
    """Return a copy of the encoder's weights and batch-norm affine parts, flat [P]."""
    parts = [p.detach().flatten() for p in encoder_parameters(network)]
    return torch.cat(parts).clone()


def encoder_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the encoder's parameters, without heads; raises LtbenchError if there are none."""
    found = [p for name, p in network.named_parameters() if name.startswith(ENCODER)]
    if not found:
        raise LtbenchError("groups need a network whose encoder is called backbone.")
    return found
