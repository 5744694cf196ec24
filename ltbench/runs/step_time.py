"""How long a training will take: a few real steps, timed."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from ltbench.api.method import Step
from ltbench.api.task import Clock
from ltbench.data.feed import CLEAN_BATCH
from ltbench.data.stream import StreamFeed, feed_of
from ltbench.data.training_images import TrainingImages
from ltbench.engine.evaluate import finalised, logits_of
from ltbench.engine.fit import Training
from ltbench.engine.train import epoch_batches, optimiser_for, put_in_training, set_rates, take
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

    An evaluation is on the whole test set. `start` is of the process that a method which is not
    ltbench's own trains in.
    """

    step: float
    view: float
    evaluation: float
    start: float = 0.0

    def seconds(self, size: TrainingSize) -> float:
        """Return the seconds of a training of that size."""
        steps = size.steps * self.step + size.images * self.view
        return self.start + steps + size.evaluations * self.evaluation


def measure_step_time(job: Job, workspace: Workspace) -> StepTime:
    """Return the step time of a few of a job's steps; its own checkpoint and files are not touched.

    A method that is not ltbench's own takes them in another process.
    """
    if not is_foreign(job.trained):
        return _measured(job, workspace)
    arguments, files, started = (job, workspace), loaded_files(), time.perf_counter()
    found, seconds = call_apart(_measured_apart, arguments, files, job.trained, {})
    took: StepTime = found
    return replace(took, start=time.perf_counter() - started - seconds)


def _measured_apart(ask: Ask, job: Job, workspace: Workspace) -> tuple[StepTime, float]:
    """Return the step time, and the seconds that measuring it took."""
    started = time.perf_counter()
    return _measured(job, workspace), time.perf_counter() - started


def _measured(job: Job, workspace: Workspace) -> StepTime:
    with TemporaryDirectory() as scratch:  # so that no checkpoint of the real run is taken up
        training = training_of(job, replace(workspace, results=Path(scratch)))
    step, view = _step_and_view(training)
    whole = _evaluation_seconds(training) / job.protocol.fraction
    return StepTime(step, view, whole)


def _step_and_view(training: Training) -> tuple[float, float]:
    """Return the seconds of a step, and of an image's views, in the second of two epochs.

    What a method begins between epochs is under way there; in the first it would be missing. Of
    images that are read as they are needed it is the first all the same, for a method may look at
    all of them between epochs, which takes minutes.
    """
    feed, network, stage = training.train, training.network, training.stages[0]
    method, streamed = stage.method or training.method, isinstance(feed, StreamFeed)
    epochs = 1 if streamed else 2
    recipe = stage.recipe if streamed else replace(stage.recipe, epochs=epochs)
    steps = feed.steps(recipe.batch_size, recipe.drop_last, stage.sampler)
    optimiser = optimiser_for(network, stage)
    marks: list[float] = []
    for epoch in range(epochs):
        last = epoch == epochs - 1
        start = Clock(stage.name, epoch, recipe.epochs, 0, steps, recipe=recipe)
        put_in_training(network, stage)
        started = time.perf_counter()
        batch = next(epoch_batches(feed, method, stage, start))  # it makes the epoch's views
        views = time.perf_counter() - started
        for number in range(1 + TIMED_STEPS if last else 1):
            set_rates(optimiser, recipe.learning_rate_at(epoch, epoch * steps + number))
            step = Step(method, network, batch, replace(start, step=number), training.autocast)
            take(step, optimiser, recipe)
            _synchronise(training)
            marks.append(time.perf_counter())
        if not last:
            network.eval()
            images = TrainingImages(feed, method.views[0], method.predict, training.autocast)
            method.after_epoch(network, images, start)
    return (marks[-1] - marks[-1 - TIMED_STEPS]) / TIMED_STEPS, views / feed.draws(stage.sampler)


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
