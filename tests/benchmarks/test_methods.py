"""What the methods cost: a step of each against a step of its base, at equal batch.

ResNet-32, CIFAR-LT's class counts at r = 100, batch 128, bfloat16 autocast, channels last,
every core. Times are paired, as in test_step.
"""

import time
from dataclasses import replace

import pytest
import torch
from ltbench.methods.gkp import GKP, Quadratic
from pairs import paired_ratio
from test_step import BATCH, CPU, PAIRS, RECIPE, network_for

from ltbench import Batch, Task, build
from ltbench.api.compose import leaves
from ltbench.api.task import Clock
from ltbench.blocks.class_groups import Grouped
from ltbench.blocks.feature_quality import encoder_of
from ltbench.data.catalog import CATALOG
from ltbench.data.feed import Feed
from ltbench.data.profile import class_counts, published_counts
from ltbench.data.readers import Subset
from ltbench.data.training_images import TrainingImages
from ltbench.engine.precision import autocast_of
from ltbench.engine.train import optimiser_for, train_epoch

CIFAR10, CIFAR100 = (
    Task(torch.tensor(class_counts(head, classes, 100)))
    for head, classes in ((5000, 10), (500, 100))
)
# Twenty labels, of each of which an image may have some: VOC-LT's counts.
LABELS = Task(torch.tensor(published_counts("voc_lt")), 0, 99, 20, "multi", 1142)
STEPS = 3


class PreparedFeed:
    """Random images with long-tailed targets, in batches that are ready."""

    def __init__(self, views, steps, task=CIFAR100):
        draw = torch.Generator().manual_seed(0)

        def image(count):
            images = torch.randn(count, 3, 32, 32, generator=draw)
            return images.contiguous(memory_format=torch.channels_last)

        if task.kind == "multi":
            shown = torch.rand(task.num_images, task.num_classes, generator=draw)
            targets = (shown < task.prevalence).float()
        else:
            labels = torch.repeat_interleave(torch.arange(task.num_classes), task.class_counts)
            targets = labels[torch.randperm(len(labels), generator=draw)]
        self.batches = [
            Batch(tuple(image(BATCH) for _ in range(views)), part, torch.arange(BATCH))
            for part in targets.split(BATCH)[:steps]
        ]
        self.targets = targets
        places = torch.arange(len(targets)).split(1024)
        self.whole = [Batch((image(len(p)),), targets[p], p) for p in places]

    def __call__(self):
        return iter(self.whole)

    def steps(self, *arguments):
        return len(self.batches)

    def epoch(self, *arguments, **named):
        return iter(self.batches)

    def clean(self):
        return iter(())


def trainer(specification, task=CIFAR100):
    """Return a function that trains some steps, with groups where the method has groups."""
    method = build(specification)
    network = network_for(method, task=task)
    stage = replace(method.stages(RECIPE)[0], recipe=RECIPE)
    optimiser = optimiser_for(network, stage)
    for part in leaves(method):
        if isinstance(part, Grouped) and part.owner is part:
            part.state["groups"] = torch.arange(task.num_classes) * part.groups // task.num_classes
        if isinstance(part, GKP):
            part.state["penalty"] = Quadratic.zero(encoder_of(network))._asdict()
    feed, autocast = PreparedFeed(len(method.views), STEPS, task), autocast_of("bfloat16", CPU)
    for part in leaves(method):  # what follows an epoch is timed apart
        part.after_epoch = lambda *arguments: None

    def epoch():
        train_epoch(
            stage.method or method, network, optimiser, feed=feed, stage=stage, epoch=20,
            autocast=autocast, seed=0, after_step=lambda *done: None,
        )  # fmt: skip

    return epoch


@pytest.mark.parametrize(
    ("method", "base", "limit", "task"),
    [
        ("gala", "ce", 1.03, CIFAR100),
        ("more", "ce", 2.2, CIFAR100),
        ("bce+more", "bce", 2.2, LABELS),
        ("bcl", "ce", 3.3, CIFAR100),
        ("cc_sam(perturbed='head')", "ce", 1.25, CIFAR100),
        ("cc_sam(gradients='owned')", "ce", 3.2, CIFAR10),
        (
            "cc_sam(gradients='owned')",
            "ce",
            8.0,
            CIFAR100,
        ),  # a call for each of half a hundred classes in a batch
        ("bcl+gsa", "bcl", 4.8, CIFAR100),
        ("bcl+gsa(gradients='owned')", "bcl", 3.0, CIFAR100),
    ],
)
def test_a_step_costs_so_many_steps_of_its_base(benchmark, measured, method, base, limit, task):
    ours, plain = trainer(method, task), trainer(base, task)
    benchmark.pedantic(ours, rounds=1, warmup_rounds=1)
    ratio = paired_ratio(ours, plain, PAIRS // 2)
    words = "labels, several an image" if task.kind == "multi" else "classes"
    measured(f"`{method}` / `{base}`, {task.num_classes} {words}", ratio, at_most=limit)


def test_owned_groups_cost_the_same_whatever_their_number(benchmark, measured):
    few, many = (trainer(f"bcl+gsa(gradients='owned', groups={groups})") for groups in (2, 8))
    benchmark.pedantic(many, rounds=1, warmup_rounds=1)
    ratio = paired_ratio(many, few, PAIRS // 2)
    what = "`bcl+gsa(gradients='owned')` with 8 groups / with 2"
    measured(what, ratio, at_most=1.25)


def test_preserved_groups_cost_little_over_an_epoch(benchmark, measured):
    """A step with the penalty, the quality after every epoch, new anchors every tenth."""
    method = build("ce+gkp")
    network = network_for(method, task=CIFAR100).eval()
    gkp, feed = method.parts[-1], PreparedFeed(1, 1)

    def seconds(epoch):
        started = time.perf_counter()
        method.after_epoch(network, feed, Clock("train", epoch, 200, 0, 85, 0))
        return time.perf_counter() - started

    plain_epochs = [seconds(epoch) for epoch in (0, 1)]
    bank = gkp.state["bank"]
    bank["snapshot_of_class"] = torch.arange(100) % 6  # as if six epochs had been best
    (encoder,) = bank["encoders"].values()
    bank["encoders"] = {
        str(epoch): encoder + 0.01 * torch.randn_like(encoder) for epoch in range(6)
    }
    bank["epochs"] = torch.tensor(9)
    anchoring = benchmark.pedantic(seconds, args=(9,), rounds=1)
    assert "penalty" in gkp.state
    ours, plain = trainer("ce+gkp"), trainer("ce")
    steps = int(CIFAR100.class_counts.sum()) / BATCH
    ratio = paired_ratio(ours, plain, PAIRS // 2)
    started = time.perf_counter()
    plain()
    whole = (time.perf_counter() - started) / STEPS * steps
    extra = plain_epochs[-1] + max(0.0, anchoring - plain_epochs[-1]) / 10
    ratio += extra / whole
    measured("`ce+gkp` / `ce`, over an epoch", ratio, at_most=1.08)


@pytest.mark.parametrize(("level", "limit"), [(0, 0.1), (3, 0.5)])
def test_a_curriculum_of_augmentation_costs_little_at_low_levels(benchmark, measured, level, limit):
    """A changed view and trials at every level, none failed, in plain epochs of CIFAR-100-LT."""
    method, counts = build("ce+cuda"), CIFAR100.class_counts
    network = network_for(method, task=CIFAR100).eval()
    labels = torch.arange(100).repeat_interleave(counts)
    images = torch.randint(256, (len(labels), 3, 32, 32), dtype=torch.uint8)
    feed = Feed(CATALOG["cifar100_lt"], Subset(images, labels))
    clock = Clock("train", 3, 200, 0, 85, 0)

    answers = []

    class Known(TrainingImages):
        def logits(self, network, images):
            super().logits(network, images)
            return answers.pop()

        def views(self, indices, generator, augment):
            for batch in super().views(indices, generator, augment):
                answers.append(torch.nn.functional.one_hot(batch.targets, 100))
                yield batch

    def seconds(function):
        started = time.perf_counter()
        function()
        return time.perf_counter() - started

    def rendered(**own):
        return lambda: next(feed.epoch(method.views, "instance_balanced", BATCH, False, 0, **own))

    method.modifiers[0].state["levels"].fill_(level)
    changed = rendered(augment=lambda view, targets: method.augment(view, targets, clock))
    extra = seconds(changed) - seconds(rendered())
    known = Known(feed, method.views[0], method.predict, autocast_of("bfloat16", CPU))
    extra += benchmark.pedantic(
        seconds, args=(lambda: method.after_epoch(network, known, clock),), rounds=1
    )
    plain = trainer("ce")
    plain()
    whole = min(seconds(plain) for _ in range(3)) / STEPS * len(labels) / BATCH
    what = f"what `cuda` adds to a `ce` epoch, all classes at level {level}"
    measured(what, extra / whole, at_most=limit)
