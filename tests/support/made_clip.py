"""CLIP of a few thousand random weights, as open_clip itself makes it, and as ltbench takes it."""

import open_clip
import torch

from ltbench.api.task import Task
from ltbench.networks import Pretrained, create
from ltbench.networks.clip import TINY, TINY_CONFIGURATION
from ltbench.registry.methods import build

NAMES = ("maple_tree", "cat", "sweet_pepper")
COUNTS = (50, 9, 2)


def their_clip():
    """open_clip's own model; the same weights in every test."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return open_clip.CLIP(**TINY_CONFIGURATION).eval()


def tiny_network(classes=3):
    """A network of ltbench's with the encoder and the text tower of `their_clip`."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = create(TINY, 3, classes)
    Pretrained(their_clip().state_dict(), "0" * 64).put_into(network)
    return network.eval()


def made(specification, names=NAMES):
    """A method that knows three classes, and the tiny network as it builds it."""
    method = build(specification)
    method.setup(Task(torch.tensor(COUNTS), class_names=names))
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return method, method.build(tiny_network()).eval()


def shown_to_clip(images):
    """Images in 0..1, normalised as CLIP's users do."""
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    return (images - mean) / std
