"""Spectral normalisation: Miyato et al., "Spectral Normalization for Generative Adversarial
Networks", ICLR 2018.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ltbench import Method
from ltbench.networks import Network
from ltbench.networks.parametrize import merge_weights


@dataclass
class SpectralNorm(Method):
    """Every weight W, seen as a matrix [out, rest], is W / sigma(W), its largest singular value.

    sigma comes from one power iteration a forward pass, 15 at the start. Under batch norm a
    convolution's scale does not matter, so there this changes only how fast it turns; on the
    classifier it bounds the logits by the length of the features. Merged after training.
    """

    layers: Literal["all", "convolutions", "classifier"] = "all"  # whose weights are W / sigma(W)

    deviations = (
        "a convolution is normalised as a matrix, as in the paper, which does not make its "
        "operator norm one",
    )

    def build(self, network: Network) -> Network:
        """Parametrise the chosen weights."""
        chosen: list[nn.Module] = []
        if self.layers != "classifier":
            chosen += [m for m in network.backbone.modules() if isinstance(m, nn.Conv2d)]
        if self.layers != "convolutions":
            chosen += [m for m in network.classifier.modules() if _is_matrix(m)]
        for module in chosen:
            spectral_norm(module)
        return network

    def finalize(self, network: nn.Module) -> None:
        """Make the normalised weights plain ones."""
        network.eval()  # else reading a weight would iterate once more
        merge_weights(network)


def _is_matrix(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim > 1
