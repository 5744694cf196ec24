"""What the harness costs: a step through it against a bare loop of plain torch.

ResNet-32, batch 128, bfloat16 autocast, channels last, every core. Times are paired: the two
sides alternate inside one run, and the median of the ratios is judged.
"""

import json
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from pairs import paired_ratio

from ltbench import Method, build
from ltbench.api.recipe import Recipe, Stage
from ltbench.api.task import Task
from ltbench.data.batch import Batch
from ltbench.engine.precision import autocast_of
from ltbench.engine.train import optimiser_for, train_epoch
from ltbench.networks import create

BATCH, STEPS, PAIRS = 128, 4, 9
RECIPE = Recipe(epochs=1, batch_size=BATCH, learning_rate=0.1, weight_decay=2e-4)
CPU = torch.device("cpu")
BALANCED = Task(torch.full((100,), 100))


class PreparedFeed:
    """Batches that are ready, so that only the step is timed."""

    def __init__(self, network="resnet32"):
        batch, side = (8, 128) if network == "resnet50" else (BATCH, 32)
        draw = torch.Generator().manual_seed(0)
        images = torch.randn(batch, 3, side, side, generator=draw)
        images = images.contiguous(memory_format=torch.channels_last)
        targets = torch.randint(0, 100, (batch,), generator=draw)
        self.batches = [Batch((images,), targets, torch.arange(batch))] * STEPS

    def steps(self, *arguments):
        return STEPS

    def epoch(self, *arguments, **named):
        return iter(self.batches)

    def clean(self):
        return iter(self.batches)


def network_for(method: Method, name: str = "resnet32", task: Task = BALANCED):
    torch.manual_seed(0)
    method.setup(task)
    return method.build(create(name, 3, task.num_classes)).to(memory_format=torch.channels_last)


def through_the_harness(specification: str, name: str = "resnet32"):
    method, feed = build(specification), PreparedFeed(name)
    network, stage = network_for(method, name), Stage(name="train", recipe=RECIPE)
    optimiser = optimiser_for(network, stage)

    def epoch():
        train_epoch(
            method, network, optimiser, feed=feed, stage=stage, epoch=0,
            autocast=autocast_of("bfloat16", CPU), seed=0, after_step=lambda *done: None,
        )  # fmt: skip

    return epoch


def in_a_bare_loop(name: str = "resnet32"):
    network, feed = network_for(Method(), name), PreparedFeed(name)
    optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=2e-4)
    autocast = autocast_of("bfloat16", CPU)  # so that both sides multiply alike on any processor
    network.train()

    def epoch():
        for batch in feed.batches:
            optimiser.zero_grad()
            with autocast():
                logits = network(batch.images)["logits"]
            F.cross_entropy(logits.float(), batch.targets).backward()
            optimiser.step()

    return epoch


def test_a_ce_step_costs_what_a_bare_loop_costs(benchmark, measured):
    ours, bare = through_the_harness("ce"), in_a_bare_loop()
    benchmark.pedantic(ours, rounds=1, warmup_rounds=1)
    what = "a `ce` step through the harness / the same step in a bare loop of plain torch"
    measured(what, paired_ratio(ours, bare, PAIRS), at_most=1.03)


def test_a_step_of_a_large_network_costs_what_a_bare_loop_costs(benchmark, measured):
    ours, bare = through_the_harness("ce", "resnet50"), in_a_bare_loop("resnet50")
    benchmark.pedantic(ours, rounds=1, warmup_rounds=1)
    what = "a `ce` step of ResNet-50 through the harness / the same step in a bare loop"
    measured(what, paired_ratio(ours, bare, 7), at_most=1.02)


@pytest.mark.parametrize(("method", "limit"), [("sam", 2.1), ("ldam_drw+sam", 2.2)])
def test_a_sam_step_costs_two_ce_steps(benchmark, measured, method, limit):
    ours, plain = through_the_harness(method), through_the_harness("ce")
    benchmark.pedantic(ours, rounds=1, warmup_rounds=1)
    measured(f"`{method}` step / `ce` step", paired_ratio(ours, plain, PAIRS), at_most=limit)


MEMORY = """
import json, resource, sys
sys.path.insert(0, {folder!r})
import test_step as t
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
epoch = {maker}
for _ in range(3): epoch()
print(json.dumps(peak()))
"""


def test_the_harness_needs_under_a_tenth_more_memory(benchmark, measured):
    def peak(maker: str) -> int:
        code = MEMORY.format(folder=str(__file__).rpartition("/")[0], maker=maker)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    bare = peak("t.in_a_bare_loop()")
    ours = benchmark.pedantic(peak, args=("t.through_the_harness('ce')",), rounds=1)
    measured("peak memory of the process, harness / bare loop", ours / bare, at_most=1.10)
