"""What a method cannot do on a data set, found on a few made-up images before a run begins."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from ltbench.api.method import Step
from ltbench.api.task import Clock
from ltbench.data.readers import Split, Subset
from ltbench.engine.fit import Training
from ltbench.engine.precision import threads_for
from ltbench.engine.settings import Settings
from ltbench.engine.train import (
    DivergedError,
    backward,
    epoch_batches,
    optimiser_for,
    put_in_training,
)
from ltbench.errors import LtbenchError, UsageError, located
from ltbench.networks import smallest_like
from ltbench.networks.resnet import BLOCKS
from ltbench.registry.methods import build, parts_of
from ltbench.registry.signatures import is_foreign
from ltbench.runs.apart import Ask, LostError, call_apart
from ltbench.runs.cache import keep, recalled
from ltbench.runs.code import code_of
from ltbench.runs.execute import ends_the_program
from ltbench.runs.file_system import lacking
from ltbench.runs.plan import Job
from ltbench.runs.pretrained import check_pretrained
from ltbench.runs.record import fingerprint_of
from ltbench.runs.recording import stated_deviations
from ltbench.runs.training import split_of
from ltbench.runs.workspace import Workspace

EPOCHS, SIDE = 3, 8  # enough for groups to form; nothing is learned


class Prepared(NamedTuple):
    """What was found before anything is trained, one sentence each."""

    missing: list[str]  # data
    broken: list[str]  # methods, in their rehearsal
    notes: list[str]  # what the file system of the results lacks


def prepare(
    jobs: Iterable[Job],
    workspace: Workspace,
    *,
    download: bool = True,
    files: Sequence[Path] | None = None,
) -> Prepared:
    """Read the data of every job and rehearse it, so that a run which cannot work is refused first.

    Without `download` nothing is asked of the network, and why data sets cannot be read is
    returned; else it is raised, as LtbenchError. Where `files` of foreign methods are given, be
    they none, foreign methods are rehearsed in processes of their own.
    """
    missing: dict[str, str] = {}
    jobs = list(jobs)
    for job in {(job.dataset, job.protocol): job for job in jobs}.values():  # seeds share a split
        try:
            split_of(job, replace(workspace, download=download))
        except UsageError:
            raise
        except LtbenchError as error:
            if download:
                raise
            missing[job.dataset.info.name] = str(error)
    check_pretrained(jobs, workspace.pretrained)
    ready = [job for job in jobs if job.dataset.info.name not in missing]
    broken = rehearse(ready, workspace, files)
    return Prepared([*missing.values()], broken, lacking(workspace.results))


def rehearse(
    jobs: Iterable[Job], workspace: Workspace, files: Sequence[Path] | None = None
) -> list[str]:
    """Train every method of the jobs once, to the end and evaluated, on noise.

    Two images of each class (one where the set has one), 8 pixels wide, with the class counts of
    the real set, through a small network; and one step of another network than CIFAR's, at its own
    size. Raises UsageError, naming method and reason, for the first that is refused: so
    hours do not end in an error that a second could have shown. What diverges, breaks or ends its
    process here may not do so on images; if it does, it fails when its turn comes, and does not
    stop the rest. Of what breaks, file and line are returned.
    """
    done, broken = set(), []
    for job in jobs:
        for cell in job.cells:
            key = (cell.dataset, cell.protocol, cell.network, cell.method)
            if key not in done:
                done.add(key)
                if files is not None and is_foreign(cell.method):
                    reason = _rehearse_apart(cell.method, job, workspace, files)
                else:
                    reason = _remembered(cell.method, job, workspace)
                if reason:
                    broken.append(f"{cell.method} broke on made-up images: {reason}.")
    return list(dict.fromkeys(broken))


def _rehearse_apart(method: str, job: Job, workspace: Workspace, files: Sequence[Path]) -> str:
    """Rehearse a method in a process of its own, which may die of it."""
    try:
        reason: str = call_apart(_rehearse_all, (method, job, workspace), files, method, {})
    except LostError as error:
        return str(error).rstrip(".")
    return reason


def _remembered(method: str, job: Job, workspace: Workspace) -> str:
    """Rehearse a method, unless an earlier command rehearsed the same by the same code.

    Only one that went well is remembered, by a file in the user's cache folder.
    """
    if is_foreign(method):
        return _rehearse_all(None, method, job, workspace)
    of = {
        "method": method, "network": job.network, "dataset": str(job.dataset),
        "protocol": job.protocol.specification, "counts": split_of(job, workspace).class_counts,
        "rehearsal": [EPOCHS, SIDE, smallest_like(job.network)], "torch": torch.__version__,
        "code": job.identity.code if method == job.trained else code_of(build(method)),
    }  # fmt: skip
    name = f"rehearsals/{fingerprint_of(of)[:16]}.json"
    if recalled(name):
        return ""
    reason = _rehearse_all(None, method, job, workspace)
    if not reason:
        with suppress(LtbenchError):  # then the next command rehearses once more
            keep(name, of)
    return reason


def _rehearse_all(ask: Ask | None, method: str, job: Job, workspace: Workspace) -> str:
    """Rehearse a method; nothing of the process that asks for it is needed."""
    real = split_of(job, workspace)
    reason = _rehearse(method, job, _noise(job, real))
    if job.network not in BLOCKS:
        _step(method, job, real)
    return reason


def _rehearse(method: str, job: Job, data: Split) -> str:
    info = replace(job.dataset.info, shape=(job.dataset.info.shape[0], SIDE, SIDE))
    recipe = replace(job.protocol.recipe(), epochs=EPOCHS, warmup_epochs=0)
    small, cpu = smallest_like(job.network), torch.device("cpu")
    settings = Settings(info, small, recipe, "float32", EPOCHS, 0, cpu)
    try:
        built = build(method)
        for part in parts_of(built):
            stated_deviations(part)
        with threads_for(info.shape):
            Training(built, data, settings).run(lambda report: None)
    except (LtbenchError, TypeError) as error:
        if not isinstance(error, DivergedError):
            reason = str(error).rstrip(".")
            raise UsageError(f"{method} cannot be trained on {job.dataset}: {reason}.") from error
    except KeyboardInterrupt:
        raise
    except Exception as error:
        return located(error)  # it may be these images
    except BaseException as error:
        return str(ends_the_program(method, error)).rstrip(".")
    return ""


def _step(method: str, job: Job, real: Split) -> None:
    """Take one step of the real network on made-up images of the real size.

    Raises UsageError where the network does not do for the method, or for the size.
    """
    info = job.protocol.sized(job.dataset.info)
    side = info.shape[1]
    two = torch.zeros(len(real.class_counts), dtype=torch.int64)
    two[:2] = 2
    draw = torch.Generator().manual_seed(0)
    images = Subset.noise(two, (info.shape[0], side, side), draw, info.kind)
    data = replace(real, train=images, test=images, validation=None)
    recipe = replace(
        job.protocol.recipe(), batch_size=len(images.labels), warmup_epochs=0, drop_last=False
    )
    settings = Settings(info, job.network, recipe, "float32", EPOCHS, 0, torch.device("cpu"))
    try:
        training = Training(build(method), data, settings)
        stage = training.stages[0]
        in_charge = stage.method or training.method
        optimiser_for(training.network, stage)
        put_in_training(training.network, stage)
        clock = Clock(stage.name, 0, stage.recipe.epochs, recipe=stage.recipe)
        batch = next(epoch_batches(training.train, in_charge, stage, clock))
        step = Step(in_charge, training.network, batch, clock, training.autocast)
        backward(step, stage.recipe)
    except LtbenchError as error:
        reason = str(error).rstrip(".")
        raise UsageError(f"{method} cannot be trained with {job.network}: {reason}.") from error
    except Exception as error:
        raise UsageError(
            f"{method} cannot be trained with {job.network} on images of {side} pixels: "
            f"{located(error)}."
        ) from error


def _noise(job: Job, real: Split) -> Split:
    draw, shape = torch.Generator().manual_seed(0), (job.dataset.info.shape[0], SIDE, SIDE)
    few = torch.tensor(real.class_counts).clamp_max(2)
    one = torch.ones_like(few)
    held_out = one * max(1, job.protocol.validation)
    kind = job.dataset.info.kind
    held = None if real.validation is None else Subset.noise(held_out, shape, draw, kind)
    train, test = (Subset.noise(each, shape, draw, kind) for each in (few, one))
    return replace(real, train=train, test=test, validation=held)
