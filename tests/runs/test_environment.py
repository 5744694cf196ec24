"""Where a run happens, on every system."""

import json
import subprocess
import sys

import pytest

WITHOUT = """
import signal, sys
for module in ("resource", "fcntl"):
    sys.modules[module] = None  # importing it now raises ImportError, as on Windows
for name in ("SIGKILL", "SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "setitimer"):
    delattr(signal, name)
import ltbench.cli
from ltbench.runs import apart, environment, execute
import torch
assert environment.peak_memory_mib(torch.device("cpu")) is None
assert apart.death(1) == "its process ended with exit code 1."
sys.argv = ["ltbench", *sys.argv[1:]]
ltbench.cli.main()
"""


@pytest.mark.slow
def test_a_run_needs_no_module_and_no_signal_that_windows_lacks(tmp_path):
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
