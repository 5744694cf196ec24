"""A store of sound records: those that the repository has committed, of two methods."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ltbench.runs.store import Store

ROOT = Path(__file__).resolve().parents[2]
RUNS = Path("runs/digits_lt-imbalance=20/fast/resnet8")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Five seeds each of two methods, with curves."""
    for method in ("ce", "focal"):
        shutil.copytree(ROOT / "results" / RUNS / method, tmp_path / "theirs" / RUNS / method)
    return Store(tmp_path / "theirs")


@pytest.fixture
def ours(tmp_path: Path) -> Store:
    """An empty store to merge into."""
    return Store(tmp_path / "ours")


@pytest.fixture
def contents() -> Callable[[Path], dict[str, bytes]]:
    def read(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return read
