"""Weights that training begins from: an encoder's, by torchvision's or timm's own names."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ltbench.errors import LtbenchError
from ltbench.networks.bodies import WholeBackbone
from ltbench.networks.resnet import Network

_OURS = (
    ("stem.0.", "conv1."), ("stem.1.", "bn1."),
    *((f"stages.{number}.", f"layer{number + 1}.") for number in range(4)),
)  # fmt: skip
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Pretrained:
    """A state dict of another training, and the SHA-256 of the file that it came in."""

    state: Mapping[str, Tensor]
    sha256: str

    def put_into(self, network: Network) -> None:
        """Copy the encoder's weights and statistics into a network; its head stays as it is.

        Raises LtbenchError, naming it, for the first tensor that is missing, of another shape, or
        no number.
        """
        theirs = {name.removeprefix("module."): tensor for name, tensor in self.state.items()}
        own = network.backbone.state_dict()
        found = {}
        for name, tensor in own.items():
            other = _renamed(name, whole=isinstance(network.backbone, WholeBackbone))
            if other.endswith(_COUNTER):  # old files have none, and nothing reads it
                continue
            if other not in theirs:
                raise LtbenchError(
                    f"the pretrained weights lack {other}; give those of the network that is "
                    "trained, by the names that torchvision or timm gives them."
                )
            if theirs[other].shape != tensor.shape:
                raise LtbenchError(
                    f"{other} is {list(theirs[other].shape)} in the pretrained weights and "
                    f"{list(tensor.shape)} in the network; choose another of them."
                )
            if not theirs[other].isfinite().all():
                raise LtbenchError(f"{other} of the pretrained weights is no number.")
            found[name] = theirs[other]
        with torch.no_grad():
            network.backbone.load_state_dict(found, strict=False)


def _renamed(name: str, *, whole: bool) -> str:
    """Return torchvision's or timm's name of a backbone's tensor."""
    if whole:
        return name.removeprefix("model.")
    for before, after in _OURS:
        if name.startswith(before):
            return after + name.removeprefix(before)
    return name
