"""Methods bound to five long-tailed classes, and what a test asks of their losses and gradients."""

import torch

from ltbench import Batch, Clock, Step, Task, build
from ltbench.networks import create

COUNTS = torch.tensor([500, 120, 37, 9, 1])
START = Clock("train", 0, 200)


def bound(specification, counts=COUNTS):
    """A method that knows its task, given the number of training images of each class."""
    method = build(specification)
    method.setup(Task(torch.as_tensor(counts)))
    return method


def resnet8(classes=5, channels=3):
    """A ResNet-8 before training; the same weights in every test."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return create("resnet8", channels, classes)


def with_network(specification, counts=COUNTS, dtype=torch.float64):
    """A bound method and its ResNet-8 in training mode; the same weights in every test."""
    method = bound(specification, counts)
    with torch.random.fork_rng():
        torch.manual_seed(1)  # for what the method adds
        network = method.build(resnet8(len(counts)))
    return method, network.to(dtype).train()


def batch_of(targets, views=1, dtype=torch.float64):
    """A batch of random images [B, 3, 8, 8], the same in every test, with targets [B]."""
    draw = torch.Generator().manual_seed(1)
    shape = (views, len(targets), 3, 8, 8)
    images = torch.randn(shape, generator=draw, dtype=torch.float64).to(dtype)
    return Batch(tuple(images), torch.as_tensor(targets), torch.arange(len(targets)))


def random_batch(images=12, classes=5, views=1, dtype=torch.float64):
    """A batch of random images and random targets."""
    draw = torch.Generator().manual_seed(2)
    return batch_of(torch.randint(classes, (images,), generator=draw), views, dtype)


def random_logits(seed=0, images=16):
    """Float64 logits [B, 5] and targets [B]."""
    draw = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(images, 5, generator=draw, dtype=torch.float64)
    return logits, torch.randint(5, (images,), generator=draw)


def losses_of(method, logits, targets, clock=START):
    """The losses [B] that a bound method has of given logits, before a step weights them."""
    return method.losses({"logits": logits}, Batch((logits,), targets, targets), clock)


def losses(specification, logits, targets, counts=COUNTS, clock=START):
    """The losses [B] that a step descends along, of logits that are given."""
    batch = Batch((logits,), targets, targets)
    step = Step(bound(specification, counts), torch.nn.Identity(), batch, clock)
    return step.losses({"logits": logits})


def made_step(specification, targets=None, counts=COUNTS, clock=START, kind=Step):
    """A step in float64 of a fresh ResNet-8 on eight random images, of all classes in turn."""
    targets = torch.arange(8) % 5 if targets is None else targets
    return kind(*with_network(specification, counts), batch_of(targets), clock)


def gradients_of(specification, *given, **named):
    """The gradients that a method's rule leaves in the parameters, in order."""
    step = made_step(specification, *given, **named)
    step.method.backward(step)
    return [p.grad for p in step.network.parameters()]


def gap(left, right):
    """The largest difference between two lists of tensors."""
    return max((a - b).abs().max().item() for a, b in zip(left, right, strict=True))
