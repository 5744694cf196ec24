"""Timings of steps: remembered between commands, each beside the reference it was timed with."""

import json
from dataclasses import replace

import pytest
from made_runs import job_of

from ltbench.errors import LtbenchError
from ltbench.runs import timing
from ltbench.runs.step_time import StepTime
from ltbench.runs.timing import StepTimer, StepTiming
from ltbench.runs.workspace import Workspace

pytestmark = pytest.mark.usefixtures("no_cache")


@pytest.fixture
def timer(tmp_path):
    """Make a timer, as each command has one."""
    workspace = Workspace(tmp_path / "results", tmp_path / "data", "cpu")
    return lambda say=lambda words: None, **options: StepTimer(workspace, say, **options)


@pytest.fixture
def clock(monkeypatch):
    """The seconds that a step takes, by specification; what is timed is listed in `timed`."""

    class Clock(dict):
        def __init__(self):
            self.timed = []

    clock = Clock()

    def measure(job, workspace):
        clock.timed.append(job.trained)
        if job.trained not in clock:
            raise LtbenchError("no.")
        return StepTime(clock[job.trained], 0.0, 0.0)

    monkeypatch.setattr(timing, "measure_step_time", measure)
    return clock


def test_a_second_command_remembers(tmp_path, timer, clock):
    clock["ce"] = 1.0
    assert timer().timing(job_of(tmp_path), {}) == StepTiming(StepTime(1.0, 0.0, 0.0))
    clock["ce"] = 2.0  # as a machine that is busy now would say
    later = timer()
    assert later.timing(job_of(tmp_path, imbalance=10.0), {}).own.step == 1.0
    assert (later.remembered, later.timed, clock.timed) == (1, 0, ["ce"])


def test_measuring_again_replaces_what_is_remembered(tmp_path, timer, clock):
    clock["ce"] = 1.0
    timer().timing(job_of(tmp_path), {})
    clock["ce"] = 2.0
    assert timer(again=True).timing(job_of(tmp_path), {}).own.step == 2.0
    assert timer().timing(job_of(tmp_path), {}).own.step == 2.0


@pytest.mark.parametrize(
    "changed",
    [{"method": "focal"}, {"network": "resnet32"}, {"protocol": "fast(batch_size=64)"}],
)
def test_another_training_is_not_remembered(tmp_path, timer, clock, changed):
    clock.update(ce=1.0, focal=3.0)
    timer().timing(job_of(tmp_path), {})
    later = timer()
    later.timing(job_of(tmp_path, **changed), {})
    assert (later.remembered, later.timed) == (0, 1)


@pytest.mark.parametrize(
    "changed", [{"code": {"engine": "changed"}}, {"sources": {"mine": "changed"}}]
)
def test_changed_code_is_not_remembered(tmp_path, timer, clock, changed):
    clock["ce"] = 1.0
    job = job_of(tmp_path)
    timer().timing(job, {})
    later = timer()
    later.timing(replace(job, identity=replace(job.identity, **changed)), {})
    assert later.timed == 1


def test_another_machine_is_not_remembered(tmp_path, timer, clock, monkeypatch):
    clock["ce"] = 1.0
    timer().timing(job_of(tmp_path), {})
    monkeypatch.setattr(timing, "device_name", lambda device: "another machine")
    later = timer()
    later.timing(job_of(tmp_path), {})
    assert later.timed == 1


def test_a_time_taken_by_other_code_is_not_remembered(tmp_path, timer, clock, monkeypatch):
    clock["ce"] = 1.0
    timer().timing(job_of(tmp_path), {})
    assert timer().recall(job_of(tmp_path), {}) is not None
    monkeypatch.setattr(timing, "step_time", timing)  # any other module
    assert timer().recall(job_of(tmp_path), {}) is None


def test_a_timing_keeps_the_reference_timed_beside_it(tmp_path, timer, clock):
    clock.update(ce=1.0, focal=2.0)
    references = {"ce": job_of(tmp_path)}
    timer().timing(job_of(tmp_path, "focal"), references)
    clock.update(ce=4.0, focal=8.0)
    kept = timer().timing(job_of(tmp_path, "focal"), references)
    assert (kept.own.step, kept.reference, kept.beside.step) == (2.0, "ce", 1.0)
    assert clock.timed == ["focal", "ce"]


def test_a_timing_without_the_references_there_are_now_is_taken_anew(tmp_path, timer, clock):
    clock.update(ce=1.0, focal=2.0)
    timer().timing(job_of(tmp_path, "focal"), {})
    beside = timer().timing(job_of(tmp_path, "focal"), {"ce": job_of(tmp_path)})
    assert beside.reference == "ce"
    assert timer().timing(job_of(tmp_path, "focal"), {}).reference is None


def test_a_failure_is_not_remembered(tmp_path, timer, clock):
    assert timer().timing(job_of(tmp_path), {}) == "no."
    clock["ce"] = 1.0
    assert timer().timing(job_of(tmp_path), {}).own.step == 1.0


def test_a_damaged_timing_is_taken_anew(tmp_path, timer, clock, no_cache):
    clock["ce"] = 1.0
    timer().timing(job_of(tmp_path), {})
    (path,) = (no_cache / "step_times").iterdir()
    whole = path.read_text()
    for content in ("", "{}", whole[: len(whole) // 2], json.dumps({"timing": {"own": 3}})):
        path.write_text(content)
        later = timer()
        assert later.timing(job_of(tmp_path), {}).own.step == 1.0
        assert later.timed == 1


def test_a_cache_that_cannot_be_written_is_said_and_stops_nothing(
    tmp_path, timer, clock, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "file"))
    clock["ce"] = 1.0
    said = []
    assert timer(said.append).timing(job_of(tmp_path), {}).own.step == 1.0
    assert "step times are not kept" in said[-1]


def test_timings_are_numbered(tmp_path, timer, clock):
    clock.update(ce=1.0, focal=2.0)
    said = []
    counted = timer(said.append)
    counted.expected = 2
    for method in ("ce", "focal"):
        counted.timing(job_of(tmp_path, method), {})
    assert [words.partition(":")[0] for words in said] == ["timing 1 of 2", "timing 2 of 2"]


def test_no_host_name_and_no_path_is_kept(tmp_path, timer, clock, no_cache):
    import platform

    clock["ce"] = 1.0
    timer().timing(job_of(tmp_path), {})
    (path,) = (no_cache / "step_times").iterdir()
    text = path.read_text()
    assert f'"{platform.node()}"' not in text
    assert str(tmp_path) not in text
