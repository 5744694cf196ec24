"""Networks by name, and a fresh one with its head."""

import torch

from ltbench.errors import unknown
from ltbench.networks.backbones import LIBRARIES, NECKED, RESNETS, backbone
from ltbench.networks.clip import LIBRARY as CLIP
from ltbench.networks.clip import TINY, clip_body
from ltbench.networks.heads import LinearClassifier, NormalClassifier, UniformClassifier
from ltbench.networks.resnet import BLOCKS, Backbone, Network, initialise
from ltbench.networks.wide_resnet import WIDE, WideBackbone

NETWORKS = (*BLOCKS, *WIDE, *RESNETS, *NECKED)
"""Those with a name of their own; any classifier of a library is `torchvision:NAME`."""

SMALLEST = {"": "resnet8", CLIP: TINY}
"""The smallest network of a library, and of any: what methods are tried on."""


def check_network(name: str) -> None:
    """Raise UsageError for a network that there is not."""
    if name not in NETWORKS:
        create(name, 3, 2)  # a library's; some are not what they can be taken for by name


def create(name: str, channels: int, classes: int) -> Network:
    """Return a freshly initialised network with a linear head.

    Raises UsageError for an unknown name.
    """
    if name in BLOCKS or name in WIDE:
        residual = (
            Backbone(channels, BLOCKS[name]) if name in BLOCKS
            else WideBackbone(channels, *WIDE[name])
        )  # fmt: skip
        initialise(residual)
        return Network(residual, LinearClassifier(residual.out_features, classes))
    library, _, own = name.partition(":")
    if library == CLIP:
        seeing = clip_body(own)
        return Network(seeing, UniformClassifier(seeing.out_features, classes))
    if name in NECKED:
        necked = backbone(name, channels)
        return Network(necked, NormalClassifier(necked.out_features, classes))
    if name not in RESNETS and library not in LIBRARIES:
        raise unknown(
            "network", name, NETWORKS, "Others are torchvision:NAME, such as torchvision:resnet18."
        )
    whole = backbone(name, channels)
    return Network(whole, UniformClassifier(whole.out_features, classes))


def smallest_like(name: str) -> str:
    """Return the smallest network that a method for a named one can be tried on."""
    return SMALLEST.get(name.partition(":")[0], SMALLEST[""])


def normalises(name: str) -> bool:
    """Return whether a network normalises images itself, and so is given them in 0..1."""
    return name.partition(":")[0] == CLIP


def encoder_size(name: str) -> int:
    """Return the parameters of a named network's backbone; no memory is taken for them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in create(name, 3, 2).backbone.parameters())
