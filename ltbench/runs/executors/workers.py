"""Jobs in this process or in worker processes; one failure does not stop the rest."""

import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from ltbench.runs.apart import LostError, death, evaluated_apart, start_alone
from ltbench.runs.execute import BusyError, run_job
from ltbench.runs.executors.failures import give_up, reason_of
from ltbench.runs.executors.interface import Outcome, RunListener
from ltbench.runs.plan import Job
from ltbench.runs.signals import interrupt_on_signals
from ltbench.runs.training import throttled
from ltbench.runs.workspace import Workspace

Queue = deque[tuple[Job, bool]]  # whether to wait where another process is at the job


def _always(job: Job) -> bool:
    return True


def run_here(
    jobs: Sequence[Job],
    workspace: Workspace,
    listener: RunListener,
    debug: bool,
    allows: Callable[[Job], bool] = _always,
) -> Outcome:
    """Run jobs one after the other in this process; `debug` lets unforeseen errors through.

    What `allows` refuses when its turn comes is left.
    A job that another process is at comes again after the others, and is then waited for.
    """
    outcome, queue = Outcome(), deque((job, False) for job in jobs)
    while queue:
        job, patient = queue.popleft()
        if not allows(job):
            outcome.left.append(job)
            continue
        listener.started(job)
        try:
            report, waiting = partial(listener.report, job), partial(listener.waiting, job)
            records = run_job(job, workspace, report, waiting if patient or not queue else _refuse)
        except BusyError:
            queue.append((job, True))
            listener.postponed(job)
        except Exception as error:
            if debug or isinstance(error, BrokenPipeError):
                raise
            _fail(outcome, listener, job, reason_of(error))
        else:
            outcome.records += records
            listener.finished(job, records)
    return outcome


def run_in_workers(
    jobs: Sequence[Job],
    workspace: Workspace,
    listener: RunListener,
    places: Sequence[str],
    loaded: Sequence[Path],
    *,
    retries: int = 0,
    allows: Callable[[Job], bool] = _always,
) -> Outcome:
    """Run jobs in processes that share the machine's cores, one on each of the places' devices.

    A worker that dies costs its job only, which is tried again up to `retries` times. On
    KeyboardInterrupt every worker saves first. What `allows` refuses when its turn comes is left.
    """
    outcome, queue = Outcome(), deque((job, False) for job in jobs)
    threads = max(1, torch.get_num_threads() // len(places))
    retries_left = Counter({job.fingerprint: retries for job in jobs})
    team = [
        _Worker(replace(workspace, device=device), threads, loaded, retries_left)
        for device in places[: len(jobs)]
    ]
    try:
        for worker in team:
            worker.give_next(queue, allows, outcome, listener)
        while busy := [worker for worker in team if worker.job is not None]:
            ready = wait([worker.connection for worker in busy])
            for worker in (worker for worker in busy if worker.connection in ready):
                if worker.receive(outcome, listener, queue):
                    worker.give_next(queue, allows, outcome, listener)
    finally:
        for worker in team:  # all are asked before one is waited for: they save side by side
            worker.ask_to_stop()
        for worker in team:
            worker.process.join()
    return outcome


class _Worker:
    """The parent's end of a worker process."""

    def __init__(
        self, workspace: Workspace, threads: int, loaded: Sequence[Path], retries_left: Counter[str]
    ) -> None:
        self.arguments = (workspace, threads, tuple(loaded))
        self.workspace = workspace
        self.retries_left = retries_left  # by the job's fingerprint
        self.job: Job | None = None
        self.connection, self.process = self._start()

    def give_next(
        self, queue: Queue, allows: Callable[[Job], bool], outcome: Outcome, listener: RunListener
    ) -> None:
        """Hand over the next job that is allowed, if there is one; leave the others."""
        while queue and self.job is None:
            job, patient = queue.popleft()
            if allows(job):
                self.give(job, patient, listener)
            else:
                outcome.left.append(job)

    def give(self, job: Job, patient: bool, listener: RunListener) -> None:
        """Hand over a job; a patient worker waits for another process that is at it."""
        self.job = job
        try:
            self.connection.send((job, patient))
        except OSError:  # it died since its last job
            self.connection, self.process = self._start()
            self.connection.send((job, patient))
        listener.started(job)

    def receive(self, outcome: Outcome, listener: RunListener, queue: Queue) -> bool:
        """Take one message; returns whether the worker is free again."""
        assert self.job is not None
        job = self.job
        try:
            kind, content = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            kind, content = "lost", death(self.process.exitcode, "; try fewer --jobs")
            self.connection, self.process = self._start()
        if kind == "lost":
            self.job = None
            if self.retries_left[job.fingerprint]:
                self.retries_left[job.fingerprint] -= 1
                queue.append((job, False))
                listener.lost(job, content)
            else:
                give_up(job, content, self.workspace)
                _fail(outcome, listener, job, content)
            return True
        if kind == "report":
            listener.report(job, content)
        elif kind == "waiting":
            listener.waiting(job)
        elif kind == "postponed":
            queue.append((job, True))
            listener.postponed(job)
        elif kind == "finished":
            outcome.records += content
            listener.finished(job, content)
        else:
            _fail(outcome, listener, job, content)
        if kind in ("finished", "failed", "postponed"):
            self.job = None
        return self.job is None

    def ask_to_stop(self) -> None:
        """Ask the process to end; one that is training saves its last whole epoch first."""
        if self.job is not None:
            self.process.terminate()
        self.connection.close()

    def _start(self) -> tuple[Connection, BaseProcess]:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, *self.arguments))
        start_alone(process)
        theirs.close()
        return ours, process


def _work(connection: Any, workspace: Workspace, threads: int, loaded: tuple[Path, ...]) -> None:
    """Serve jobs from the parent until it closes the connection.

    Methods that are not ltbench's own run in processes of theirs, which find them in `loaded`.
    """
    interrupt_on_signals(signal.SIGINT)  # a Ctrl-C reaches the parent, which decides
    torch.set_num_threads(threads)
    apart = partial(evaluated_apart, files=loaded)
    try:
        while True:
            job, patient = connection.recv()
            observe = throttled(lambda report: connection.send(("report", report)))
            try:
                wait = (lambda: connection.send(("waiting", None))) if patient else _refuse
                records = run_job(job, workspace, observe, wait, apart)
            except BusyError:
                connection.send(("postponed", None))
            except LostError as error:
                connection.send(("lost", str(error)))
            except Exception as error:
                connection.send(("failed", reason_of(error)))
            else:
                connection.send(("finished", records))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def _refuse() -> None:
    raise BusyError


def _fail(outcome: Outcome, listener: RunListener, job: Job, reason: str) -> None:
    outcome.failures[str(job)] = reason
    listener.failed(job, reason)
