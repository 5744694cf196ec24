"""What a worker on another machine is given, what it checks there, and how it fills it."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from ltbench.engine.precision import device_of
from ltbench.engine.train import ProgressEvent
from ltbench.errors import LtbenchError
from ltbench.registry.methods import baseline, build
from ltbench.registry.signatures import is_foreign
from ltbench.runs.apart import LostError, evaluated_apart
from ltbench.runs.code import code_of
from ltbench.runs.environment import in_words, source_state
from ltbench.runs.execute import run_job
from ltbench.runs.executors.shared_folder import check_shared, mark_of
from ltbench.runs.plan import Job
from ltbench.runs.recording import record_failure
from ltbench.runs.store import Store
from ltbench.runs.training import Callbacks, train_first_stage
from ltbench.runs.workspace import Workspace

Code = Mapping[str, Mapping[str, str]]  # hashes by method and group of modules


@dataclass(frozen=True)
class Order:
    """A job for a worker on another machine; it does not read the network for data."""

    job: Job
    workspace: Workspace
    loaded: tuple[Path, ...]
    source: tuple[str, str | None, bool | None]  # version, commit, whether it changed since
    code: Code
    mark: str  # of the results folder
    first_stage_only: bool = False

    @classmethod
    def of(cls, job: Job, workspace: Workspace, loaded: Sequence[Path]) -> "Order":
        """Return the order of a job, with whole paths; its folder under `work` is made."""
        whole = replace(
            workspace, results=workspace.results.expanduser().resolve(),
            data=workspace.data.expanduser().resolve(), download=False,
        )  # fmt: skip
        Store(whole.results).work(job.fingerprint).mkdir(parents=True, exist_ok=True)
        files = tuple(path.expanduser().resolve() for path in loaded)
        return cls(job, whole, files, source_state(), code_for(job), mark_of(whole.results))

    def fill(self) -> None:
        """Train, in the worker; what fails leaves a failure record.

        Raises LtbenchError where this machine does not see or cannot write the results, and
        LostError where a foreign method's process died.
        """
        store, job = Store(self.workspace.results), self.job
        check_shared(store.root, self.mark)
        try:
            self._check_code()
            self._check_device()
        except LtbenchError as error:
            record_failure(error, job.cells, device_of("cpu"), store)
            return
        if self.first_stage_only:
            callbacks = Callbacks(_ignore)
            train_first_stage(job, 1, self.workspace, callbacks)
            return
        try:
            apart = partial(evaluated_apart, files=self.loaded)
            run_job(job, self.workspace, _ignore, apart=apart)
        except LostError:  # it is tried again, so it has not failed yet
            for cell in job.cells:
                store.failure_path(cell).unlink(missing_ok=True)
            raise
        except Exception:
            if not all(store.failure_path(cell).exists() for cell in job.cells):
                raise

    def _check_code(self) -> None:
        """Raise LtbenchError where a training here would not be computed as it was planned.

        A commit that one of both does not know, as where a node has no git, says nothing.
        """
        here, there = source_state(), self.source
        one = here[0] == there[0] and (None in (here[1], there[1]) or here[1] == there[1])
        # Another version may lack the method; changes that the hashes do not show change nothing.
        names = _differing(code_for(self.job), self.code) if one else []
        if one and not names:
            return
        differing = f", whose code differs in {', '.join(names)}" if names else ""
        raise LtbenchError(
            f"{platform.node()} has ltbench {in_words(here)}, and the command was given with "
            f"{in_words(there)}{differing}; install the same on both."
        )

    def _check_device(self) -> None:
        try:
            device_of(self.workspace.device)
        except LtbenchError as error:
            raise LtbenchError(
                f"{platform.node()} has {str(error).partition(';')[0].replace(' here', '')}; give "
                "the command a cluster's machines with GPUs, or --device cpu."
            ) from None


def code_for(job: Job) -> Code:
    """Return the hashes of the code that computes a job's cells.

    Of a foreign method's cells it is that of the training loop; its own files are in the job.
    """
    methods = {job.trained, *(cell.method for cell in job.cells)}
    return {each: _code(baseline() if is_foreign(each) else each) for each in sorted(methods)}


@cache
def _code(method: str) -> Mapping[str, str]:
    return code_of(build(method))


def _differing(here: Code, there: Code) -> list[str]:
    """Return the groups of modules, with both hashes, that differ."""
    found = {}
    for method, groups in there.items():
        own = here[method]
        for name in sorted({*own, *groups}):
            if own.get(name) != groups.get(name):
                found[name] = f"{name} ({own.get(name, 'none')} and {groups.get(name, 'none')})"
    return list(found.values())


def _ignore(report: ProgressEvent) -> None:
    """Report nothing: progress is read from the note beside the checkpoint."""
