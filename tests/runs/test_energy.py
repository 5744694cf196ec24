"""Joules: counters of made-up machines, epochs' rows, and records with and without them."""

import ctypes
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from ltbench.engine.train import ProgressEvent
from ltbench.exchange.soundness import check_record
from ltbench.runs import energy
from ltbench.runs.execute import run_job
from ltbench.runs.record import Record
from ltbench.runs.signals import OutOfTimeError

RANGE = 1000  # joules


@pytest.fixture
def zone(tmp_path, monkeypatch):
    """Make a counter of a made-up machine: a folder with its name, its range and its count."""
    monkeypatch.setattr(energy, "POWERCAP", tmp_path / "powercap")

    def make(folder: str, name: str, count: int | str) -> None:  # in joules
        place = tmp_path / "powercap" / folder
        place.mkdir(parents=True, exist_ok=True)
        (place / "name").write_text(f"{name}\n")
        (place / "max_energy_range_uj").write_text(f"{RANGE * 10**6}\n")
        (place / "energy_uj").write_text(f"{count if isinstance(count, str) else count * 10**6}\n")

    return make


def counter():
    return energy.counter_of(torch.device("cpu"))


def test_packages_add_up_and_what_is_part_of_them_does_not_count_again(zone):
    zone("intel-rapl:0", "package-0", 100)
    zone("intel-rapl:1", "package-1", 500)
    zone("intel-rapl:0:0", "core", 0)
    zone("intel-rapl:2", "psys", 0)
    zone("intel-rapl-mmio:0", "package-0", 0)
    joules = counter()
    assert joules() == 0
    zone("intel-rapl:0", "package-0", 150)
    zone("intel-rapl:1", "package-1", 507)
    zone("intel-rapl:0:0", "core", 900)
    zone("intel-rapl:2", "psys", 900)
    zone("intel-rapl-mmio:0", "package-0", 900)
    assert joules() == 57


def test_a_counter_that_begins_again_goes_on_counting(zone):
    zone("intel-rapl:0", "package-0", 900)
    joules = counter()
    for now, total in ((990, 90), (10, 110), (5, 1105), (5, 1105)):
        zone("intel-rapl:0", "package-0", now)
        assert joules() == total


def test_a_machine_without_counters_or_with_closed_ones_has_none(zone, tmp_path):
    assert counter() is None
    zone("intel-rapl:0", "core", 0)
    assert counter() is None
    zone("intel-rapl:0", "package-0", "nothing")
    assert counter() is None
    (tmp_path / "powercap/intel-rapl:0/energy_uj").unlink()
    (tmp_path / "powercap/intel-rapl:0/energy_uj").mkdir()  # which nobody reads, not even root
    assert counter() is None


def training():
    return SimpleNamespace(
        settings=SimpleNamespace(device=torch.device("cpu")),
        progress=SimpleNamespace(curves=[]),
    )


def an_epoch(heard, run, number: int) -> None:
    run.progress.curves.append({"epoch": number})
    heard(ProgressEvent(number, 3, 0, 1, 1.0, 1.0, loss=1.0))


def test_an_epoch_has_its_joules_and_a_lost_counter_makes_the_total_unknown(zone, tmp_path):
    zone("intel-rapl:0", "package-0", 0)
    run, seen = training(), []
    heard = energy.metered(seen.append, run)
    for number, count in ((1, 200), (2, 900)):
        zone("intel-rapl:0", "package-0", count)
        an_epoch(heard, run, number)
    assert [row["joules"] for row in run.progress.curves] == [200, 700]
    assert len(seen) == 2
    assert energy.joules_of([{"joules": 200.25}, {"joules": 700.5}]) == 900.75
    (tmp_path / "powercap/intel-rapl:0/energy_uj").unlink()
    an_epoch(heard, run, 3)
    assert "joules" not in run.progress.curves[-1]
    assert energy.joules_of(run.progress.curves) is None


def test_joules_of_several_processes_devices_are_not_read_off_one(zone, monkeypatch):
    zone("intel-rapl:0", "package-0", 0)
    monkeypatch.setattr(energy, "processes", lambda: 2)
    observe = [].append
    assert energy.metered(observe, training()) is observe


def test_a_long_epoch_is_looked_at_before_its_counter_begins_again_twice(zone, monkeypatch):
    clock = iter(range(0, 10_000, 31))
    monkeypatch.setattr(energy.time, "monotonic", lambda: next(clock))
    zone("intel-rapl:0", "package-0", 0)
    run = training()
    heard = energy.metered(lambda report: None, run)
    for step in range(1, 6):  # 600 joules each, over a range of 1,000
        zone("intel-rapl:0", "package-0", 600 * step % RANGE)
        heard(ProgressEvent(0, 1, step, 6, 1.0, 1.0))
    zone("intel-rapl:0", "package-0", 600 * 6 % RANGE)
    an_epoch(heard, run, 1)
    assert run.progress.curves[0]["joules"] == 3600


class Library:
    """A made-up NVML of one GPU; functions return 0 where they did it."""

    uuid, millijoules, refuses = b"GPU-12ab", 5_000, False

    def nvmlInit_v2(self):  # noqa: N802
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid, handle):  # noqa: N802
        return int(uuid != self.uuid)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, count):  # noqa: N802
        count._obj.value = self.millijoules
        return int(self.refuses)


def test_a_gpu_is_read_by_its_uuid(monkeypatch):
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    for uuid in ("12ab", "GPU-12ab"):
        properties = SimpleNamespace(uuid=uuid)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device, p=properties: p)
        assert energy.counter_of(torch.device("cuda:1"))() == 5.0
    joules = energy.counter_of(torch.device("cuda:1"))
    library.millijoules = 2**40
    assert joules() == 2**40 / 1e3
    library.refuses = True  # a GPU from before Volta
    assert joules() is None
    library.uuid = b"GPU-another"
    assert energy.counter_of(torch.device("cuda:1")) is None


def test_no_driver_means_no_joules(monkeypatch):
    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    assert energy.counter_of(torch.device("cuda")) is None


def test_a_run_has_joules_beside_its_fingerprint_and_its_second_session_adds_its_own(
    zone, workspace, jobs_of, lasting, tmp_path
):
    (job,) = jobs_of(workspace.results, protocol_name="smoke(epochs=3)")
    (plain,) = run_job(job, workspace, lambda report: None)
    assert plain.cost.joules is None
    zone("intel-rapl:0", "package-0", 0)

    def spend(report):
        if report.loss is not None:
            zone("intel-rapl:0", "package-0", 300 * (report.epoch + 1) % RANGE)
            if report.epoch == stops_after:
                raise OutOfTimeError

    zone("intel-rapl:0", "package-0", 300)
    (job,) = jobs_of(tmp_path / "other", protocol_name="smoke(epochs=3)")
    other, stops_after = replace(workspace, results=tmp_path / "other"), 2
    with pytest.raises(OutOfTimeError):
        run_job(job, other, spend)
    stops_after = 0
    zone("intel-rapl:0", "package-0", 0)  # started again
    (metered,) = run_job(job, other, spend)
    assert metered.cost.joules == 900  # of the third epoch; the second ended without a save
    assert lasting(metered) == lasting(plain)
    assert check_record(metered, {}) == ""


def test_joules_of_a_record_are_a_number_of_this_world(make_record):
    content = make_record().model_dump(mode="json")
    for wrong in (-1.0, "many"):
        content["cost"]["joules"] = wrong
        with pytest.raises(ValueError, match="joules"):
            Record.model_validate_json(json.dumps(content))
    del content["cost"]["joules"]  # a record from before
    assert Record.model_validate_json(json.dumps(content)).cost.joules is None
