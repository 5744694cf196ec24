"""What ends a command early is one sentence, with an exit code of its own."""

import pytest

from ltbench.runs.interruption import (
    InterruptedRunError,
    TimeLimitError,
    interruptible,
    time_limited,
)
from ltbench.runs.signals import OutOfTimeError
from ltbench.runs.store import Store
from ltbench.runs.under_way import Note


@pytest.mark.parametrize(
    ("raised", "error", "code"),
    [(KeyboardInterrupt, InterruptedRunError, 130), (OutOfTimeError, TimeLimitError, 75)],
)
def test_a_command_says_why_it_ended(tmp_path, raised, error, code):
    with pytest.raises(error, match="the same command goes on") as caught, interruptible(tmp_path):
        raise raised
    assert caught.value.exit_code == code


def test_within_a_plan_only_time_is_said_so_that_a_notebooks_interrupt_stays_one(tmp_path):
    with pytest.raises(TimeLimitError), time_limited(tmp_path, set()):
        raise OutOfTimeError
    with pytest.raises(KeyboardInterrupt), time_limited(tmp_path, set()):
        raise KeyboardInterrupt


def test_other_errors_and_none_pass(tmp_path):
    with pytest.raises(ValueError, match="other"), interruptible(tmp_path):
        raise ValueError("other")
    with interruptible(tmp_path):
        pass


def test_three_trainings_are_named_and_more_are_hinted_at():
    names = [f"ce, seed {seed}: 1 of 9" for seed in range(4)]
    assert str(TimeLimitError(names[:1])).endswith("goes on (ce, seed 0: 1 of 9).")
    assert "seed 2: 1 of 9; …)" in str(InterruptedRunError(names))
    assert "seed 3" not in str(InterruptedRunError(names))
    assert str(InterruptedRunError()).endswith("from the last finished epoch.")


def test_only_the_trainings_of_the_command_are_named(tmp_path, jobs_of):
    """An earlier command's are in the store, too."""
    store, (own, other) = Store(tmp_path), jobs_of(tmp_path, ["ce", "focal"])
    for job, epoch in ((own, 3), (other, 1)):
        store.work(job.fingerprint).mkdir(parents=True)
        Note.of(store, job.fingerprint, job.cells).update(epoch, 9, 1.0)

    def interrupt(jobs):
        with interruptible(tmp_path) as cells:
            cells.update(cell for job in jobs for cell in job.cells)
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError, match=r"\(ce, seed 0: 3 of 9\)"):
        interrupt([own])
    with pytest.raises(InterruptedRunError, match=r"last finished epoch\.$"):
        interrupt([])
