"""The kind of device that an executor's workers train on, which this machine may not have."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from torch.cuda import is_available

from ltbench.engine.precision import device_of
from ltbench.errors import UsageError
from ltbench.runs.cost import CostModel
from ltbench.runs.record import Record
from ltbench.runs.recorded_cost import Costs, CostsElsewhere
from ltbench.runs.timing import StepTimer
from ltbench.runs.workspace import Workspace

KINDS = ("auto", "cpu", "cuda")


def check_kind(device: str, executor: str) -> None:
    """Raise UsageError for a device that workers of a cluster are not given; none is asked for."""
    if device in KINDS:
        return
    if device.partition(":")[0] not in KINDS:
        device_of(device)  # raises for what is nowhere a device
    raise UsageError(
        f"--device {device}: which GPU a training gets is up to {executor}; give cuda, cpu or auto."
    )


def trains_on(executor: object, device: str) -> str | None:
    """Return the device that an executor's workers train on, as far as it is known before they do.

    An executor says so by an attribute of this name, which is None where only its cluster knows;
    one without is taken at its word, the command's `--device`.
    """
    found: str | None = getattr(executor, "trains_on", device)
    return found


def is_here(device: str | None) -> bool:
    """Return whether this machine has a device of the kind, so that steps can be timed on it."""
    return device is not None and (not device.startswith("cuda") or is_available())


def costs_on(
    device: str | None,
    workspace: Workspace,
    records: Iterable[Record],
    say: Callable[[str], None] = lambda words: None,
) -> Costs:
    """Return what estimates trainings on a device: records and timed steps where it is here.

    On a GPU where this machine has none, records of GPUs alone; of an unknown device nothing. `say`
    is told which training's steps are being timed, which takes seconds.
    """
    if device is None:
        return CostsElsewhere(())
    if not is_here(device):
        return CostsElsewhere(records)
    return CostModel(records, StepTimer(replace(workspace, device=device), say))
