"""Diagonal empirical Fisher information, and the batch statistics it is taken at."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Generator, Tensor, nn

Losses = Callable[[Tensor, Tensor], Tensor]
"""Images [b, ...] and targets [b] to one loss an image, [b]."""


def diagonal_fisher(
    parameters: Sequence[Tensor],
    losses: Losses,
    images: Tensor,
    targets: Tensor,
    generator: Generator,
    *,
    signed: int = 8,
) -> Tensor:
    """Return the mean over images of the squared gradient of an image's loss, flat [P].

    The gradient of a sum of `signed` losses with random signs has the sum of the squared gradients
    as its mean square, so few passes give an estimate without bias; signed=1 is the exact mean.
    """
    total = torch.zeros(sum(p.numel() for p in parameters)).to(parameters[0])
    for start in range(0, len(targets), signed):
        part = slice(start, start + signed)
        own = losses(images[part], targets[part])
        signs = torch.randint(2, (len(own),), generator=generator).to(own) * 2 - 1
        pieces = torch.autograd.grad((signs * own).sum(), parameters)
        total += torch.cat([piece.flatten() for piece in pieces]).square()
    return total / len(targets)


@torch.no_grad()
def refresh_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set running batch statistics to their mean over batches of images; ends in eval mode."""
    network.eval()
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [module.momentum for module in norms]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # a cumulative mean
        module.train()
    for images in batches:
        network(images)
    for module, momentum in zip(norms, before, strict=True):
        module.momentum = momentum
        module.eval()
