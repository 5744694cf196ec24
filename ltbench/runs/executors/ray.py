"""Ray as an executor: tasks with fractions of a GPU, on this machine or a cluster's."""

import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from ltbench.engine.precision import device_of
from ltbench.errors import LtbenchError, first_line
from ltbench.runs.apart import LostError
from ltbench.runs.executors.deadline import Deadline
from ltbench.runs.executors.devices import check_kind, is_here
from ltbench.runs.executors.failures import give_up, reason_of
from ltbench.runs.executors.interface import Options, Outcome, RunListener
from ltbench.runs.executors.order import Order
from ltbench.runs.executors.ray_nodes import check_nodes
from ltbench.runs.executors.remote import Followed, by_first_stage
from ltbench.runs.plan import Job
from ltbench.runs.signals import alarm
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace

LOCAL = "local"  # address of a cluster that is started here
SECONDS_BETWEEN = 1.0  # two readings of the results folder
SECONDS_TO_ANSWER = 10.0
SMALL_STORE = 2**27  # bytes of a cluster here for objects, and only orders go through it
SECONDS_TO_NOTICE = 5.0  # that Ray may take to give a dead machine no more tasks
SECONDS_TO_SHOW = 10.0  # that a shared file system may take to show a new file


class Ray:
    """Tasks of the Ray cluster at an address, as `ray:auto`; `ray` alone starts one here."""

    def __init__(self, argument: str, options: Options) -> None:
        self.address, self.options = argument or LOCAL, options
        device = options.places[0]
        check_kind(device, "Ray")
        if self.address == LOCAL:
            device_of(device)  # it has to be here
        known = device != "auto" or self.address == LOCAL or is_here("cuda")
        self.trains_on = device if known else None
        self.ray = _imported()

    def run(self, jobs: Sequence[Job], workspace: Workspace, listener: RunListener) -> Outcome:
        """Run jobs as tasks; on KeyboardInterrupt, and at the time limit, each saves first."""
        deadline = Deadline.of(self.options, workspace, self.trains_on)
        begun = not self.ray.is_initialized()
        if begun:
            self.connect()
        try:
            with alarm(deadline.left if deadline else None):
                return self._run(jobs, workspace, listener, deadline)
        finally:
            if begun:
                self.ray.shutdown()

    def _run(
        self, jobs: Sequence[Job], workspace: Workspace, listener: RunListener,
        deadline: Deadline | None,
    ) -> Outcome:  # fmt: skip
        store, outcome = Store(workspace.results), Outcome()
        followed = {job.fingerprint: Followed(job, store) for job in jobs}
        retries_left = Counter({job.fingerprint: self.options.retries for job in jobs})
        workspace = self.placed(workspace)
        if self.address != LOCAL:
            check_nodes(self.ray, store.root.resolve())
        task = self.task(workspace, _work)
        under_way, first_stages = self._begin(jobs, workspace, task)
        try:
            while under_way:
                ready, _ = self.ray.wait([*under_way], timeout=SECONDS_BETWEEN)
                for each in followed.values():
                    each.report_progress(listener)
                if deadline is not None:
                    for reference in self._too_late(under_way, followed, ready, deadline):
                        self.ray.cancel(reference, force=False)
                        outcome.left.append(followed.pop(under_way.pop(reference)).job)
                for reference in ready:
                    fingerprint = under_way.pop(reference)
                    each = followed[fingerprint]
                    reason, is_lost = self._end_of(reference)
                    settled = _settles(each, 0 if reason else SECONDS_TO_SHOW)
                    if not settled and is_lost and retries_left[fingerprint]:
                        retries_left[fingerprint] -= 1
                        each.lost(reason, listener)
                        time.sleep(SECONDS_TO_NOTICE)
                        order = Order.of(each.job, workspace, self.options.loaded)
                        under_way[task.remote(order)] = fingerprint
                        continue
                    if not settled:
                        words = reason or "its Ray task left no record in the results folder."
                        give_up(each.job, words, replace(workspace, device="cpu"))
                    each.close(outcome, listener)
                    del followed[fingerprint]
        except KeyboardInterrupt:
            left = [*under_way, *first_stages]
            for reference in left:
                self.ray.cancel(reference, force=False)
            if left:
                self.ray.wait(left, num_returns=len(left), timeout=self.options.signal_before)
            raise
        return outcome

    def _too_late(
        self,
        under_way: dict[Any, str],
        followed: dict[str, Followed],
        ready: Sequence[Any],
        deadline: Deadline,
    ) -> list[Any]:
        """Return the tasks that have not begun to train and of which no epoch would end in time."""
        waiting = {
            reference: followed[fingerprint] for reference, fingerprint in under_way.items()
            if reference not in ready
        }  # fmt: skip
        return [
            reference for reference, each in waiting.items()
            if not deadline.allows(each.job) and not each.is_under_way()
        ]  # fmt: skip

    def _begin(
        self, jobs: Sequence[Job], workspace: Workspace, task: Any
    ) -> tuple[dict[Any, str], list[Any]]:
        """Begin a task a job; those that share a first stage begin when it has ended.

        Returns the tasks by reference, and those that are nothing but a first stage.
        """
        loaded, found, first_stages = self.options.loaded, {}, []
        alone, after = by_first_stage(jobs, Store(workspace.results))
        for job in alone:
            found[task.remote(Order.of(job, workspace, loaded))] = job.fingerprint
        references = {fingerprint: reference for reference, fingerprint in found.items()}
        for fingerprint, members in after.items():
            before = references.get(fingerprint)
            if before is None:
                first = replace(Order.of(members[0], workspace, loaded), first_stage_only=True)
                before = task.remote(first)
                first_stages.append(before)
            for job in members:
                found[task.remote(Order.of(job, workspace, loaded), before)] = job.fingerprint
        return found, first_stages

    def placed(self, workspace: Workspace) -> Workspace:
        """Return the workspace of tasks, with the device that the cluster has for them.

        Raises LtbenchError where a GPU is asked for and it has none.
        """
        has_gpus = bool(self.ray.cluster_resources().get("GPU"))
        if workspace.device == "cuda" and not has_gpus:
            raise LtbenchError(
                f"the Ray cluster at {self.address} has no GPU; add a machine with one, or give "
                "--device cpu."
            )
        kind = "cuda" if workspace.device != "cpu" and has_gpus else "cpu"
        return replace(workspace, device=kind)

    def task(self, workspace: Workspace, work: Callable[..., Any]) -> Any:
        """Return a function as a task of one core and, where there are GPUs, a share of one."""
        gpus = 1 / self.options.per_gpu if workspace.device == "cuda" else 0.0
        return self.ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(work)

    def _end_of(self, reference: Any) -> tuple[str, bool]:
        """Return in words how a task ended, if not well, and whether its worker was lost."""
        errors = self.ray.exceptions
        try:
            self.ray.get(reference)
        except errors.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            # A task whose first stage's worker is lost fails by that, and may be tried again too;
            # one whose first stage failed by itself would fail again.
            lost = isinstance(cause, errors.RayError) and not isinstance(cause, errors.RayTaskError)
            return reason_of(cause), lost or isinstance(cause, LostError)
        except errors.RayError as error:
            return f"its Ray worker is lost ({first_line(error)[:200]}).", True
        return "", False

    def connect(self) -> None:
        """Begin a cluster here, or join the one at the address."""
        before = signal.getsignal(signal.SIGTERM)  # Ray sets one that ends without saving
        own = {"include_dashboard": False, "object_store_memory": SMALL_STORE}
        try:
            _check_answers(self.address)
            self.ray.init(
                address=self.address, log_to_driver=False, logging_level="ERROR",
                **(own if self.address == LOCAL else {}),
            )  # fmt: skip
        except Exception as error:
            raise LtbenchError(
                f"no Ray cluster answers at {self.address} ({first_line(error)}); "
                "`ray start --head` starts one."
            ) from error
        finally:
            signal.signal(signal.SIGTERM, before)


def _check_answers(address: str) -> None:
    """Raise OSError where nothing answers at an address: Ray itself would ask for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()


def _settles(followed: Followed, seconds: float) -> bool:
    """Return whether a job is settled, within the time that a file system takes to show it."""
    until = time.monotonic() + seconds
    while not (settled := followed.settled()) and time.monotonic() < until:
        time.sleep(0.5)
    return settled


def _work(order: Order, before: None = None) -> None:
    """Fill an order in a task, when what it waits for has ended."""
    order.fill()


def _imported() -> Any:
    try:
        return import_module("ray")
    except ImportError:
        raise LtbenchError(
            "--executor ray needs Ray, which is not installed; "
            "`python -m pip install ltbench[ray]` brings it."
        ) from None
