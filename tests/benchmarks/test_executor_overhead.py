"""What worker processes cost beyond the bare loop over cells, in processor time of one run."""

import os
import time
from pathlib import Path

from ltbench.data.catalog import dataset
from ltbench.runs.execute import run_job
from ltbench.runs.executors.interface import Options, executor_of
from ltbench.runs.plan import make
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace

CELLS, FEW = 200, 4


class Nobody:
    """A listener that hears everything and does nothing."""

    def __getattr__(self, event):
        return lambda *news: None


def seconds(function) -> float:
    """Return the processor seconds of a function and the processes that it waits for."""
    before = os.times()
    function()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def test_two_workers_cost_little_beyond_the_bare_loop_over_cells(benchmark, measured, tmp_path):
    def jobs_in(folder: str, seeds):
        store = Store(tmp_path / folder)
        jobs = make([dataset("digits_lt")], ["ce"], seeds, store, protocol_name="smoke").jobs
        return jobs, Workspace(store.root, Path("data"), "cpu")

    def loop(folder: str, seeds) -> None:
        jobs, workspace = jobs_in(folder, seeds)
        for job in jobs:
            run_job(job, workspace, lambda report: None)

    def workers(folder: str, seeds) -> None:
        jobs, workspace = jobs_in(folder, seeds)
        outcome = executor_of("local", Options(("cpu", "cpu"))).run(jobs, workspace, Nobody())
        assert len(outcome.records) == len(jobs)

    def both() -> tuple[float, float, float]:
        loop("warm", range(FEW))
        start = seconds(lambda: workers("few", range(FEW)))
        plain_few = seconds(lambda: loop("plain_few", range(FEW)))
        plain = seconds(lambda: loop("plain", range(CELLS)))
        begun = time.perf_counter()
        pool = seconds(lambda: workers("pool", range(CELLS)))
        return (pool - start) / (plain - plain_few), start - plain_few, time.perf_counter() - begun

    ratio, start, wall = benchmark.pedantic(both, rounds=1)
    measured(f"processor time of two workers over a bare loop, {CELLS} cells", ratio, at_most=1.03)
    measured("starting two workers, processor seconds", start)
    measured(f"{CELLS} cells on two workers, seconds", wall)
