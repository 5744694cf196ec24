"""What a job of Slurm does: it fills its order, and queues itself again when its time is over."""

import subprocess

from ltbench.engine.precision import device_of
from ltbench.errors import LtbenchError
from ltbench.runs.executors.order import Order
from ltbench.runs.executors.slurm_queue import own_number
from ltbench.runs.recording import record_failure
from ltbench.runs.signals import OutOfTimeError, interrupt_on_signals
from ltbench.runs.store import Store
from ltbench.runs.under_way import note_of


def work(order: Order) -> None:
    """Fill an order in a job of Slurm; when its time is over, save and queue it again."""
    interrupt_on_signals()  # instead of submitit's, which would end a training without saving
    store, fingerprint = Store(order.workspace.results), order.job.fingerprint
    begun, saved = note_of(store, fingerprint), _saved(order, store)
    try:
        order.fill()
    except OutOfTimeError:
        note = note_of(store, fingerprint)
        if order.first_stage_only:  # of which there is no note
            goes_on = _saved(order, store) != saved
        else:
            goes_on = note is None or note.epoch > (begun.epoch if begun else 0)
        if goes_on:
            subprocess.run(["scontrol", "requeue", own_number()], check=True, timeout=60)
            return
        error = LtbenchError(
            "not one epoch ended within the time of a Slurm job; give the profile more time."
        )
        record_failure(error, order.job.cells, device_of(order.workspace.device), store)
    except KeyboardInterrupt:  # cancelled; it has saved
        return


def _saved(order: Order, store: Store) -> int | None:
    """Return when the job's first stage was last saved, in ns; None where it never was."""
    if order.job.first_stage is None:
        return None
    try:
        return store.checkpoint_path(order.job.first_stage.fingerprint).stat().st_mtime_ns
    except FileNotFoundError:
        return None
