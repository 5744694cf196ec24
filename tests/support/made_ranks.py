"""Trainings in float64 by one process and by several, on a made-up set, and what they end with."""

import multiprocessing
import os
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import distributed

from ltbench.api.ranks import together
from ltbench.data.feed import Feed
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.fit import Training
from ltbench.registry.methods import build
from ltbench.testing import synthetic

BATCH = 27  # of 80 images: partial last batches, parts of different sizes


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
    """Return a training; `method @norm_batch=8` sets that field of its recipe."""
    name, _, norm_batch = specification.partition(" @norm_batch=")
    work = synthetic.training(name, batch_size=BATCH)
    if norm_batch:
        recipe = replace(work.settings.recipe, norm_batch=int(norm_batch))
        settings = replace(work.settings, recipe=recipe)
        work = Training(build(name), synthetic.split(), settings)
    return work


def weights_of(work):
    """Return all weights and running statistics, flat."""
    found = work.network.state_dict().values()
    return torch.cat([value.flatten() for value in found if value.is_floating_point()])


def trained(specification, folder=None):
    """Train, if there is a folder interrupted in the second epoch and resumed; return the end."""
    work = made(specification)
    before = weights_of(work)
    if folder is not None:
        rank = distributed.get_rank() if distributed.is_initialized() else 0

        def save(path, fill):
            with path.open("wb") as file:
                fill(file)

        kept = Checkpoint(folder / f"checkpoint{rank}.pt", save, every=0.0)
        work.checkpoint = kept

        def stop(report):
            if report.epoch == 1 and report.step:
                raise StopHere

        with suppress(StopHere):
            work.run(stop)
        work = made(specification)
        work.checkpoint = kept
        assert work.resume()
    heard = []
    try:
        work.run(lambda report: heard.append(report.images_per_second))
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    after = weights_of(work)
    columns = [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in work.progress.curves
    ]
    return {
        "after": after, "moved": float((after[: len(before)] - before).norm())
        if len(after) == len(before) else float(after.norm()),
        "curves": columns, "images": work.progress.images,
    }  # fmt: skip


def _rank(rank, ranks, specifications, folder, resumed):
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=ranks
    )
    with in_float64(), together():
        for number, each in enumerate(specifications):
            end = trained(each, folder if resumed else None)
            torch.save(end, folder / f"{number}.{rank}.pt")
    distributed.destroy_process_group()


def by_several(specifications, folder, ranks=2, resumed=False):
    """Return the ends of trainings by so many processes of gloo: by specification, a list."""
    context = multiprocessing.get_context("spawn")
    team = [
        context.Process(target=_rank, args=(rank, ranks, specifications, folder, resumed))
        for rank in range(ranks)
    ]
    for process in team:
        process.start()
    for process in team:
        process.join()
    assert [process.exitcode for process in team] == [0] * ranks
    return {
        each: [torch.load(Path(folder) / f"{number}.{rank}.pt") for rank in range(ranks)]
        for number, each in enumerate(specifications)
    }


def by_one(specification):
    """Return the end of a training by this process alone."""
    with in_float64(), nullcontext():
        return trained(specification)
