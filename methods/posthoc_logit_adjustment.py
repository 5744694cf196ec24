"""Post-hoc logit adjustment: Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021."""

from dataclasses import dataclass

from torch import Tensor

from ltbench import Method


@dataclass
class PosthocLogitAdjustment(Method):
    """Predict argmax_c o_c - tau log pi_c with a trained network (Eq. 9)."""

    tau: float = 1.0  # factor on log pi_c

    def adjust_logits(self, logits: Tensor) -> Tensor:
        """Return the logits [N, C] with the training prior taken out."""
        return logits - self.tau * self.task.priors.log()
