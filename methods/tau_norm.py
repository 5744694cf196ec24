"""tau-normalisation: Kang et al., "Decoupling Representation and Classifier for Long-Tailed
Recognition", ICLR 2020.
"""

from dataclasses import dataclass

import torch
from torch import nn

from ltbench import Method
from ltbench.errors import UsageError


@dataclass
class TauNorm(Method):
    """Predict by W_c / |W_c|^tau with a trained linear classifier, its bias dropped.

    tau = 0 only drops the bias. The paper scans tau on validation images; a post-hoc part sees
    none, and training images, which the network has fitted, cannot stand in for them. So tau is
    fixed at 1, the value that has a meaning of its own: class weights of equal length.
    """

    tau: float = 1.0  # exponent: weights are W_c / |W_c|^tau

    deviations = ("tau is fixed beforehand; the paper chooses it on validation images",)

    def finalize(self, network: nn.Module) -> None:
        """Normalise the class weights and drop the bias."""
        head = network.get_submodule("classifier")
        if not isinstance(head, nn.Linear):
            raise UsageError(
                f"tau_norm acts on a linear classifier, and this network has a "
                f"{type(head).__name__}; put it behind a method that keeps the plain one."
            )
        with torch.no_grad():
            head.weight.div_(head.weight.norm(dim=1, keepdim=True) ** self.tau)
        head.register_parameter("bias", None)
