"""How fast the commands that need no torch answer, relative to a bare interpreter start."""

import statistics
import subprocess
import sys
import time

import pytest


def seconds(*words: str) -> float:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


@pytest.mark.parametrize(("words", "share"), [(("--help",), 0.25), (("table", "1"), 0.6)])
def test_a_command_without_torch_answers_before_torch_would_be_imported(
    benchmark, measured, tmp_path, words, share
):
    results = ("--results", str(tmp_path)) if words[0] == "table" else ()
    call = "import sys; from ltbench.cli import main; main()"
    ours = benchmark.pedantic(seconds, args=("-c", call, *words, *results), rounds=1)
    torch = seconds("-c", "import torch")
    command = f"`ltbench {' '.join(words)}`"
    measured(f"{command}, seconds", ours)
    measured(f"{command} / importing torch", ours / torch, at_most=share)
