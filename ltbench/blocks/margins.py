"""Label-distribution-aware margins: Cao et al., NeurIPS 2019, Eq. 13."""

import torch.nn.functional as F
from torch import Tensor


def ldam_margins(class_counts: Tensor, largest: float) -> Tensor:
    """Return m_c = largest (n_min / n_c)^{1/4}, [C]: the rarest class has the largest margin."""
    counts = class_counts.double()
    return (largest * (counts.min() / counts) ** 0.25).float()


def lowered(logits: Tensor, targets: Tensor, margins: Tensor, scale: float) -> Tensor:
    """Return logits [B, C] whose target's logit is lowered by the scale times its margin."""
    return logits - scale * (F.one_hot(targets, len(margins)) * margins)
