"""Zero-shot CLIP: Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", ICML 2021, arXiv 2103.00020.
"""

from dataclasses import dataclass, replace

import torch
from torch import nn

from ltbench import Method, Recipe, Stage
from ltbench.blocks.clip import class_features, clip_of
from ltbench.networks import CosineClassifier, Network

SCALE = 100.0  # of the cosines, at which the training of CLIP's published models ends


@dataclass
class ZeroShot(Method):
    """Predict by 100 cos(P f, t_c): image feature f through CLIP's projection P, text feature t_c.

    t_c is of "a photo of a {class}."; no image of the training set is learned from.
    """

    network_library = "clip"

    deviations = (
        "one prompt; the paper's mean over 80 is ImageNet's",
        "an epoch at learning rate zero goes through the training images, and changes nothing",
    )

    def build(self, network: Network) -> Network:
        """Put CLIP's projection and the text features in the classifier's place."""
        projection = clip_of(network).text.projection
        features, embedded = projection.shape
        project = nn.Linear(features, embedded, bias=False)
        compare = CosineClassifier(embedded, self.task.num_classes, SCALE)
        with torch.no_grad():
            project.weight.copy_(projection.T)
            compare.weight.copy_(class_features(network, self.task))
        network.classifier = nn.Sequential(project, compare)
        return network

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return one epoch at rate zero."""
        still = replace(recipe, epochs=1, learning_rate=0.0, warmup_epochs=0)
        return (Stage(name="train", recipe=still, trainable=("classifier.",)),)
