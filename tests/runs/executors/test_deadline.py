"""Time limits: what is begun before one, and what is saved at it."""

import signal
import time
from dataclasses import replace

import pytest

import ltbench
from ltbench import session
from ltbench.errors import UsageError
from ltbench.runs.executors.deadline import Deadline, epoch_seconds
from ltbench.runs.executors.interface import Options, Outcome, executor_of
from ltbench.runs.executors.workers import run_here, run_in_workers
from ltbench.runs.interruption import TimeLimitError
from ltbench.runs.recorded_cost import CostEstimate
from ltbench.runs.signals import OutOfTimeError, alarm
from ltbench.runs.store import Store
from ltbench.runs.under_way import Note, note_of

LONG = "fast(epochs=5000, evaluate_every=5000)"


class ConstantCost:
    """Every training takes a minute and a half."""

    def cost(self, job):
        return CostEstimate(90.0, "records")


def test_an_epoch_takes_what_the_training_took_so_far_else_its_share_of_the_price(store, jobs_of):
    (job,) = jobs_of(store.root, protocol_name="fast(epochs=30, evaluate_every=10)")
    assert epoch_seconds(job, store, ConstantCost()) == pytest.approx(3.0)
    note = Note.of(store, job.fingerprint, job.cells)
    store.work(job.fingerprint).mkdir(parents=True)
    note.update(4, 30, 20.0)
    assert epoch_seconds(job, store, ConstantCost()) == pytest.approx(5.0)


def test_only_what_can_finish_an_epoch_in_time_is_begun(jobs_of, store):
    (job,) = jobs_of(store.root)
    now = time.monotonic()
    assert Deadline(now + 10, lambda job: 9.0).allows(job)
    assert not Deadline(now + 10, lambda job: 11.0).allows(job)
    assert Deadline(now + 10, lambda job: None).allows(job)
    assert not Deadline(now - 1, lambda job: None).allows(job)


def test_a_limit_within_the_time_for_saving_is_refused(workspace):
    options = Options(time_limit=30.0, signal_before=60.0)
    with pytest.raises(UsageError, match="a time limit of 30 s leaves nothing before the 60 s"):
        Deadline.of(options, workspace, "cpu")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.slow
def test_what_is_not_allowed_is_left_and_the_rest_is_trained(workspace, jobs_of, listener, workers):
    ce, focal, sam = jobs_of(workspace.results, ["ce", "focal", "sam"])
    first_only = {"allows": lambda job: job == ce}
    if workers:
        places = ["cpu"] * workers
        outcome = run_in_workers([ce, focal, sam], workspace, listener, places, [], **first_only)
    else:
        outcome = run_here([ce, focal, sam], workspace, listener, False, **first_only)
    assert outcome.left == [focal, sam]
    assert [record.method for record in outcome.records] == ["ce"]
    assert listener.events == [("started", str(ce)), ("finished", str(ce))]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.slow
def test_at_the_limit_every_training_saves_its_last_whole_epoch(
    workspace, jobs_of, listener, workers
):
    jobs = jobs_of(workspace.results, ["ce", "focal"][:workers], protocol_name=LONG)
    patient = replace(workspace, checkpoint_every=3600.0)
    ended = {}

    def ring_when_each_has_two_epochs(job, report):
        # An epoch is told of before its state is taken: the first is whole at the second.
        if report.loss is not None and report.epoch >= 2 and len(ended) < workers:
            ended[job.fingerprint] = report.epoch
            if len(ended) == workers:
                signal.setitimer(signal.ITIMER_REAL, 0.01)

    listener.report = ring_when_each_has_two_epochs
    executor = executor_of("local", Options(("cpu",) * workers, time_limit=3600.0))
    with pytest.raises(OutOfTimeError):
        executor.run(jobs, patient, listener)
    for job in jobs:
        assert Store(workspace.results).checkpoint_path(job.fingerprint).exists()
        assert note_of(Store(workspace.results), job.fingerprint).epoch >= 1


@pytest.mark.parametrize("whole", [True, False])
def test_from_python_the_end_of_time_is_an_error_that_says_how_to_go_on(
    tmp_path, monkeypatch, whole
):
    class Late:
        def run(self, jobs, workspace, listener):
            if whole:
                raise OutOfTimeError
            return Outcome(left=list(jobs))

    monkeypatch.setattr(session, "executor_of", lambda name, options: Late())
    with pytest.raises(TimeLimitError, match=r"the same command goes on\.") as caught:
        ltbench.run("ce", "digits_lt", seeds=1, protocol="smoke", results=tmp_path, quiet=True)
    assert caught.value.exit_code == 75


def test_an_alarm_that_does_not_ring_leaves_nothing_behind():
    with alarm(0.2):
        pass
    time.sleep(0.3)
    with pytest.raises(OutOfTimeError), alarm(0.05):
        time.sleep(5)
