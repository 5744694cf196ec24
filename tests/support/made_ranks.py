"""Trainings in float64 by one process and by several, on a made-up set, and what they end with."""

import multiprocessing
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import distributed

from ltbench import Method
from ltbench.api.ranks import together
from ltbench.data.feed import Feed
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.fit import Training
from ltbench.registry.methods import build
from ltbench.testing import synthetic

BATCH = 27  # of 80 images: the last batch is partial, and parts of a batch differ in size


class Tied(Method):
    """A method whose outputs for an image depend on the others of its batch."""

    def forward(self, network, batch, clock):
        outputs = super().forward(network, batch, clock)
        return outputs | {"logits": outputs["logits"] - outputs["logits"].mean(0)}


class Random(Method):
    """A method that draws random numbers in its forward pass."""

    def forward(self, network, batch, clock):
        outputs = super().forward(network, batch, clock)
        return outputs | {"logits": F.dropout(outputs["logits"])}


REFUSED = {"tied": Tied, "random": Random}


class StopHere(Exception):  # noqa: N818  (not an error)
    """An interruption."""


@contextmanager
def in_float64():
    """Let what is made here compute in float64: weights by their default, images by their feed."""
    default, normalise = torch.get_default_dtype(), Feed.normalise
    torch.set_default_dtype(torch.float64)
    Feed.normalise = lambda feed, images: normalise(feed, images).double()
    try:
        yield
    finally:
        Feed.normalise = normalise
        torch.set_default_dtype(default)


def made(specification):
    """Return a training of a method; `method @norm_batch=8` sets that field of its recipe."""
    if specification in REFUSED:
        settings = synthetic.training("ce", batch_size=BATCH).settings
        return Training(REFUSED[specification](), synthetic.split(), settings)
    name, _, norm_batch = specification.partition(" @norm_batch=")
    work = synthetic.training(name, batch_size=BATCH)
    if not norm_batch:
        return work
    recipe = replace(work.settings.recipe, norm_batch=int(norm_batch))
    return Training(build(name), synthetic.split(), replace(work.settings, recipe=recipe))


def weights_of(work):
    """Return all weights and running statistics, flat."""
    found = work.network.state_dict().values()
    return torch.cat([value.flatten() for value in found if value.is_floating_point()])


def interrupted(specification, path):
    """Return a training that takes up another, which was stopped in its second epoch."""

    def save(path, fill):
        with path.open("wb") as file:
            fill(file)

    def stop(report):
        if report.epoch == 1 and report.step:
            raise StopHere

    first, second = made(specification), made(specification)
    first.checkpoint = second.checkpoint = Checkpoint(path, save, every=0.0)
    with suppress(StopHere):
        first.run(stop)
    assert second.resume()
    return second


def end_of(specification, checkpoint=None):
    """Train, with a checkpoint after an interruption; return weights, way and curves, or error."""
    work = interrupted(specification, checkpoint) if checkpoint else made(specification)
    before, heard = weights_of(made(specification)), []
    try:
        work.run(heard.append)
    except Exception as error:
        return {"error": str(error)}
    after = weights_of(work)
    same = len(after) == len(before)  # else later stages have added some
    numbers = [
        {k: v for k, v in row.items() if isinstance(v, int | float) and k != "seconds"}
        for row in work.progress.curves
    ]
    way = float((after - before if same else after).norm())
    return {"after": after, "way": way, "curves": numbers}


def _rank(rank, ranks, specifications, folder, precise, resumed):
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=ranks)
    with together():
        for number, each in enumerate(specifications):
            with in_float64() if precise else nullcontext():
                end = end_of(each, folder / f"checkpoint{rank}.pt" if resumed else None)
            torch.save(end, folder / f"{number}.{rank}.pt")
    distributed.destroy_process_group()


def by_several(specifications, folder, ranks=2, *, precise=True, resumed=False):
    """Return by specification the ends of a training in each of so many processes of gloo."""
    context, folder = multiprocessing.get_context("spawn"), Path(folder)
    given = (ranks, specifications, folder, precise, resumed)
    team = [context.Process(target=_rank, args=(rank, *given)) for rank in range(ranks)]
    for process in team:
        process.start()
    for process in team:
        process.join()
    assert [process.exitcode for process in team] == [0] * ranks
    return {
        each: [torch.load(folder / f"{number}.{rank}.pt") for rank in range(ranks)]
        for number, each in enumerate(specifications)
    }


def by_one(specification):
    """Return the end of a training by this process alone, in float64."""
    with in_float64():
        return end_of(specification)
