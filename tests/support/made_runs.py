"""Runs, samples, networks and jobs made up for tests: no training, a few images."""

import pytest
import torch
from torch import nn

from ltbench.analysis.subject import FinishedRun, RunImages, Sample
from ltbench.data.catalog import dataset
from ltbench.networks import create
from ltbench.runs import plan
from ltbench.runs.execute import run_job
from ltbench.runs.identity import Identity
from ltbench.runs.store import Store

COUNTS = (500, 120, 37, 9, 5)
SHOTS = ("many", "many", "medium", "few", "few")


def run_of(network, counts=COUNTS, shots=SHOTS, **more):
    """A run whose every epoch is one network that gives "logits"."""
    return FinishedRun(
        name="made up", seed=0, class_counts=counts, shots=shots, epochs=(1,),
        predict=lambda net, images: net(images)["logits"], network=lambda epoch: network,
        **more,
    )  # fmt: skip


def sample(view="test", per_class=6, classes=5, shape=(3, 8, 8), seed=0, dtype=torch.float32):
    """Images drawn around a pattern for each class."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(classes).repeat_interleave(per_class)
    patterns = torch.randn(classes, *shape, generator=draw)
    noise = torch.randn(len(labels), *shape, generator=draw)
    return Sample(view, (patterns[labels] + noise).to(dtype), labels, classes)


def data():
    """Five classes, eight training and six test images each."""
    return RunImages(sample("train", 8, seed=1), sample("test", 6, seed=2))


def resnet(dtype=torch.float32, seed=0, eps=1e-5):
    """A ResNet-8 in eval mode whose batch statistics have seen images."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = create("resnet8", 3, 5).to(dtype)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps, module.momentum = eps, None
    with torch.no_grad():
        network.train()(sample(dtype=dtype, per_class=20).images)
    return network.eval()


class Linear(nn.Module):
    """Softmax regression on flat images; they are its features."""

    def __init__(self, features, classes, dtype=torch.float64, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.classifier = nn.Linear(features, classes, dtype=dtype)

    def forward(self, images):
        flat = images.flatten(1)
        return {"features": flat, "logits": self.classifier(flat)}


def rescaled(network, factors=(7.0, 3.0, 0.2)):
    """The same function: every filter before a batch norm times a factor of its own."""
    import copy

    other = copy.deepcopy(network)
    layers = [m for m in other.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    for conv, norm in zip(layers[::2], layers[1::2], strict=True):
        k = torch.tensor(factors).repeat(len(conv.weight))[: len(conv.weight)].to(conv.weight)
        with torch.no_grad():
            conv.weight.mul_(k.view(-1, 1, 1, 1))
            norm.running_mean.mul_(k)
            norm.running_var.mul_(k.square())
    return other


def job_of(tmp_path, method="ce", imbalance=20.0, protocol="fast", **changes):
    """Return one job on digits, of seed 7, as the plan of an empty store has it."""
    sets = [dataset("digits_lt", imbalance)]
    options = {"protocol_name": protocol, **changes}
    (job,) = plan.make(sets, [method], [7], Store(tmp_path / "none"), **options).jobs
    return job


def interrupted(job, workspace, epoch):
    """Run a job until an epoch is trained, then stop it as Ctrl-C does."""

    def stop(report):
        if report.epoch == epoch and report.loss is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(job, workspace, stop)


def cell_fingerprint(cell, method, protocol):
    """Return the fingerprint of the run that fills a cell."""
    identity = Identity.of(method, protocol)
    return identity.fingerprint(cell.dataset, cell.network, protocol, cell.seed)
