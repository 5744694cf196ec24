"""Records, jobs on the digits, and a listener that remembers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ltbench.data.catalog import dataset
from ltbench.runs import plan
from ltbench.runs.record import Cost, DataFacts, Environment, Failure, Record, Scores
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace

ENVIRONMENT = Environment(
    ltbench="0.1.0", commit=None, dirty=None, python="3.11", torch="2", torchvision="0",
    cuda=None, device="a processor", threads=1, platform="Linux",
)  # fmt: skip


def _record(**changes) -> Record:
    scores = Scores(
        epoch=1, top1=50.0, many=None, medium=50.0, few=50.0, calibration_error=1.0,
        correct=(1, 1), total=(2, 2),
    )  # fmt: skip
    content = {
        "dataset": "digits_lt(imbalance=20)", "network": "resnet8", "method": "ce",
        "trained": "ce", "protocol": "smoke", "seed": 0, "fingerprint": "0" * 16,
        "parameters": {"ce": {}}, "settings": {"epochs": 1}, "stages": [],
        "data": DataFacts(
            class_counts=(30, 5), indices_sha256="0" * 64, many_above=100, few_below=20,
            test_images=4,
        ),
        "last": scores, "best": scores, "selected": None,
        "cost": Cost(
            train_seconds=1.0, evaluate_seconds=1.0, steps=2, images_per_second=35.0,
            peak_memory_mib=1.0, parameters=10,
        ),
        "environment": ENVIRONMENT, "deviations": [], "finished": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return Record(**{**content, **changes})


def _failure(**changes) -> Failure:
    content = {
        "dataset": "digits_lt(imbalance=20)", "network": "resnet8", "method": "ce",
        "protocol": "smoke", "seed": 0, "error": "it broke.", "epoch": 1, "step": 2,
        "environment": ENVIRONMENT, "finished": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return Failure(**{**content, **changes})


def _jobs(results: Path, methods: str | list[str] = "ce", **options) -> tuple[plan.Job, ...]:
    methods = [methods] if isinstance(methods, str) else methods
    options = {"protocol_name": "smoke", **options}
    seeds = options.pop("seeds", [0])
    sets = [dataset(name) for name in options.pop("datasets", ["digits_lt"])]
    return plan.make(sets, methods, seeds, Store(results), **options).jobs


class _Memory:
    """A listener that remembers events, and may be told what to do at one."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.reasons: dict[str, str] = {}
        self.reports: list[tuple[str, object]] = []

    def started(self, job):
        self.events.append(("started", str(job)))

    def waiting(self, job):
        self.events.append(("waiting", str(job)))

    def postponed(self, job):
        self.events.append(("postponed", str(job)))

    def lost(self, job, reason):
        self.events.append(("lost", str(job)))
        self.reasons[str(job)] = reason

    def report(self, job, report):
        self.reports.append((str(job), report))

    def finished(self, job, records):
        self.events.append(("finished", str(job)))

    def failed(self, job, reason):
        self.events.append(("failed", str(job)))
        self.reasons[str(job)] = reason


def _lasting(record: Record) -> dict:
    """What a record says that does not depend on when, where and how fast it was made."""
    content = json.loads(record.model_dump_json())
    for passing in ("cost", "environment", "finished", "files"):
        del content[passing]
    return content


@pytest.fixture(scope="session")
def make_record() -> Callable[..., Record]:
    return _record


@pytest.fixture(scope="session")
def make_failure() -> Callable[..., Failure]:
    return _failure


@pytest.fixture(scope="session")
def jobs_of() -> Callable[..., tuple[plan.Job, ...]]:
    return _jobs


@pytest.fixture
def listener() -> _Memory:
    return _Memory()


@pytest.fixture(scope="session")
def lasting() -> Callable[[Record], dict]:
    return _lasting


@pytest.fixture
def store(results: Path) -> Store:
    return Store(results)


@pytest.fixture
def workspace(results: Path, tmp_path: Path) -> Workspace:
    return Workspace(results, tmp_path / "data", "cpu")
