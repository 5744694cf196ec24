"""Failure records, and the reason in them, of jobs that ended without records."""

from ltbench.engine.precision import device_of
from ltbench.errors import LtbenchError, located
from ltbench.runs.plan import Job
from ltbench.runs.recording import record_failure
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace


def give_up(job: Job, reason: str, workspace: Workspace) -> None:
    """Write why the cells of a job whose worker is gone have no record."""
    store = Store(workspace.results)
    missing = [cell for cell in job.cells if job.anew or store.content(cell) is None]
    record_failure(LtbenchError(reason), missing, device_of(workspace.device), store)


def reason_of(error: Exception) -> str:
    """Return one line on why a job stopped."""
    if isinstance(error, LtbenchError):
        return str(error)
    return f"{located(error)}; --debug shows the traceback"
