"""The time that jobs of Slurm ask for."""

from collections.abc import Sequence

from ltbench.runs.executors.deadline import check_epochs, epochs_timed
from ltbench.runs.executors.devices import costs_on
from ltbench.runs.executors.interface import Options
from ltbench.runs.plan import Job
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace

UNKNOWN = 3600.0  # seconds that a training counts of which nothing is known here


def minutes_for(
    jobs: Sequence[Job], asked: int | None, options: Options, workspace: Workspace, device: str
) -> int:
    """Return the minutes to ask for: twice what the longest training takes, and ten.

    The command's limit, or the profile's, `asked`, comes before; what takes longer is requeued.
    `device` is what trains, perhaps none of this machine's. Raises LtbenchError where an epoch does
    not end in that time, as far as this is known here.
    """
    if options.time_limit is not None:
        asked = max(1, int(options.time_limit // 60))
    if asked is not None:
        check_epochs(jobs, 60.0 * asked, options, epochs_timed(workspace, device))
        return asked
    costs = costs_on(device, workspace, Store(workspace.results).records())
    seconds = [costs.cost(job).seconds or UNKNOWN for job in jobs]
    return 10 + round(2 * max(seconds) / 60)
