"""What the engine needs to know of a run besides data and method."""

from dataclasses import dataclass

import torch

from ltbench.api.recipe import Recipe
from ltbench.data.info import DatasetInfo
from ltbench.networks import Pretrained


@dataclass(frozen=True)
class Settings:
    """Everything that determines a run besides data and method, and where it is computed."""

    info: DatasetInfo
    network: str
    recipe: Recipe
    precision: str
    evaluate_every: int
    seed: int
    device: torch.device
    pretrained: Pretrained | None = None  # that the encoder begins from
    skip_unreadable: bool = False  # training images; else one stops the run
