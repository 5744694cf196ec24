"""Methods bound to five long-tailed classes, and what a test asks of their losses and gradients."""

import torch

from ltbench import Batch, Clock, Step, Task, build
from ltbench.networks import create

COUNTS = torch.tensor([500, 120, 37, 9, 1])
START = Clock("train", 0, 200)


def bound(specification, counts=COUNTS):
    """A method that knows its task."""
    method = build(specification)
    method.setup(Task(counts))
    return method


def random_logits(seed=0):
    """Float64 logits [16, 5] and targets [16]."""
    draw = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(16, 5, generator=draw, dtype=torch.float64)
    return logits, torch.randint(5, (16,), generator=draw)


def losses(specification, logits, targets, counts=COUNTS, clock=START):
    """The losses [B] that a step descends along, of logits that are given."""
    batch = Batch((logits,), targets, targets)
    step = Step(bound(specification, counts), torch.nn.Identity(), batch, clock)
    return step.losses({"logits": logits})


def made_step(specification, targets=None, counts=COUNTS, clock=START, kind=Step):
    """A step in float64 of a fresh ResNet-8 on eight random images, of all classes in turn."""
    targets = torch.arange(8) % 5 if targets is None else torch.as_tensor(targets)
    method = bound(specification, counts)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = method.build(create("resnet8", 3, 5)).double().train()
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(len(targets), 3, 8, 8, generator=draw).double()
    return kind(method, network, Batch((images,), targets, torch.arange(len(targets))), clock)


def gradients_of(specification, *given, **named):
    """The gradients that a method's rule leaves in the parameters, in order."""
    step = made_step(specification, *given, **named)
    step.method.backward(step)
    return [p.grad for p in step.network.parameters()]


def gap(left, right):
    """The largest difference between two lists of tensors."""
    return max((a - b).abs().max().item() for a, b in zip(left, right, strict=True))
