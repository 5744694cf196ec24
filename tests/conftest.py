"""What every test shares: one thread, repeatable examples, a folder for results, method files."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import hypothesis
import pytest
from made_records import record

from ltbench.data.catalog import CATALOG, KNOWN
from ltbench.runs.record import Record
from ltbench.runs.store import Store
from ltbench.tables.definition import Table, load

TABLES = Path(__file__).parent / "tables" / "data"

hypothesis.settings.register_profile("ltbench", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ltbench"))

_HEAD = '''"""A method made for a test: Nobody, "Nothing", 2026."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from ltbench import Method


@dataclass
class Mine(Method):
    """Cross-entropy, disturbed."""

'''


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Sums in one order, whatever the machine; processes that a test starts inherit it."""
    import torch

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            patch.setenv(name, "1")
        yield


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """A cache of the tests' own: nothing is known from, or left in, that of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LTBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    """A cache that holds nothing yet, for tests that make up what a step takes."""
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder that does not exist yet."""
    return tmp_path / "results"


@pytest.fixture
def method_file(tmp_path: Path) -> Iterator[Callable[[str, str], Path]]:
    """Write a method file, given its name and its class body; what it loads is forgotten after."""
    from ltbench.registry.methods import loaded

    def write(name: str, body: str) -> Path:
        path = tmp_path / f"{name}.py"
        indented = "".join(f"    {line}\n" if line else "\n" for line in dedent(body).splitlines())
        path.write_text(_HEAD + indented)
        return path

    with loaded():
        yield write


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A copy of a small table of the user's own, free to be spoilt."""
    return Path(shutil.copytree(TABLES, tmp_path / "tables")) / "mine.yaml"


@pytest.fixture
def table() -> Table:
    """The small table."""
    return load(str(TABLES / "mine.yaml"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store without records."""
    return Store(tmp_path / "results")


@pytest.fixture(scope="session")
def make_record() -> Callable[..., Record]:
    """Make a record of a method, a seed and a top-1 accuracy."""
    return record


@pytest.fixture(scope="session")
def split():
    """45 training images in 4 classes, 5 test and 2 held-out images a class."""
    from made_trainings import split

    return split()


@pytest.fixture
def make_training(split):
    """Make a training: three steps an epoch of ResNet-8 in float32, unless told otherwise."""
    from made_trainings import training

    return lambda method=None, **settings: training(split, method, **settings)


@pytest.fixture
def make_tape(tmp_path):
    """Make a checkpoint that keeps its versions; it saves every epoch, unless told otherwise."""
    from made_trainings import Tape

    made = []

    def make(every=0.0, content=None):
        path = tmp_path / f"checkpoint{len(made)}.pt"
        made.append(path)
        if content is not None:
            path.write_bytes(content)
        return Tape(path, every)

    return make


@pytest.fixture
def places_unread(monkeypatch) -> None:
    """Make Places-LT a data set that only papers have."""
    monkeypatch.setitem(KNOWN, "places_lt", replace(KNOWN["places_lt"], reader=None))
    monkeypatch.delitem(CATALOG, "places_lt")


@pytest.fixture
def known_again() -> Iterator[None]:
    """Forget, after a test, the data sets that it registered."""
    before = dict(KNOWN), dict(CATALOG)
    yield
    for current, old in zip((KNOWN, CATALOG), before, strict=True):
        current.clear()
        current.update(old)
