"""Where workers compute: placement by device, tried without GPUs."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltbench.errors import UsageError
from ltbench.runs.executors import places
from ltbench.runs.executors.places import places_of, sharing_notes, spread


@pytest.fixture
def four_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(
        places, "device_of", lambda name: torch.device("cpu" if name == "auto" else name)
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("auto", None, None, None), ["auto"]),
        (("cpu", None, None, 3), ["cpu", "cpu", "cpu"]),
        (("cuda:0,cuda:1", None, None, None), ["cuda:0", "cuda:1"]),
        (("cuda:0, cuda:1", None, None, 3), ["cuda:0", "cuda:1", "cuda:0"]),
        (("auto", "2", None, None), ["cuda:0", "cuda:1"]),
        (("auto", "all", None, 2), ["cuda:0", "cuda:1"]),
        (("auto", "2", 2, None), ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]),
        (("cuda:3", None, 2, None), ["cuda:3", "cuda:3"]),
    ],
)
def test_options_become_a_device_for_each_worker(four_gpus, options, expected):
    assert places_of(*options) == expected


@given(st.integers(1, 8), st.integers(1, 20))
def test_no_device_gets_two_workers_more_than_another(devices, workers):
    names = [f"cuda:{number}" for number in range(devices)]
    counts = Counter(spread(names, workers))
    assert sum(counts.values()) == workers
    given = [counts[name] for name in names]
    assert max(given) - min(given) <= 1
    assert given == sorted(given, reverse=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("cpu", "all", None, None), "--gpus and --device both say where"),
        (("auto", "all", 2, 4), "--per-gpu and --jobs both say"),
        (("auto", "5", None, None), "--gpus 5: give all, or a number up to the 4"),
        (("auto", "none", None, None), "--gpus none: give all, or a number"),
        (("cuda:1,cuda:1", None, None, None), "--device names cuda:1 twice"),
        (("cpu", None, 2, None), "--per-gpu is for GPUs"),
        (("cuda:0,cpu", None, 2, None), "--per-gpu is for GPUs"),
    ],
)
def test_options_that_do_not_go_together_are_one_sentence(four_gpus, options, words):
    with pytest.raises(UsageError, match=words) as caught:
        places_of(*options)
    assert str(caught.value).endswith(".")


def test_another_executor_places_jobs_itself():
    assert places_of("cuda", None, None, None, "slurm:p.yaml") == ["cuda"]
    assert places_of("auto", None, 2, None, "ray") == ["auto"]  # it shares GPUs out itself
    with pytest.raises(UsageError, match=r"what runs where is up to slurm:p\.yaml"):
        places_of("auto", "all", None, None, "slurm:p.yaml")


def test_a_machine_without_gpus_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UsageError, match="no GPU is found here; use --device cpu"):
        places_of("auto", "all", None, None)


def test_a_shared_gpu_is_told_of_with_mps_or_without(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    assert sharing_notes(["cuda:0", "cuda:1"]) == sharing_notes(["cpu", "cpu"]) == []
    (told,) = sharing_notes(["cuda:0", "cuda:0"])
    assert "`nvidia-cuda-mps-control -d` starts it" in told
    (tmp_path / "control").touch()
    (told,) = sharing_notes(["cuda:0", "cuda:0"])
    assert told == "trainings share each GPU through NVIDIA's MPS."
