"""Which worker computes on which device of this machine."""

import os
from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import torch

from ltbench.engine.precision import device_of
from ltbench.errors import UsageError


def places_of(
    device: str, gpus: str | None, per_gpu: int | None, jobs: int | None, executor: str = "local"
) -> list[str]:
    """Return the device of each worker process, as a run command's options ask for them.

    Of another executor's workers it is what `device` says, which is asked there.
    `device` is one, or several with commas; `gpus` is `all` or a number of this machine's GPUs.
    Raises UsageError for options that do not go together and for devices that are not here.
    """
    if executor.partition(":")[0] != "local":
        if (gpus, jobs) != (None, None):
            raise UsageError(
                f"--gpus and --jobs are for this machine; what runs where is up to {executor}."
            )
        return [device]
    if gpus is not None and device != "auto":
        raise UsageError("--gpus and --device both say where to compute; give one of them.")
    if per_gpu is not None and jobs is not None:
        raise UsageError(
            "--per-gpu and --jobs both say how many trainings run at once; give one of them."
        )
    devices = [each.strip() for each in device.split(",")]
    if gpus is not None:
        number = _number(gpus, torch.cuda.device_count())
        devices = [str(torch.device("cuda", each)) for each in range(number)]
    if twice := [name for name, times in Counter(devices).items() if times > 1]:
        raise UsageError(
            f"--device names {twice[0]} twice; --per-gpu 2 lets two trainings share a GPU."
        )
    kinds = {device_of(each).type for each in devices}
    if per_gpu is not None and kinds != {"cuda"}:
        raise UsageError("--per-gpu is for GPUs; on the CPU --jobs says how many run at once.")
    return spread(devices, jobs if jobs is not None else len(devices) * (per_gpu or 1))


def spread(devices: Sequence[str], workers: int) -> list[str]:
    """Return a device for each of the workers, in turn: none gets two before all have one.

    Where there are fewer workers than devices, the last devices get none.
    """
    return list(islice(cycle(devices), workers))


def sharing_notes(places: Sequence[str]) -> list[str]:
    """Return a sentence on trainings that share a GPU; none where none do."""
    shared = [name for name, times in Counter(places).items() if times > 1]
    if not any(name.startswith("cuda") for name in shared):
        return []
    pipes = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"))
    if (pipes / "control").exists():
        return ["trainings share each GPU through NVIDIA's MPS."]
    return [
        "trainings share each GPU in turns; NVIDIA's MPS lets them compute at once: "
        "`nvidia-cuda-mps-control -d` starts it."
    ]


def _number(gpus: str, found: int) -> int:
    if not found:
        raise UsageError(f"--gpus {gpus}: no GPU is found here; use --device cpu.")
    number = found if gpus == "all" else int(gpus) if gpus.isascii() and gpus.isdigit() else 0
    if not 1 <= number <= found:
        raise UsageError(f"--gpus {gpus}: give all, or a number up to the {found} that are here.")
    return number
