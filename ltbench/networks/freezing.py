"""Parts of an encoder that stay as they were pretrained: its first stages, its batch norms."""

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ltbench.errors import UsageError

_STEM = ("stem", "conv1", "bn1")  # what stands before the stages of residual encoders


def frozen_prefixes(network: nn.Module, stages: int) -> tuple[str, ...]:
    """Return prefixes of the parameters in an encoder's stem and first `stages`; of 0 none.

    Raises UsageError for an encoder that has not so many residual stages.
    """
    if not stages:
        return ()
    backbone = getattr(network, "backbone", None)
    if len(getattr(backbone, "stages", ())) < stages:
        raise UsageError(
            f"frozen_stages={stages} is of residual networks, such as resnet50; choose one by "
            "--network, or give the protocol frozen_stages=0."
        )
    stem = [f"backbone.{name}." for name in _STEM if hasattr(backbone, name)]
    return (*stem, *(f"backbone.stages.{number}." for number in range(stages)))


def encoder_norms(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the batch norms of an encoder; those of a neck behind it are none of it."""
    for name, module in network.named_modules():
        outside = not name.startswith("backbone.") or name.startswith("backbone.neck.")
        if isinstance(module, _BatchNorm) and not outside:
            yield module
