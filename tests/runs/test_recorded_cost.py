"""What records say of trainings on devices that this machine lacks."""

from dataclasses import replace

import pytest

from ltbench.runs.recorded_cost import CostsElsewhere


def made_by(make_record, jobs_of, results, device, seconds, **environment):
    (job,) = jobs_of(results)
    (cell,) = job.cells
    record = make_record(
        dataset=cell.dataset, protocol=cell.protocol, network=cell.network,
        settings=job.protocol.model_dump(),
    )  # fmt: skip
    cost = record.cost.model_copy(update={"train_seconds": seconds, "evaluate_seconds": 0.0})
    facts = {"device": device, "cuda": "13.2", "threads": 48, **environment}
    environment = record.environment.model_copy(update=facts)
    return record.model_copy(update={"cost": cost, "environment": environment})


def test_a_training_costs_what_the_slowest_model_of_gpu_took(make_record, jobs_of, results):
    (job,) = jobs_of(results)
    fast = made_by(make_record, jobs_of, results, "NVIDIA H100", 10.0)
    slow = made_by(make_record, jobs_of, results, "NVIDIA T4", 30.0)
    here = made_by(make_record, jobs_of, results, "a processor", 500.0, cuda=None)
    costs = CostsElsewhere([fast, slow, here])
    assert sorted(costs.models) == ["NVIDIA H100", "NVIDIA T4"]
    assert costs.cost(job).seconds == pytest.approx(30.0)
    assert costs.cost(job).basis == "records"


def test_another_length_of_a_recorded_training_is_known_by_its_steps(make_record, jobs_of, results):
    record = made_by(make_record, jobs_of, results, "NVIDIA H100", 10.0)
    (job,) = jobs_of(results, protocol_name="smoke(epochs=4)")
    found = CostsElsewhere([record]).cost(job)
    assert found.basis == "steps of records"
    assert found.seconds is not None


def test_what_no_gpu_has_trained_is_unknown(make_record, jobs_of, results):
    (job,) = jobs_of(results)
    together = made_by(make_record, jobs_of, results, "NVIDIA H100", 10.0, processes=2)
    for costs in (CostsElsewhere([]), CostsElsewhere([together])):
        found = costs.cost(replace(job, seed=1))
        assert (found.seconds, found.basis) == (None, "unknown")
        assert found.reason == "no record of it was made by a GPU"
