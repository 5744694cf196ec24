"""LIFT: Shi et al., "Long-Tail Learning with Foundation Model: Heavy Fine-Tuning Hurts", ICML 2024,
arXiv 2309.10019.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor, nn

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage
from ltbench.blocks.clip import class_features, clip_of
from ltbench.networks import ClipBackbone, CosineClassifier, Network
from ltbench.networks.clip import resized


@dataclass
class LIFT(Method):
    """Cross-entropy on o + tau log pi; adapters and classifier train, CLIP's encoder is frozen.

    o = `scale` cos(f, w_c), f the class token after the last layer norm. w_c begins as the text
    feature of "a photo of a {class}.", taken back through the transpose of CLIP's projection of
    image features. Beside the MLP of each of the L blocks is an AdaptFormer of width
    2^max(0, floor(log2(C / 2L))) (4 for CIFAR-100 and ViT-B/16), which adds nothing at first.
    Prediction is by o, of the middle of images at 8/7 of the network's side; with `ensembled`, by
    the mean of o over corners and middle of images that are larger by 3/2 of a patch.
    """

    tau: Annotated[float, Ge(0)] = 1.0  # factor on log pi_c
    scale: Annotated[float, Gt(0)] = 25.0  # of the cosines
    width: Annotated[int, Ge(0)] = 0  # of the adapters; 0: by the rule above
    ensembled: bool = False  # test-time ensembling: logits are means over five crops

    network_library = "clip"
    views = ("resized",)
    variants: ClassVar[dict[str, dict[str, Any]]] = {"tte": {"ensembled": True}}

    deviations = (
        "bfloat16 or float32 as the protocol says, not float16 with a scaled loss",
        "small images are cropped at their own size and then enlarged, not in one step",
        "large images are ensembled over crops of the middle that is evaluated, enlarged, not of "
        "the whole image",
        "trained by the protocol's recipe; the paper's is the protocol named clip",
    )

    def build(self, network: Network) -> Network:
        """Add the adapters, and the classifier that begins as what CLIP says of the classes."""
        backbone, classes = clip_of(network), self.task.num_classes
        start = class_features(network, self.task) @ backbone.text.projection.T  # [C, D]
        network.classifier = head = CosineClassifier(backbone.out_features, classes, self.scale)
        with torch.no_grad():
            head.weight.copy_(F.normalize(start, dim=1))
        width = self.width or bottleneck(classes, backbone.depth)
        backbone.adapt(AdaptFormer(backbone.out_features, width) for _ in range(backbone.depth))
        return network

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stage of adapters and classifier."""
        trained = ("backbone.adapters.", "classifier.")
        return (Stage(name="train", recipe=recipe, trainable=trained),)

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the cross-entropy of the prior-adjusted logits."""
        logits = outputs["logits"] + self.tau * self.task.priors.log()
        return F.cross_entropy(logits, batch.targets, reduction="none")

    def predict(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return the logits, or their mean over five crops."""
        seen = list(self.crops(clip_of(network), images))
        return torch.stack([network(crop)["logits"] for crop in seen]).mean(0)

    def crops(self, backbone: ClipBackbone, images: Tensor) -> Iterator[Tensor]:
        """Yield what an image is predicted by: images [B, C, side, side], in [B, C, h, h]."""
        side = backbone.side
        if self.ensembled:
            far = 3 * backbone.patch // 2
            places = [(0, 0), (0, far), (far, 0), (far, far), (far // 2, far // 2)]
        elif images.shape[-1] < side:
            far = round(side / 7)
            places = [(far // 2, far // 2)]
        else:  # large images come as the middle that they are evaluated by
            far, places = 0, [(0, 0)]
        whole = resized(images, side + far)
        for top, left in places:
            yield whole[..., top : top + side, left : left + side]


def bottleneck(classes: int, depth: int) -> int:
    """Return the width of adapters, 2^max(0, floor(log2(C / 2L))), for L blocks."""
    return int(2 ** max(0, math.floor(math.log2(classes / (2 * depth)))))


class AdaptFormer(nn.Module):
    """a(h) = s (U relu(D LN(h) + b_D) + b_U) for tokens h [..., D]; LN is its own.

    U and the biases start at zero and s at one, so that nothing is added at first.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.down, self.up = nn.Linear(features, width), nn.Linear(width, features)
        self.scale = nn.Parameter(torch.ones(1))
        nn.init.kaiming_normal_(self.down.weight, a=math.sqrt(5))
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return what is added to the stream of tokens."""
        added: Tensor = self.scale * self.up(F.relu(self.down(self.norm(tokens))))
        return added.to(tokens.dtype)  # a stream of half precision stays one
