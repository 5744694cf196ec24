"""The only training loop: stages of epochs of steps, evaluated, checkpointed and resumable.

for each stage:  begin it, reset what is reset, choose what trains, make the optimiser
  for each epoch:  learning rate; make the views
    for each batch:  zero gradients -> method.backward -> optimiser step -> method.after_step
    method.after_epoch; check the losses; evaluate; checkpoint
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import torch

from ltbench.api.method import Method
from ltbench.api.ranks import ProcessLostError
from ltbench.api.task import Task
from ltbench.data.readers import Split
from ltbench.data.stream import evaluated_feeds, feed_of
from ltbench.engine.build import begin_stage, build, shown_to
from ltbench.engine.checkpoint import Checkpoint, Progress, on_device
from ltbench.engine.evaluate import finalised, logits_of
from ltbench.engine.isolation import isolated, seeded
from ltbench.engine.precision import autocast_of
from ltbench.engine.settings import Settings
from ltbench.engine.train import (
    DivergedError,
    Observer,
    ProgressEvent,
    optimiser_for,
    reset,
    train_epoch,
)
from ltbench.evaluation.metrics import Score, Scorer
from ltbench.evaluation.scores import HEADLINES, AnyScores, scores_from
from ltbench.evaluation.selection import Selection


class Training:
    """One run of one method, resumable after any epoch."""

    def __init__(
        self, method: Method, split: Split, settings: Settings,
        checkpoint: Checkpoint | None = None, score: Score | None = None,
    ) -> None:  # fmt: skip
        self.method, self.settings, self.checkpoint = method, settings, checkpoint
        device, weights = settings.device, settings.pretrained
        info = shown_to(settings.network, settings.info)
        self.task = Task.of(info, split, device)
        self.metric = HEADLINES[info.kind]  # that epochs are compared by
        self.feeds = evaluated_feeds(info, split, device)
        self.test, skip = self.feeds["test"], settings.skip_unreadable
        self.train = feed_of(info, split.train.to(device), skip_unreadable=skip)
        self.score = score or Scorer(self.task, {k: f.labels for k, f in self.feeds.items()})
        self.autocast = autocast_of(settings.precision, device)
        self.method_task = copy.deepcopy(self.task)  # what methods get, who may write into it
        with seeded(settings.seed, "setup"):
            method.setup(self.method_task)
            self.stages = method.stages(settings.recipe)
            for other in self._methods():
                if getattr(other, "task", None) is not self.method_task:
                    other.setup(self.method_task)
        with seeded(settings.seed, "init"):
            network = build(method, settings.network, info.shape[0], self.task.num_classes, weights)
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.progress, self.epochs = Progress(), sum(each.recipe.epochs for each in self.stages)
        self._resumed: Mapping[str, Any] = {}

    def resume(self) -> bool:
        """Take up the checkpoint, if there is one; returns whether there was."""
        content = self.checkpoint.load() if self.checkpoint else None
        if content is None:
            return False
        try:
            Progress(**content["progress"]).check([stage.recipe.epochs for stage in self.stages])
            self.restore(content)
        except Exception as error:  # of another network or version; nothing has been trained yet
            assert self.checkpoint is not None
            raise self.checkpoint.load_error(error) from None
        return True

    def restore(self, content: Mapping[str, Any]) -> None:
        """Take what `snapshot` gave into a training not begun; any error says it does not fit."""
        self.progress = progress = Progress(**content["progress"])
        for position in range(1, min(progress.stage + (progress.epoch > 0), len(self.stages))):
            self._begin_stage(position)
        self.network.load_state_dict(content["network"])
        for method, state in zip(self._methods(), content["states"], strict=True):
            method.state = on_device(state, self.settings.device)
        self._resumed = content

    def snapshot(self) -> dict[str, Any]:
        """Return weights, the methods' states, progress and optimiser as they are, not copied."""
        return {
            "network": self.network.state_dict(),
            "states": [method.state for method in self._methods()],
            "progress": asdict(self.progress),
            "optimiser": self._resumed.get("optimiser"),
        }

    def start_from(self, first: "Training") -> None:
        """Begin after the first stage, which was the whole of another, finished training."""
        self.network.load_state_dict(first.network.state_dict())
        self.method.state = first.method.state
        seconds = first.progress.train_seconds
        self.progress = replace(first.progress, finished=False, first_stage_seconds=seconds)

    def run(self, observe: Observer, peak_memory: Callable[[], float] = lambda: 0.0) -> None:
        """Train to the end; `peak_memory()` in MiB is asked for before a checkpoint.

        Raises DivergedError for a loss that is not finite, LtbenchError where the method wrote into
        the data. On KeyboardInterrupt and ProcessLostError the last whole epoch is saved first.
        """
        if not self.progress.finished:
            with isolated(self.train, *self.feeds.values()):
                self._run(observe, peak_memory)

    def _run(self, observe: Observer, peak_memory: Callable[[], float]) -> None:
        saved, content = time.monotonic(), None
        try:
            for position in range(self.progress.stage, len(self.stages)):
                for optimiser in self._train_stage(position, observe):
                    self.progress.peak_memory_mib = peak_memory()
                    content = self._content(optimiser)
                    if self.checkpoint and time.monotonic() - saved >= self.checkpoint.every:
                        self.checkpoint.save(content)
                        saved = time.monotonic()
                self.progress.stage, self.progress.epoch, self._resumed = position + 1, 0, {}
            self.progress.finished = True
            content = self._content(None)
            if self.checkpoint:
                self.checkpoint.save(content)
        except (KeyboardInterrupt, ProcessLostError):
            if self.checkpoint and content:
                self.checkpoint.save(content)
            raise

    def scores(self, select: Selection = Selection.LAST) -> AnyScores | None:
        """Return the scores of the epoch that a rule chooses so far; None where it chose none."""
        return scores_from(plain) if (plain := getattr(self.progress, select.field)) else None

    def _train_stage(self, position: int, observe: Observer) -> Iterator[torch.optim.Optimizer]:
        """Train a stage from where it stands; yield the optimiser after every epoch."""
        stage, progress, seed = self.stages[position], self.progress, self.settings.seed
        method = stage.method or self.method
        if progress.epoch == 0:
            if position:
                self._begin_stage(position)
            reset(self.network, stage, seed)
        optimiser = optimiser_for(self.network, stage)
        if self._resumed and progress.epoch:
            optimiser.load_state_dict(self._resumed["optimiser"])

        def after_step(step: int, steps: int, images: int) -> None:
            progress.steps += 1
            progress.images += images
            observe(self._report(step, steps, time.perf_counter() - started))

        for epoch in range(progress.epoch, stage.recipe.epochs):
            started = time.perf_counter()
            losses, logged = train_epoch(
                method, self.network, optimiser, feed=self.train, stage=stage, epoch=epoch,
                autocast=self.autocast, seed=seed, after_step=after_step,
            )  # fmt: skip
            progress.train_seconds += time.perf_counter() - started
            progress.waited_seconds += self.train.waited()
            progress.skipped = sorted({*progress.skipped, *self.train.skipped})
            progress.epoch, progress.epochs_done = epoch + 1, progress.epochs_done + 1
            if not losses.isfinite().all():
                bad = int((~losses.isfinite()).nonzero()[0])
                raise DivergedError(progress.epochs_done, bad + 1)
            self._steps, last = len(losses), (epoch + 1) * len(losses) - 1
            row = {
                "epoch": progress.epochs_done, "stage": stage.name,
                "learning_rate": stage.recipe.learning_rate_at(epoch, last),
                "loss": float(losses.mean()), **self._evaluate(),
                "seconds": progress.train_seconds + progress.evaluate_seconds,
            }  # fmt: skip
            # Columns in this order; a method's names never hide the engine's.
            row = {**row, **logged, **method.curves(), **row}
            progress.curves.append(row)
            ended = {"loss": row["loss"], "headline": row.get(self.metric), "curves": dict(row)}
            observe(self._report(0, len(losses), **ended))
            yield optimiser

    def _begin_stage(self, position: int) -> None:
        """Take the network that the method trains in a later stage."""
        name = self.stages[position].name
        with seeded(self.settings.seed, "enter", name):  # the name the stream has in old records
            network = begin_stage(self.method, self.network, name)
        self.network = network.to(self.settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _evaluate(self) -> dict[str, Any]:
        """Evaluate on the test set if the epoch is due; return accuracies for the curves, or {}."""
        progress, epoch = self.progress, self.progress.epochs_done
        if epoch % self.settings.evaluate_every and epoch != self.epochs:
            return {}
        started = time.perf_counter()
        metric, progress.last = self.metric, self._scores_on("test").model_dump()
        if progress.best is None or progress.last[metric] > progress.best[metric]:
            progress.best = progress.last
        row = {name: progress.last[name] for name in (metric, "many", "medium", "few")}
        if "validation" in self.feeds:
            row[f"validation_{metric}"] = held_out = self._scores_on("validation").headline
            if held_out > progress.selected_by:
                progress.selected_by, progress.selected = held_out, progress.last
        progress.evaluate_seconds += time.perf_counter() - started
        return row

    def _scores_on(self, subset: str) -> AnyScores:
        method, feed = self.method, self.feeds[subset]
        logits = logits_of(method, finalised(method, self.network), feed, self.autocast)
        if not logits.isfinite().all():  # the last step of an epoch can spoil the weights unseen
            raise DivergedError(self.progress.epochs_done, self._steps)
        return self.score(logits, subset, self.progress.epochs_done)

    def _report(self, step: int, steps: int, running: float = 0.0, **ended: Any) -> ProgressEvent:
        p, train_seconds = self.progress, self.progress.train_seconds + running
        return ProgressEvent(
            epoch=p.epochs_done, epochs=self.epochs, step=step, steps=steps,
            seconds=train_seconds + p.evaluate_seconds,
            images_per_second=p.images / train_seconds if train_seconds else math.nan,
            waiting=p.waited_seconds / max(p.train_seconds, 1e-9), **ended,
        )  # fmt: skip

    def _methods(self) -> list[Method]:
        """Return the run's method, then those in charge of single stages, each once."""
        found = [self.method, *(stage.method for stage in self.stages if stage.method)]
        return list({id(method): method for method in found}.values())

    def _content(self, optimiser: torch.optim.Optimizer | None) -> dict[str, Any]:
        """Return a copy of everything a resumed run needs; training goes on in the original."""
        return copy.deepcopy({**self.snapshot(), "optimiser": optimiser and optimiser.state_dict()})
