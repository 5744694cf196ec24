"""Records as the tables' tests make them."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from ltbench.runs.store import Store

_TABLES = Path(__file__).parents[1] / "tables" / "conftest.py"


@pytest.fixture(scope="session")
def make_record() -> Callable:
    spec = importlib.util.spec_from_file_location("table_records", _TABLES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.record


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "results")
