"""Colours of large images: the bytes of torchvision's operations, image by image."""

import numpy as np
import torch
import torchvision.transforms.functional as TF
from PIL import Image

from ltbench.data.augment.large import colours, draw_colours
from ltbench.data.augment.pixels import apply_steps, brightness, contrast, saturation
from ltbench.data.augment.views import Augment

ADJUST = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation)
ANY = Augment(0, True)


def images(count, side, seed=0):
    drawn = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=drawn)


def test_colours_are_changed_as_torchvision_does_in_the_order_drawn():
    given = images(48, 24)
    steps = draw_colours(len(given), torch.Generator().manual_seed(3))
    assert len(steps.operation.unique(dim=0)) == 6  # every order
    found = colours(given, ANY, torch.Generator().manual_seed(3))
    for image, order, factors, made in zip(
        given, steps.operation.tolist(), steps.amount.tolist(), found, strict=True
    ):
        expected = Image.fromarray(image.permute(1, 2, 0).numpy())
        for operation, factor in zip(order, factors, strict=True):
            expected = ADJUST[operation](expected, factor)
        assert np.array_equal(made.permute(1, 2, 0).numpy(), np.asarray(expected))


def test_a_chain_converted_once_gives_the_bytes_of_one_step_after_the_other():
    given = images(9, 224, seed=1)
    before = given.clone()
    steps = draw_colours(len(given), torch.Generator().manual_seed(7))
    expected = apply_steps(given, steps, (brightness, contrast, saturation))
    assert torch.equal(colours(given, ANY, torch.Generator().manual_seed(7)), expected)
    assert torch.equal(given, before)
