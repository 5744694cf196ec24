"""Parametrised weights made plain again, in a network that is done with training."""

from torch import nn
from torch.nn.utils import parametrize


def merge_weights(network: nn.Module) -> None:
    """Make every parametrised `weight` the plain one it stands for, in place.

    Not by `remove_parametrizations`: it takes the weight out of the module's class, which a deep
    copy shares with its original, so that merging a copy would break the network in training.
    """
    for module in list(network.modules()):
        if parametrize.is_parametrized(module, "weight"):
            merged = nn.Parameter(module.weight.detach())  # type: ignore[operator]
            module.__class__ = parametrize.type_before_parametrizations(module)
            del module.parametrizations
            module.weight = merged
