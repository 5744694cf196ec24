"""Joules that a training takes, where they can be read: of a GPU by NVML, on a CPU by RAPL.

What a counter counts is all that the device does: of a GPU or of processor packages that other
work shares, the other work's joules too.
"""

import ctypes
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from ltbench.engine.fit import Training
from ltbench.engine.train import Observer, ProgressEvent
from ltbench.runs.together import processes

POWERCAP = Path("/sys/class/powercap")  # of Linux: a folder a counter
SECONDS_BETWEEN = 30.0  # two readings of a counter: Linux's begin again at 0 after some minutes
COLUMN = "joules"  # of a training's curves

Counter = Callable[[], float | None]  # joules so far, from any beginning; None: not to be read


def metered(observe: Observer, training: Training) -> Observer:
    """Return an observer that adds each epoch's joules to its row of the curves.

    Those of its training and evaluation; where they cannot be read, as those of several processes'
    devices, the curves have no such column.
    """
    count = counter_of(training.settings.device) if processes() == 1 else None
    if count is None:
        return observe
    before, read_at = count(), time.monotonic()

    def measure(report: ProgressEvent) -> None:
        nonlocal before, read_at
        ended, now = report.loss is not None, time.monotonic()
        if ended or now - read_at >= SECONDS_BETWEEN:
            read_at, joules = now, count()
            if ended:
                if joules is not None and before is not None:
                    training.progress.curves[-1][COLUMN] = joules - before
                before = joules
        observe(report)

    return measure


def joules_of(curves: list[dict[str, Any]]) -> float | None:
    """Return the joules of all epochs together, None where those of one are not known."""
    found = [row.get(COLUMN) for row in curves]
    return None if None in found else round(sum(map(float, filter(None, found))), 3)


def counter_of(device: torch.device) -> Counter | None:
    """Return the counter of a device's joules, None where it has none that this user may read."""
    if device.type == "cuda":
        return _gpu(device)
    with suppress(OSError):
        return Packages(POWERCAP).joules if device.type == "cpu" else None
    return None


class Packages:
    """The processors of this machine, by the files of Linux's powercap; their memory is apart."""

    def __init__(self, root: Path) -> None:
        self.ranges: dict[Path, int] = {}  # microjoules after which a counter begins again at 0
        for folder in sorted(root.glob("intel-rapl:*")):  # AMD's too
            if (folder / "name").read_text().startswith("package"):
                self.ranges[folder / "energy_uj"] = _number(folder / "max_energy_range_uj")
        if not self.ranges:
            raise FileNotFoundError(f"{root} counts no processor's energy")
        self.last = {file: _number(file) for file in self.ranges}
        self.total = 0  # microjoules since

    def joules(self) -> float | None:
        """Return the joules since this was made, None once a file cannot be read any more."""
        try:
            now = {file: _number(file) for file in self.ranges}
        except OSError:
            return None
        for file, count in now.items():
            step = count - self.last[file]
            self.total += step if step >= 0 else step + self.ranges[file]
        self.last = now
        return self.total / 1e6


def _number(file: Path) -> int:
    try:
        return int(file.read_text())
    except ValueError:
        raise OSError(f"{file} holds no number") from None


def _gpu(device: torch.device) -> Counter | None:
    """Return the counter of a GPU, which its driver's library has for those since Volta."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    uuid = f"GPU-{str(torch.cuda.get_device_properties(device).uuid).removeprefix('GPU-')}"
    handle, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
    if library.nvmlInit_v2():
        return None
    if library.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(handle)):
        return None

    def joules() -> float | None:
        failed = library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules))
        return None if failed else millijoules.value / 1e3

    return joules
