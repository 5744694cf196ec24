"""What analyses cost beside their parts, as ratios of processor time within one run.

A Hessian-vector product is of a sample that is one chunk, whose graph is kept.
"""

import time

import pytest
import torch
import torch.nn.functional as F

from ltbench.analysis.curvature import Curvature
from ltbench.analysis.directions import drawn
from ltbench.analysis.hessian import KEPT_PASSES, NEW_PASSES
from ltbench.analysis.plane import surface
from ltbench.analysis.subject import FinishedRun, Sample, class_losses
from ltbench.networks import create

PRODUCT, PLANE = 1.1, 1.1


def made(network="resnet32", images=50):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = create(network, 3, 10).eval()
        pixels = torch.randn(images, 3, 32, 32)
    sample = Sample("test", pixels, torch.arange(images) % 10, 10)
    run = FinishedRun(
        "", 0, (1,) * 10, ("many",) * 10, (1,), lambda n, x: n(x)["logits"], lambda e: found
    )
    return found, sample, run


def least(function, other, rounds):
    """The least seconds of each of two functions, taken in turns."""
    seconds = ([], [])
    for _ in range(rounds):
        for kept, call in zip(seconds, (function, other), strict=True):
            start = time.process_time()
            call()
            kept.append(time.process_time() - start)
    return min(seconds[0]), min(seconds[1])


@pytest.mark.benchmark(group="analysis")
def test_a_hessian_vector_product_costs_two_gradients(benchmark, measured):
    network, sample, run = made()
    curvature = Curvature(run, network, sample)
    vector = torch.randn(curvature.size)
    parameters = list(network.parameters())

    def gradient():
        loss = F.cross_entropy(network(sample.images)["logits"], sample.labels)
        return torch.autograd.grad(loss, parameters)

    curvature.product(vector)
    product, bare = least(lambda: curvature.product(vector), gradient, 6)
    benchmark.pedantic(lambda: curvature.product(vector), rounds=1)
    measured("a Hessian-vector product / two bare gradients", product / (2 * bare), at_most=PRODUCT)


@pytest.mark.benchmark(group="analysis")
@pytest.mark.parametrize(("images", "passes"), [(50, KEPT_PASSES), (128, NEW_PASSES)])
def test_a_product_takes_the_time_that_its_estimate_is_made_of(benchmark, measured, images, passes):
    network, sample, run = made(images=images)
    curvature = Curvature(run, network, sample)
    vector = torch.randn(curvature.size)
    curvature.product(vector)

    @torch.no_grad()
    def forward():
        network(sample.images)

    product, once = least(lambda: curvature.product(vector), forward, 3)
    benchmark.pedantic(lambda: curvature.product(vector), rounds=1)
    chunks = "a kept chunk" if images <= curvature.chunk else "chunks made anew"
    measured(
        f"a Hessian-vector product of {chunks} / its estimate", product / (once * passes),
        at_most=1.5, at_least=0.7,
    )  # fmt: skip


@pytest.mark.benchmark(group="analysis")
def test_a_plane_costs_its_forward_passes(benchmark, measured):
    network, sample, run = made(images=200)
    draw = torch.Generator().manual_seed(0)
    pair = drawn(network, draw), drawn(network, draw)
    places = torch.linspace(-1, 1, 3, dtype=torch.float64)

    def plane():
        return surface(network, pair, places, places, lambda m: class_losses(run, m, sample))

    @torch.no_grad()
    def passes():
        for _ in range(9):
            network(sample.images)

    taken, bare = least(plane, passes, 3)
    benchmark.pedantic(plane, rounds=1)
    measured("a plane of losses / its bare forward passes", taken / bare, at_most=PLANE)
