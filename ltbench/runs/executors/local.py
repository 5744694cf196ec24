"""This machine as an executor."""

from collections.abc import Sequence
from dataclasses import replace

from ltbench.errors import UsageError
from ltbench.registry.signatures import is_foreign
from ltbench.runs.executors.deadline import Deadline
from ltbench.runs.executors.interface import Options, Outcome, RunListener
from ltbench.runs.executors.workers import run_here, run_in_workers
from ltbench.runs.plan import Job
from ltbench.runs.signals import alarm
from ltbench.runs.together import check_joint
from ltbench.runs.workspace import Workspace


class Local:
    """Jobs in this process, or in worker processes where several run at once."""

    def __init__(self, argument: str, options: Options) -> None:
        if argument:
            raise UsageError(f"--executor local:{argument}: write local alone.")
        self.options = options

    def run(self, jobs: Sequence[Job], workspace: Workspace, listener: RunListener) -> Outcome:
        """Run jobs; on KeyboardInterrupt all save first.

        Where methods are not ltbench's own, this process, which knows their code, trains nothing
        itself, unless with `debug`.
        """
        asked, here = self.options, replace(workspace, device=self.options.places[0])
        deadline = Deadline.of(asked, here, here.device)
        allows = deadline.allows if deadline else lambda job: True
        names = {cell.method for job in jobs for cell in job.cells}
        foreign = bool(asked.loaded) or any(map(is_foreign, names))
        check_joint("local", asked.places, foreign)
        with alarm(deadline.left if deadline else None):
            if len(asked.places) == 1 and (asked.debug or not foreign):
                return run_here(jobs, here, listener, asked.debug, allows)
            return run_in_workers(
                jobs, workspace, listener, asked.places, asked.loaded,
                retries=asked.retries, allows=allows,
            )  # fmt: skip
