"""Slurm as an executor, by submitit: arrays of jobs, first stages before what depends on them.

Slurm is asked what runs by `squeue`, and how a job ended by `scontrol`; `sacct`, which many
clusters lack, is not needed. Whether a training is finished, the results folder says.
"""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from ltbench.errors import LtbenchError, UsageError, first_line
from ltbench.runs.executors.devices import check_kind
from ltbench.runs.executors.failures import give_up
from ltbench.runs.executors.interface import Options, Outcome, RunListener
from ltbench.runs.executors.order import Order
from ltbench.runs.executors.remote import Followed, by_first_stage
from ltbench.runs.executors.slurm_output import FOLDER, Outputs, UnseenError
from ltbench.runs.executors.slurm_profile import Profile
from ltbench.runs.executors.slurm_queue import NoAnswerError, cancel, end_of, queued
from ltbench.runs.executors.slurm_time import minutes_for
from ltbench.runs.executors.slurm_worker import work
from ltbench.runs.plan import Job
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace

SECONDS_BETWEEN = 2.0  # two questions to the cluster
ARRAY = 500  # jobs; clusters allow 1,000 unless configured otherwise
FIRST_FILE = "slurm_first_stage"  # the same of a job that is the first stage of others
ID_FILE = "slurm_job"  # beside a training's checkpoint, while it is in the queue


class Slurm:
    """Jobs of a cluster, as a profile describes them: `slurm:profile.yaml`."""

    def __init__(self, argument: str, options: Options) -> None:
        if not argument:
            raise UsageError(
                "--executor slurm needs a profile, as in slurm:profile.yaml; "
                "docs/clusters.md shows one."
            )
        if options.per_gpu > 1:
            raise UsageError(
                "--per-gpu is for this machine and Ray; a Slurm job has the GPUs of its profile."
            )
        self.profile, self.options = Profile.read(Path(argument)), options
        device = options.places[0]
        check_kind(device, "Slurm")
        if device == "cuda" and not self.profile.gpus:
            raise UsageError(
                f"--device cuda, and jobs have no GPU by {argument}; write gpus: 1 there, or give "
                "--device cpu."
            )
        self.trains_on = "cuda" if device != "cpu" and self.profile.gpus else "cpu"
        self.submitit = _submitit()
        self.first_stages: dict[str, Path] = {}  # numbers of jobs that are nothing else

    def run(self, jobs: Sequence[Job], workspace: Workspace, listener: RunListener) -> Outcome:
        """Submit jobs and follow them until every cell has a record or a failure record.

        On KeyboardInterrupt jobs save and end, or go on, as the profile says.
        """
        workspace = replace(workspace, device=self.trains_on)  # none is left to chance there
        store, outcome = Store(workspace.results), Outcome()
        followed = {job.fingerprint: Followed(job, store) for job in jobs}
        numbers = self._adopted(jobs, store)
        retries_left = Counter({job.fingerprint: self.options.retries for job in jobs})
        outputs = Outputs(store.root.resolve())
        gone: Counter[str] = Counter()  # rounds in which a job was neither in the queue nor settled
        try:
            numbers |= self.submit([j for j in jobs if j.fingerprint not in numbers], workspace)
            while followed:
                waiting = queued()
                outputs.check(numbers[each] for each in followed)
                for fingerprint, each in list(followed.items()):
                    number = numbers[fingerprint]
                    if each.settled(ended=number not in waiting):
                        each.close(outcome, listener)
                        del followed[fingerprint]
                        (store.work(fingerprint) / ID_FILE).unlink(missing_ok=True)
                        continue
                    each.report_progress(listener)
                    gone[fingerprint] = 0 if number in waiting else gone[fingerprint] + 1
                    if gone[fingerprint] < 2:  # a file system may show a record late
                        continue
                    outputs.check_ended(number)
                    reason = end_of(number)
                    if retries_left[fingerprint]:
                        retries_left[fingerprint] -= 1
                        gone[fingerprint] = 0
                        each.lost(reason, listener)
                        numbers |= self.submit([each.job], workspace)
                    else:
                        give_up(each.job, reason, replace(workspace, device="cpu"))
                time.sleep(SECONDS_BETWEEN if followed else 0)
        except (KeyboardInterrupt, UnseenError) as error:
            if self.profile.interrupt == "cancel" or isinstance(error, UnseenError):
                left = [numbers[each] for each in followed if each in numbers]
                try:
                    cancel([*left, *self.first_stages])
                except NoAnswerError as unanswered:
                    raise error from unanswered
            raise
        for path in self.first_stages.values():
            path.unlink(missing_ok=True)
        return outcome

    def _adopted(self, jobs: Sequence[Job], store: Store) -> dict[str, str]:
        """Return the numbers of jobs that an earlier command left in the queue."""
        waiting, found = queued(), {}
        for job in jobs:
            try:
                number = (store.work(job.fingerprint) / ID_FILE).read_text().strip()
            except OSError:
                continue
            if number in waiting:
                found[job.fingerprint] = number
        return found

    def submit(self, jobs: Sequence[Job], workspace: Workspace) -> dict[str, str]:
        """Submit jobs; return their numbers by fingerprint.

        A first stage that several share is a job before theirs, which begin when it has ended, so
        that none waits for it with a GPU in hand.
        """
        store = Store(workspace.results)
        there = _in_queue(jobs, store)
        alone, after = by_first_stage(jobs, store, there)
        free = [job for job in alone if job.fingerprint not in there]
        numbers = self._array([_order(job, workspace, self.options) for job in free], workspace)
        for job in alone:
            if job.fingerprint in there:  # somebody's first stage is just this training
                order = _order(job, workspace, self.options)
                numbers |= self._array([order], workspace, f"afterany:{there[job.fingerprint]}")
        for fingerprint, members in after.items():
            before = numbers.get(fingerprint) or there.get(fingerprint)
            if before is None:
                order = _order(members[0], workspace, self.options)
                only = replace(order, first_stage_only=True)
                (before,) = self._array([only], workspace).values()
                path = _keep_number(store, fingerprint, FIRST_FILE, before)
                self.first_stages[before] = path
            orders = [_order(job, workspace, self.options) for job in members]
            numbers |= self._array(orders, workspace, f"afterany:{before}")
        return numbers

    def _array(
        self, orders: Sequence[Order], workspace: Workspace, dependency: str | None = None
    ) -> dict[str, str]:
        """Submit orders as arrays; return the jobs' numbers by fingerprint."""
        numbers: dict[str, str] = {}
        for start in range(0, len(orders), ARRAY):
            some = orders[start : start + ARRAY]
            minutes = minutes_for(
                [order.job for order in some], self.profile.minutes, self.options, workspace,
                self.trains_on,
            )  # fmt: skip
            try:
                executor = self.submitit.SlurmExecutor(workspace.results.resolve() / FOLDER)
                executor.update_parameters(
                    **self.profile.parameters(minutes, self.options),
                    **({} if dependency is None else {"dependency": dependency}),
                )
                submitted = executor.map_array(work, list(some))
            except Exception as error:  # whatever submitit makes of what sbatch says
                raise LtbenchError(
                    f"Slurm does not take the jobs ({_last_line(error)}); mend the profile, "
                    "or give the command on a machine that may submit."
                ) from error
            for order, job in zip(some, submitted, strict=True):
                numbers[order.job.fingerprint] = str(job.job_id)
                if not order.first_stage_only:  # at once: the next array may be refused
                    own = Store(workspace.results)
                    _keep_number(own, order.job.fingerprint, ID_FILE, str(job.job_id))
        return numbers


def _in_queue(jobs: Sequence[Job], store: Store) -> dict[str, str]:
    """Return the numbers of queued jobs that train what jobs wait for, by fingerprint.

    A job waits for its first stage, and for one of others that is just its own training.
    """
    waiting, found = queued(), {}
    for job in jobs:
        kept = [store.work(job.fingerprint) / FIRST_FILE]
        if job.first_stage is not None:
            kept += [
                store.work(job.first_stage.fingerprint) / each for each in (ID_FILE, FIRST_FILE)
            ]
        for path in kept:
            with suppress(OSError):
                if (number := path.read_text().strip()) in waiting:
                    found[path.parent.name] = number
    return found


def _keep_number(store: Store, fingerprint: str, name: str, number: str) -> Path:
    path = store.work(fingerprint) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{number}\n")
    return path


def _order(job: Job, workspace: Workspace, options: Options) -> Order:
    return Order.of(job, workspace, options.loaded)


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(". ") if lines else first_line(error)


def _submitit() -> Any:
    try:
        return import_module("submitit")
    except ImportError:
        raise LtbenchError(
            "--executor slurm needs submitit, which is not installed; "
            "`python -m pip install ltbench[slurm]` brings it."
        ) from None
