"""Step times: of real steps, of the second of two epochs, and of every method of one label."""

import pytest
from every_method import specification_of, takes_one_label, trains_any_network
from ltbench.methods.gkp import GKP
from made_runs import job_of

from ltbench.api.task import Clock
from ltbench.data.feed import Feed
from ltbench.registry.methods import load_file
from ltbench.registry.signatures import names
from ltbench.runs import step_time
from ltbench.runs.size import TrainingSize
from ltbench.runs.step_time import StepTime, measure_step_time

SLOW_LATER = """
late, stepped = 0.0, False

def augment(self, view, targets, clock):
    self.drawn = clock.epoch
    return view

def backward(self, step):
    import time
    assert step.network.training and step.clock.epoch == self.drawn
    time.sleep(self.late)
    super().backward(step)

def after_step(self, step):
    self.stepped = True

def after_epoch(self, network, data, clock):
    assert (clock.epoch, clock.epochs, network.training) == (0, 2, False)
    self.late = 0.25 * self.stepped
"""


def test_a_training_takes_its_steps_views_and_evaluations():
    assert StepTime(2.0, 0.5, 7.0).seconds(TrainingSize(1, 10, 20, 1.5)) == 20 + 10 + 10.5
    assert StepTime(2.0, 0.5, 7.0, 9.0).seconds(TrainingSize(1, 10, 20, 1.5)) == 9 + 20 + 10 + 10.5


@pytest.mark.slow
def test_what_a_method_begins_after_an_epoch_is_in_its_step_time(tmp_path, workspace, method_file):
    load_file(method_file("mine", SLOW_LATER))
    assert measure_step_time(job_of(tmp_path, "mine"), workspace).step >= 0.25


def test_images_that_are_read_as_they_are_needed_are_not_all_read_for_it(
    tmp_path, workspace, monkeypatch
):
    epochs = []
    monkeypatch.setattr(GKP, "after_epoch", lambda self, network, data, clock: epochs.append(clock))
    monkeypatch.setattr(GKP, "after_step", lambda self, step: epochs.append(step.clock.epochs))
    job = job_of(tmp_path, "ce+gkp")
    measure_step_time(job, workspace)
    assert [type(each) for each in epochs] == [int, Clock, int, int, int, int]
    epochs.clear()
    monkeypatch.setattr(step_time, "StreamFeed", Feed)  # as if those in memory were such
    measure_step_time(job, workspace)
    assert epochs == [60, 60, 60, 60]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*filter(trains_any_network, filter(takes_one_label, names()))])
def test_the_steps_of_every_method_of_one_label_can_be_timed(tmp_path, workspace, name):
    assert measure_step_time(job_of(tmp_path, specification_of(name)), workspace).step > 0


@pytest.mark.parametrize("specification", ["bce", "ml_ldam"])
def test_the_steps_on_images_of_several_labels_can_be_timed(workspace, jobs_of, specification):
    (job,) = jobs_of(workspace.results, specification, datasets=["digits_mosaic"])
    assert measure_step_time(job, workspace).step > 0
