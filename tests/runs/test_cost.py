"""Costs: records of this machine, else their steps, else steps timed now, else unknown."""

import pytest
import torch
from made_runs import job_of

from ltbench.data.catalog import dataset
from ltbench.engine.precision import device_of
from ltbench.errors import LtbenchError
from ltbench.runs import cost, plan, timing
from ltbench.runs.cost import CostModel
from ltbench.runs.environment import device_name
from ltbench.runs.step_time import StepTime
from ltbench.runs.store import Store
from ltbench.runs.timing import CostKey, StepTimer
from ltbench.runs.workspace import Workspace

pytestmark = pytest.mark.usefixtures("no_cache")


@pytest.fixture
def made_here(make_record):
    """A record of this machine: 60 epochs of 13 steps, 13 evaluations."""

    def make(**changes):
        record = make_record(protocol="fast", settings=SETTINGS, **changes)
        here = {"device": device_name(device_of("cpu")), "threads": 1}
        spent = {"steps": 780, "train_seconds": 7.8, "evaluate_seconds": 1.3}
        last = record.last.model_copy(update={"epoch": 60})
        return record.model_copy(
            update={
                "environment": record.environment.model_copy(update=here),
                "cost": record.cost.model_copy(update=spent),
                "last": last,
            }
        )

    return make


SETTINGS = {"evaluate_every": 5, "batch_size": 32, "precision": "float32"}


def never(words):
    raise AssertionError(words)


def test_sizes_are_what_the_records_of_real_runs_counted(tmp_path):
    counted = {"ce": 780, "ldam_drw+sam": 780}
    for method, steps in counted.items():
        size = job_of(tmp_path, method).size
        assert (size.steps, size.images, size.evaluations) == (steps, 60 * 405, 13)


def test_steps_on_smaller_images_say_nothing_of_larger_ones(tmp_path):
    def key(protocol):
        sets, store = [dataset("imagenet_lt")], Store(tmp_path)
        (job,) = plan.make(sets, ["ce"], [0], store, protocol_name=protocol).jobs
        return CostKey.of(job)

    assert (key("paper").side, key("smoke").side) == (None, 32)
    others = ("smoke", "smoke(stored_side=256)", "smoke(norm_batch=64)")
    assert len(set(map(key, others))) == 3


def test_the_key_of_a_record_is_that_of_its_training(made_here, tmp_path):
    job = job_of(tmp_path)
    record = made_here().model_copy(update={"settings": job.protocol.model_dump()})
    found = CostKey.of_record(record)
    assert (found.batch_size, found.side, found.norm_batch) == (32, None, None)
    assert found == CostKey.of_record(made_here())  # older ones lack fields


def test_an_evaluation_on_a_part_of_the_test_set_costs_that_part(made_here, tmp_path):
    """1.3 s for 13 evaluations on a fifth of the test set are 0.5 s for one on all of it."""
    part = made_here().model_copy(update={"settings": {**SETTINGS, "fraction": 0.2}})
    costs = CostModel([part], StepTimer(Workspace(tmp_path, tmp_path), never))
    job = job_of(tmp_path, protocol="fast(epochs=120)")
    assert costs.cost(job).seconds == pytest.approx(0.01 * job.size.steps + 0.5 * 25)


def test_sizes_of_the_committed_records(tmp_path):
    from pathlib import Path

    root = Path(__file__).resolve().parents[2] / "results"
    seen = 0
    for record in Store(root).records():
        if record.seed or record.method != record.trained:
            continue
        sets = [dataset(record.dataset)]
        (job,) = plan.make(
            sets, [record.method], [0], Store(tmp_path / "none"),
            protocol_name=record.protocol, network=record.network,
        ).jobs  # fmt: skip
        assert job.size.steps == record.cost.steps
        seen += 1
    assert seen > 20


def test_other_seeds_of_the_cell_tell_first(tmp_path, workspace, made_here):
    costs = CostModel([made_here(seed=0), made_here(seed=1)], StepTimer(workspace, never))
    found = costs.cost(job_of(tmp_path))
    assert found.basis == "records"
    assert found.seconds == pytest.approx(9.1)


def test_records_of_several_processes_tell_nothing_of_one(tmp_path, workspace, made_here):
    record = made_here(seed=0)
    several = record.environment.model_copy(update={"processes": 2})
    shared = record.model_copy(
        update={
            "environment": several,
            "cost": record.cost.model_copy(update={"train_seconds": 700.0}),
        }
    )
    costs = CostModel([shared, made_here(seed=1)], StepTimer(workspace, never))
    assert costs.cost(job_of(tmp_path)).seconds == pytest.approx(7.8 + 1.3)


def test_records_of_other_threads_tell_of_a_gpu_alone(tmp_path, workspace, made_here, monkeypatch):
    record = made_here()
    environment = record.environment.model_copy(update={"threads": 4})
    record = record.model_copy(update={"environment": environment})
    monkeypatch.setattr(timing, "measure_step_time", lambda *asked: StepTime(1.0, 0.0, 0.0))
    job = job_of(tmp_path)
    assert CostModel([record], StepTimer(workspace, str)).cost(job).basis == "timed steps"
    monkeypatch.setattr(cost, "device_of", lambda name: torch.device("cuda"))
    on_gpu = CostModel([record], StepTimer(workspace, never))
    assert on_gpu.cost(job).basis == "records"
    monkeypatch.setattr(on_gpu, "timer", StepTimer(workspace, str))
    assert on_gpu.cost(job_of(tmp_path, "sam")).basis == "scaled steps"


def test_then_steps_of_another_ratio_or_length(tmp_path, workspace, made_here):
    costs = CostModel([made_here()], StepTimer(workspace, never))
    longer = costs.cost(job_of(tmp_path, protocol="fast(epochs=120)"))
    assert longer.basis == "steps of records"
    assert longer.seconds == pytest.approx(2 * 7.8 + 0.1 * 25)
    flatter = job_of(tmp_path, imbalance=10.0)
    assert costs.cost(flatter).seconds == pytest.approx(0.01 * flatter.size.steps + 1.3)


@pytest.mark.parametrize(
    "other",
    [{"protocol": "fast(batch_size=64)"}, {"network": "resnet32"}],
)
def test_other_batches_and_networks_tell_nothing(tmp_path, workspace, made_here, other):
    said = []
    costs = CostModel([made_here()], StepTimer(workspace, said.append))
    found = costs.cost(job_of(tmp_path, **other))
    assert found.basis == "timed steps"
    assert found.seconds > 0
    assert len(said) == 1


def test_another_methods_records_say_how_much_slower_the_machine_is_now(
    tmp_path, workspace, made_here, monkeypatch
):
    """Steps seem four times too long: its records have 10 ms a step and 100 ms an evaluation."""
    busy = {"ce": StepTime(0.04, 0.0, 0.4), "focal": StepTime(0.08, 0.0, 0.4)}
    said = []
    monkeypatch.setattr(timing, "measure_step_time", lambda job, workspace: busy[job.trained])
    costs = CostModel([made_here()], StepTimer(workspace, said.append))
    found = costs.cost(job_of(tmp_path, "focal"))
    assert found.basis == "scaled steps"
    assert found.seconds == pytest.approx(0.02 * 780 + 0.1 * 13)
    longer = costs.cost(job_of(tmp_path, "focal", protocol="fast(epochs=120)"))
    assert longer.seconds == pytest.approx(0.02 * 1560 + 0.1 * 25)
    assert len(said) == 1  # of both protocols, and of the reference beside


def test_a_reference_that_cannot_be_timed_scales_nothing(
    tmp_path, workspace, made_here, monkeypatch
):
    def some(job, workspace):
        if job.trained == "ce":
            raise LtbenchError("no.")
        return StepTime(1.0, 0.0, 0.0)

    monkeypatch.setattr(timing, "measure_step_time", some)
    found = CostModel([made_here()], StepTimer(workspace, lambda _: None)).cost(
        job_of(tmp_path, "focal")
    )
    assert (found.basis, found.seconds) == ("timed steps", 780.0)


def test_records_of_another_machine_tell_nothing(tmp_path, workspace, make_record, monkeypatch):
    monkeypatch.setattr(timing, "measure_step_time", lambda job, workspace: StepTime(1.0, 0.0, 0.0))
    costs = CostModel(
        [make_record(protocol="fast", settings=SETTINGS)], StepTimer(workspace, lambda _: None)
    )
    assert costs.cost(job_of(tmp_path)).basis == "timed steps"


def test_one_probe_serves_all_ratios_and_seeds(tmp_path, workspace, monkeypatch):
    timed = []
    monkeypatch.setattr(
        timing,
        "measure_step_time",
        lambda job, workspace: timed.append(job) or StepTime(1.0, 0.0, 2.0),
    )
    costs = CostModel([], StepTimer(workspace, lambda _: None))
    first = costs.cost(job_of(tmp_path))
    assert first.seconds == 780 + 2 * 13
    other = job_of(tmp_path, imbalance=10.0)
    assert costs.cost(other).seconds == other.size.steps + 2 * 13
    assert len(timed) == 1


def test_what_cannot_be_timed_has_no_price_but_a_reason(tmp_path, workspace, monkeypatch):
    def fails(job, workspace):
        raise LtbenchError("it cannot begin.")

    monkeypatch.setattr(timing, "measure_step_time", fails)
    found = CostModel([], StepTimer(workspace, lambda _: None)).cost(job_of(tmp_path))
    assert (found.seconds, found.basis, found.reason) == (None, "unknown", "it cannot begin.")


def test_a_price_downloads_nothing(tmp_path, workspace):
    sets = [dataset("cifar10_lt")]
    (job,) = plan.make(sets, ["ce"], [0], Store(tmp_path / "none")).jobs
    found = CostModel([], StepTimer(workspace, never)).cost(job)
    assert found.seconds is None
    assert "cifar10_lt is missing" in found.reason
    assert not workspace.data.exists()
