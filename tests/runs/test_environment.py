"""Where a run happens, on every system."""

import json
import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules["resource"] = None  # importing it now raises ImportError, as on Windows
import ltbench.cli
from ltbench.runs import environment, execute
import torch
assert environment.peak_memory_mib(torch.device("cpu")) is None
sys.argv = ["ltbench", *sys.argv[1:]]
ltbench.cli.main()
"""


@pytest.mark.slow
def test_a_run_needs_no_module_that_windows_lacks(tmp_path):
    words = ["run", "--methods", "ce", "--dataset", "digits_lt", "--protocol", "smoke"]
    call = [sys.executable, "-c", WITHOUT, *words, "--seeds", "1", "--quiet"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.rglob("seed0.json")
    assert json.loads(path.read_text())["cost"]["peak_memory_mib"] is None


def test_the_peak_memory_of_a_process_is_counted_where_it_can_be():
    import torch

    from ltbench.runs.environment import peak_memory_mib

    assert 10 < peak_memory_mib(torch.device("cpu")) < 1e6
