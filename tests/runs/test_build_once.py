"""A run is resolved when it is planned and built once where it is executed."""

from collections import Counter

import pytest

import ltbench
from ltbench.errors import LtbenchError
from ltbench.registry import methods
from ltbench.runs.execute import run_job
from ltbench.runs.executors.workers import run_in_workers

PROTOCOL = "fast(epochs=2, evaluate_every=2)"


@pytest.fixture
def made(monkeypatch):
    """Count the parts that are made, by name: every build makes each of its parts once."""
    counted = Counter()
    original = methods.make

    def counting(term):
        counted[term.name] += 1
        return original(term)

    monkeypatch.setattr(methods, "make", counting)
    return counted


def test_planning_makes_every_method_once_whatever_the_seeds(made, jobs_of, results):
    jobs_of(results, ["crt", "ce+posthoc_logit_adjustment"], seeds=range(5))
    assert made == {"crt": 1, "ce": 2, "posthoc_logit_adjustment": 1}  # once as a first stage


def test_executing_makes_a_method_and_its_first_stage_once(made, jobs_of, workspace):
    (job,) = jobs_of(workspace.results, ["crt"], protocol_name=PROTOCOL)
    made.clear()
    run_job(job, workspace, lambda report: None)
    assert made == {"crt": 1, "ce": 1}


def test_executing_makes_post_hoc_parts_once_for_each_cell(made, jobs_of, workspace):
    methods = ["ce", "ce+posthoc_logit_adjustment", "ce+posthoc_logit_adjustment(tau=0.5)"]
    (job,) = jobs_of(workspace.results, methods, protocol_name=PROTOCOL)
    made.clear()
    run_job(job, workspace, lambda report: None)
    assert made == {"ce": 1, "posthoc_logit_adjustment": 2}


@pytest.mark.usefixtures("no_cache")
def test_a_command_makes_a_method_to_plan_to_rehearse_and_to_train(made, results):
    ltbench.run("crt", "digits_lt", seeds=1, protocol="smoke", results=results, quiet=True)
    assert made == {"crt": 3, "ce": 2}  # ce is its first stage: planned, and trained
    made.clear()
    ltbench.run("crt", "digits_lt", seeds=1, protocol="smoke", results=results, quiet=True)
    assert made == {"crt": 1, "ce": 1}


def test_a_finished_job_is_read_without_making_anything(made, jobs_of, workspace):
    (job,) = jobs_of(workspace.results, ["ce"], protocol_name=PROTOCOL)
    run_job(job, workspace, lambda report: None)
    made.clear()
    run_job(job, workspace, lambda report: None)
    assert made == {}


def test_a_job_carries_the_fingerprints_of_its_records(jobs_of, workspace):
    methods = ["ce+posthoc_logit_adjustment", "ce"]
    (job,) = jobs_of(workspace.results, methods, protocol_name=PROTOCOL)
    records = run_job(job, workspace, lambda report: None)
    assert tuple(record.fingerprint for record in records) == job.fingerprints
    assert job.fingerprint == job.fingerprints[1]


@pytest.mark.slow
def test_a_worker_refuses_a_method_that_was_edited_after_it_was_planned(
    jobs_of, workspace, method_file, listener
):
    path = method_file("mine", "strength: float = 1.0")
    methods.load_file(path)
    (job,) = jobs_of(workspace.results, ["mine"])
    method_file("mine", "strength: float = 2.0")
    outcome = run_in_workers([job], workspace, listener, ["cpu"], [path])
    (reason,) = outcome.failures.values()
    assert reason.startswith("mine is not what was planned")
    assert outcome.records == []
    methods.load_file(path)
    with pytest.raises(LtbenchError, match="give the command again"):
        run_job(job, workspace, lambda report: None)
