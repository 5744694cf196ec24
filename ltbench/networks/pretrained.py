"""Weights that training begins from: an encoder's, by the names its library gives them."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ltbench.errors import LtbenchError
from ltbench.networks.backbones import WholeBackbone
from ltbench.networks.clip import ClipBackbone
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
        own = _published(network.backbone)
        for other, tensor in own.items():
            if other not in theirs:
                raise LtbenchError(
                    f"the pretrained weights lack {other}; give those of the network that is "
                    "trained, by the names that torchvision, timm or open_clip gives them."
                )
            if theirs[other].shape != tensor.shape:
                raise LtbenchError(
                    f"{other} is {list(theirs[other].shape)} in the pretrained weights and "
                    f"{list(tensor.shape)} in the network; choose another of them."
                )
            if not theirs[other].isfinite().all():
                raise LtbenchError(f"{other} of the pretrained weights is no number.")
        with torch.no_grad():
            for other, tensor in own.items():
                tensor.copy_(theirs[other])


def _published(backbone: nn.Module) -> dict[str, Tensor]:
    """Return a backbone's own tensors by the names that its library gives them."""
    if isinstance(backbone, ClipBackbone):
        return backbone.published()
    whole = isinstance(backbone, WholeBackbone)
    return {
        name.removeprefix("model.") if whole else _renamed(name): tensor
        for name, tensor in backbone.state_dict().items()
        # Old files have no counters, and nothing reads them; a neck is no part of the encoder.
        if not name.endswith(_COUNTER) and not name.startswith("neck.")
    }


def _renamed(name: str) -> str:
    """Return torchvision's name of a tensor of a residual backbone."""
    for before, after in _OURS:
        if name.startswith(before):
            return after + name.removeprefix(before)
    return name
