"""What fine-tunes or reads CLIP: the network that it needs, and the classes in CLIP's words."""

from torch import Tensor, nn

from ltbench.api.task import Task
from ltbench.errors import UsageError
from ltbench.networks import ClipBackbone
from ltbench.networks.clip import EXTRA, USUAL


def clip_of(network: nn.Module) -> ClipBackbone:
    """Return the backbone of a network of CLIP's; raises UsageError for another network."""
    backbone = network.get_submodule("backbone")
    if not isinstance(backbone, ClipBackbone):
        raise UsageError(f"it needs a network of CLIP's, such as --network {USUAL}, and {EXTRA}.")
    return backbone


def class_features(network: nn.Module, task: Task) -> Tensor:
    """Return CLIP's text features of "a photo of a {class}.", unit vectors [C, E].

    Raises UsageError where the classes have no names.
    """
    if not task.class_names:
        raise UsageError(
            "it reads the names of the classes, and there are none for this data set; prepare "
            "iNaturalist 2018 with the competition's categories.json beside its lists, and "
            "describe images of your own with classes: a list of names."
        )
    named = [name.replace("_", " ") for name in task.class_names]
    return clip_of(network).text.features([f"a photo of a {name}." for name in named])
