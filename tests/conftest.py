"""What every test shares: one thread, repeatable examples, a folder for results, method files."""

import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import hypothesis
import pytest

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


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A results folder that does not exist yet."""
    return tmp_path / "results"


@pytest.fixture
def method_file(tmp_path: Path, monkeypatch) -> Callable[[str, str], Path]:
    """Write a method file, given its name and its class body; what it loads is forgotten after."""
    from ltbench import registry

    monkeypatch.setattr(registry, "_loaded", {})

    def write(name: str, body: str) -> Path:
        path = tmp_path / f"{name}.py"
        indented = "".join(f"    {line}\n" if line else "\n" for line in dedent(body).splitlines())
        path.write_text(_HEAD + indented)
        return path

    return write
