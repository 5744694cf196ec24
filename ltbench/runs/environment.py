"""Where a run happens: versions, device and source state; no host name, no path."""

import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

from ltbench import __version__
from ltbench.runs.record import Environment
from ltbench.runs.together import processes

try:
    import resource
except ImportError:  # on Windows
    resource = None  # type: ignore[assignment]


def environment(device: torch.device) -> Environment:
    """Return the environment of this process for runs on `device`."""
    version_here, commit, dirty = source_state()
    return Environment(
        ltbench=version_here,
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        torch=torch.__version__,
        torchvision=version("torchvision"),
        cuda=torch.version.cuda if device.type == "cuda" else None,
        device=device_name(device),
        threads=torch.get_num_threads(),
        platform=f"{platform.system()} {platform.machine()}",
        processes=processes(),
    )


def source_state() -> tuple[str, str | None, bool | None]:
    """Return ltbench's version and, in a checkout of its own, the commit and whether it changed."""
    return (__version__, *_source())


def in_words(state: tuple[str, str | None, bool | None]) -> str:
    """Return a source state as people write it."""
    version_there, commit, changed = state
    at = "" if commit is None else f" at {commit[:10]}"
    return f"{version_there}{at}{', changed since' if changed else ''}"


def device_name(device: torch.device) -> str:
    """Return the model name of a device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return _processor() if device.type == "cpu" else device.type


def peak_memory_mib(device: torch.device) -> float | None:
    """Return the peak memory of the device, or of this process for a CPU, in MiB.

    None where the system does not count it for a process, as on Windows.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "CPU"


@cache
def _source() -> tuple[str | None, bool | None]:
    """Return commit and dirty flag if the package runs from its own checkout."""
    checkout = Path(__file__).resolve().parent.parent.parent
    try:
        top = _git(checkout, "rev-parse", "--show-toplevel")
        if Path(top).resolve() != checkout:  # installed inside somebody else's repository
            return None, None
        changed = _git(checkout, "status", "--porcelain", "--", "ltbench", "methods")
        return _git(checkout, "rev-parse", "HEAD"), bool(changed)
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
