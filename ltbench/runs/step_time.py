"""How long a training will take: a few real steps, timed."""

import itertools
import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from ltbench.api.method import Step
from ltbench.api.task import Clock
from ltbench.data.feed import CLEAN_BATCH
from ltbench.data.stream import feed_of
from ltbench.engine.evaluate import finalised, logits_of
from ltbench.engine.fit import Training
from ltbench.engine.train import backward, optimiser_for
from ltbench.registry.signatures import is_foreign, loaded_files
from ltbench.runs.apart import Ask, call_apart
from ltbench.runs.plan import Job
from ltbench.runs.size import TrainingSize
from ltbench.runs.training import training_of
from ltbench.runs.workspace import Workspace

TIMED_STEPS = 3


@dataclass(frozen=True)
class StepTime:
    """Seconds of a step, of an image's views where steps do not make them, and of an evaluation.

    An evaluation is on the whole test set.
    """

    step: float
    view: float
    evaluation: float

    def seconds(self, size: TrainingSize) -> float:
        """Return the seconds of a training of that size."""
        return size.steps * self.step + size.images * self.view + size.evaluations * self.evaluation


def measure_step_time(job: Job, workspace: Workspace) -> StepTime:
    """Return the step time of a job's first steps; its own checkpoint and files are not touched.

    A method that is not ltbench's own takes them in another process.
    """
    if not is_foreign(job.trained):
        return _measured(None, job, workspace)
    arguments, files = (job, workspace), loaded_files()
    found: StepTime = call_apart(_measured, arguments, files, job.trained, {})
    return found


def _measured(ask: Ask | None, job: Job, workspace: Workspace) -> StepTime:
    with TemporaryDirectory() as scratch:  # so that no checkpoint of the real run is taken up
        training = training_of(job, replace(workspace, results=Path(scratch)))
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
        clock = Clock(stage.name, 0, recipe.epochs, number, steps, recipe=recipe)
        optimiser.zero_grad()
        backward(Step(method, training.network, batch, clock, training.autocast), recipe)
        optimiser.step()
        _synchronise(training)
        marks.append(time.perf_counter())
    drawn = training.train.draws(stage.sampler)
    whole = _evaluation_seconds(training) / job.protocol.fraction
    return StepTime((marks[-1] - marks[0]) / TIMED_STEPS, views / drawn, whole)


def _evaluation_seconds(training: Training) -> float:
    """Return the seconds of one evaluation on the test set, from its first batch."""
    feed = training.test
    few = feed.subset.part(slice(CLEAN_BATCH))
    started = time.perf_counter()
    final = finalised(training.method, training.network)
    logits_of(training.method, final, feed_of(feed.info, few), training.autocast)
    _synchronise(training)
    return (time.perf_counter() - started) * len(feed.labels) / len(few.labels)


def _synchronise(training: Training) -> None:
    if training.settings.device.type == "cuda":
        torch.cuda.synchronize(training.settings.device)
