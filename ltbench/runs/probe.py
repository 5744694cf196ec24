"""How long a training will take: a few real steps, timed."""

import itertools
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from ltbench.data.feed import Feed, batches_of
from ltbench.data.samplers import DRAWS
from ltbench.data.splits import class_counts
from ltbench.engine.evaluate import finalised, logits_of
from ltbench.engine.fit import Training
from ltbench.engine.precision import threads_for
from ltbench.engine.train import optimiser_for
from ltbench.registry import build
from ltbench.runs.execute import Place, split_of, training_of
from ltbench.runs.first_stage import origins
from ltbench.runs.plan import Job
from ltbench.runs.store import Store
from ltbench.step import Step
from ltbench.task import Clock

TIMED_STEPS = 3


def estimate(jobs: tuple[Job, ...], place: Place, workers: int = 1) -> float:
    """Return the seconds that jobs will take; trainings that differ only in seed are timed once.

    A first stage at hand, or trained by an earlier job, counts nothing. Every stage is taken to
    cost what the first one's steps cost. A training that cannot take its first steps counts
    nothing here: it fails when its turn comes, and does not stop the rest.
    """
    known: dict[tuple[str, ...], float] = {}

    def seconds(job: Job) -> float:
        key = (str(job.dataset), job.protocol.specification, job.network, job.trained)
        if key not in known:
            known[key] = 0.0
            with threads_for(job.dataset.info.shape), suppress(Exception):
                known[key] = _seconds(job, place)
        return known[key]

    total, begun = 0.0, set()
    sources = origins(jobs, Store(place.results))
    for job in jobs:
        first = job.first_stage
        total += 0.0 if job.fingerprint in begun else seconds(job)
        if first is not None and sources[job.fingerprint] != "own":
            total -= min(seconds(first), seconds(job))
        begun |= {job.fingerprint} | ({first.fingerprint} if first else set())
    return total / min(workers, max(len(jobs), 1))


def check_data(jobs: tuple[Job, ...], place: Place) -> None:
    """Read the data of every job, so that what cannot be read is said before anything starts."""
    for job in jobs:
        split_of(job, place)


@dataclass(frozen=True)
class Size:
    """How much a training has to do, over all stages."""

    steps: int
    images: int  # seen in training
    looks: float  # at the test set

    @classmethod
    def of(cls, job: Job) -> "Size":
        """Return the size of a job; reads no data."""
        rules, info = job.protocol, job.dataset.info
        counts = class_counts(info.head_count, info.classes, job.dataset.imbalance)
        images = sum(max(1, round(n * rules.fraction)) - rules.validation for n in counts)
        steps = seen = epochs = 0
        for stage in build(job.trained).stages(rules.recipe()):
            drawn, batch = images * DRAWS.get(stage.sampler, 1), stage.recipe.batch_size
            steps += stage.recipe.epochs * batches_of(drawn, batch, stage.recipe.drop_last)
            seen += stage.recipe.epochs * drawn
            epochs += stage.recipe.epochs
        return cls(steps, seen, epochs / rules.evaluate_every + 1)


@dataclass(frozen=True)
class Pace:
    """Seconds of a step, of an image's views where these are not in the step, and of a look."""

    step: float
    view: float
    look: float

    def seconds(self, size: Size) -> float:
        """Return the seconds of a training of that size."""
        return size.steps * self.step + size.images * self.view + size.looks * self.look


def pace(job: Job, place: Place) -> Pace:
    """Return the pace of a job's first steps; its own checkpoint and files are not touched."""
    with TemporaryDirectory() as scratch:  # so that no checkpoint of the real run is taken up
        training = training_of(job, replace(place, results=Path(scratch)))
    stage = training.stages[0]
    recipe, method = stage.recipe, stage.method or training.method
    steps = training.train.steps(recipe.batch_size, recipe.drop_last, stage.sampler)
    optimiser = optimiser_for(training.network, stage)
    batches = training.train.epoch(
        method.views, stage.sampler, recipe.batch_size, recipe.drop_last, seed=0
    )
    started = time.perf_counter()
    first = next(batches)  # the views of the whole epoch
    views = time.perf_counter() - started
    marks = []
    for number, batch in enumerate(itertools.islice(itertools.cycle([first]), 1 + TIMED_STEPS)):
        clock = Clock(stage.name, 0, recipe.epochs, number, steps)
        optimiser.zero_grad()
        method.backward(Step(method, training.network, batch, clock, training.autocast))
        optimiser.step()
        _synchronise(training)
        marks.append(time.perf_counter())
    drawn = len(training.train.subset.labels) * DRAWS.get(stage.sampler, 1)
    return Pace((marks[-1] - marks[0]) / TIMED_STEPS, views / drawn, _look(training))


def _seconds(job: Job, place: Place) -> float:
    return pace(job, place).seconds(Size.of(job))


def _look(training: Training) -> float:
    """Return the seconds of one look at the test set, from its first batch."""
    feed = training.test
    few = replace(feed.subset, images=feed.subset.images[:500], labels=feed.subset.labels[:500])
    started = time.perf_counter()
    final = finalised(training.method, training.network)
    logits_of(training.method, final, Feed(feed.info, few), training.autocast)
    _synchronise(training)
    return (time.perf_counter() - started) * len(feed.subset.labels) / len(few.labels)


def _synchronise(training: Training) -> None:
    if training.settings.device.type == "cuda":
        torch.cuda.synchronize(training.settings.device)
