"""GKP+GSA: "Reframing Long-Tailed Learning via Loss Landscape Geometry", CVPR 2026,
arXiv 2603.21217.
"""

from typing import Any, ClassVar

from ltbench.api.alias import Alias


class GKPGSA(Alias):
    """The paper's method: BCL trained by sum_g [alpha L_gsa^g + (1 - alpha) L_gkp^g] (Eq. 16).

    Each part says its equations: bcl the loss L, gkp the groups, the penalty and alpha (Eq. 20),
    gsa the perturbations. Four groups (six on ImageNet-LT), the same for gkp and gsa. alpha, beta
    and tau are BCL's; scale is Z of Eq. 13. `release` is what the published command computes: one
    group, so no penalty, and a friendly adaptive SAM on BCL.
    """

    composition = "bcl+gkp+gsa"
    owners: ClassVar[dict[str, str]] = {"scale": "gsa"}  # Z; the cosine's scale stays
    variants: ClassVar[dict[str, dict[str, Any]]] = {"release": {"composition": "bcl+gsa@release"}}
