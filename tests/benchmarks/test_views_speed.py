"""Speed of the views, in images a second, against torchvision image by image in the same run.

Only ratios are held to limits, thread against thread: rates belong to a machine and to what else it
does, and two threads on busy cores wait for each other.
"""

import time

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from ltbench.data.augment.views import Augment, render

EPOCH = 12_000  # images of a long-tailed CIFAR
SAMPLE = 600  # images that torchvision is timed on
LEAST_RATIO = {"standard": 3, "autoaugment": 5, "contrastive": 3}


def cutout(picture):
    array = np.array(picture)
    row, column = torch.randint(32, (2,)).tolist()
    array[max(row - 8, 0) : row + 8, max(column - 8, 0) : column + 8] = 0
    return array


CROP = (transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip())
TORCHVISION = {
    "standard": transforms.Compose([*CROP, np.array]),
    "autoaugment": transforms.Compose(
        [
            *CROP,
            transforms.AutoAugment(transforms.AutoAugmentPolicy.CIFAR10, fill=128),
            cutout,
        ]
    ),
    "contrastive": transforms.Compose(
        [
            transforms.RandomResizedCrop(32, scale=(0.2, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            transforms.RandomGrayscale(p=0.2),
            np.array,
        ]
    ),
}


@pytest.fixture(scope="module")
def images():
    """Smooth pictures with noise: flat ones would spare equalize and autocontrast their work."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(EPOCH, 3, 8, 8, generator=generator) * 255
    smooth = torch.nn.functional.interpolate(coarse, size=32, mode="bilinear")
    noise = torch.randn(EPOCH, 3, 32, 32, generator=generator) * 12
    return (smooth + noise).clamp(0, 255).to(torch.uint8)


@pytest.fixture(autouse=True)
def _restored_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def seconds(function, repeats):
    """Return the shortest of several times: what others do on the machine only adds to it."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("view", TORCHVISION)
def test_a_view_of_an_epoch(view, images, benchmark, measured):
    def ours():
        return render(view, images, Augment(), torch.Generator().manual_seed(0))

    pictures = [Image.fromarray(i.permute(1, 2, 0).numpy()) for i in images[:SAMPLE]]

    def theirs():
        return [TORCHVISION[view](picture) for picture in pictures]

    torch.set_num_threads(2 if benchmark.enabled else 1)
    benchmark(ours)
    if benchmark.enabled:
        rate = EPOCH / benchmark.stats.stats.median
        measured(f"{view}, images per second with two threads", rate)
    torch.set_num_threads(1)
    rate, their_rate = EPOCH / seconds(ours, 3), SAMPLE / seconds(theirs, 3)
    measured(f"{view}, images per second with one thread", rate)
    measured(f"{view}, images per second of torchvision's loop", their_rate)
    ratio = rate / their_rate
    measured(f"{view}, one thread / torchvision's loop", ratio, at_least=LEAST_RATIO[view])
