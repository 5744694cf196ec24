"""BCL: Zhu et al., "Balanced Contrastive Learning for Long-Tailed Visual Recognition",
CVPR 2022.
"""

from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor

from ltbench import Recipe, Stage
from ltbench.blocks.contrastive import Contrastive


@dataclass
class BCL(Contrastive):
    """alpha L_LC + beta L_BCL: logit-compensated CE on one view, contrast between two others.

    L_LC is the cross-entropy of the cosine logits + log pi. In L_BCL an anchor z_i, one of the 2B
    projections of views 2 and 3, meets 2B + C keys k: these projections and one prototype a class.
    With b_c images of class c in the batch, w_ik = 2 b_{y_k} + 1 - [y_k = y_i] (class averaging;
    the prototypes are the class complement) and P(i) the 2 b_{y_i} other keys of its class,

        L_i = mean_{k in P(i)} -z_i z_k / tau + log sum_{k != i} exp(z_i z_k / tau) / w_ik.

    The three views pass through the network together, so batch statistics mix them. Prototypes are
    a head of their own on the classifier's weights [C, D]; its batch norm sees the C classes.

    The official CIFAR settings as factors of the recipe in hand, which are they under `paper`:
    2 x batch (256), 1.5 x rate (0.15), 2.5 x weight decay (5e-4), x0.1 at each milestone; warm-up,
    milestones and epochs as they are (5; 160 and 180 of 200); last batch dropped. On large images
    the official settings are the protocol's own.
    """

    deviations = (
        "no CIFAR script was released: heads, weights and schedule are those its "
        "re-implementations share; no Gaussian blur, and the last partial batch is dropped",
    )

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return one stage by the official settings, relative to the recipe."""
        own = replace(
            recipe.times(cifar=(2, 1.5, 2.5)),
            decay=0.1,
            drop_last=True,
        )
        return (Stage(name="train", recipe=own),)

    def classification(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the compensated cross-entropy of each image, [B]."""
        return F.cross_entropy(logits + self.task.priors.log(), targets, reduction="none")
