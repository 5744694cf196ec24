"""`ltbench doctor`: is this machine in order?"""

import importlib
import os
import platform
import shutil
import sys
from pathlib import Path

from ltbench.cli.options import DataRoot, Results
from ltbench.cli.views.rows import size
from ltbench.errors import counted, first_line

ENOUGH = 100e6  # bytes free on the disk of results


def doctor(results: Results = Path("results"), data_root: DataRoot = None) -> None:
    """Say whether this machine can run ltbench, and how to mend what cannot."""
    problems = [*_packages(), *_writable(results)]
    if not problems:
        from ltbench.data.root import data_root as root_of

        _devices()
        problems = _room(results)
        root = root_of(data_root)
        state = "exists" if root.is_dir() else "does not exist yet; `ltbench data prepare` fills it"
        print(f"  ok  data folder {root} {state}")
    for problem in problems:
        print(f"FAIL  {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)


def _packages() -> list[str]:
    from importlib.metadata import PackageNotFoundError, version

    print(f"  ok  Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    problems = []
    for name in ("torch", "torchvision"):
        try:
            importlib.import_module(name)
            print(f"  ok  {name} {version(name)}")
        except (ImportError, OSError, RuntimeError, PackageNotFoundError) as error:
            problems.append(explain(name, error))
    return problems


def explain(name: str, error: Exception) -> str:
    """Return in words why a package does not import."""
    from importlib.metadata import version

    if "torchvision::nms" in str(error):
        return (
            f"torchvision {version('torchvision')} does not fit torch {version('torch')}: its "
            "published wheels need the matching CUDA build of torch, not a CPU-only one; "
            "install both together from one source: "
            "python -m pip install --force-reinstall torch torchvision"
        )
    reason = first_line(error)
    return f"{name} does not import ({reason}); reinstall torch and torchvision together."


def _writable(results: Path) -> list[str]:
    from ltbench.errors import LtbenchError
    from ltbench.runs.file_system import lacking
    from ltbench.runs.store import Store

    try:
        Store(results).check_writable()
    except LtbenchError as error:
        return [str(error)]
    print(f"  ok  results folder {results} can be written")
    for sentence in lacking(results.expanduser()):
        print(f"note  {sentence}")
    return []


def _room(results: Path) -> list[str]:
    """Say how much memory there is, and how much of the results' disk is free."""
    there = next(
        each for each in (results.absolute(), *results.absolute().parents) if each.exists()
    )
    free = shutil.disk_usage(there).free
    usual = "a CIFAR run keeps 5 MB, and 10 MB while it runs"
    if free >= ENOUGH:
        print(f"  ok  disk {size(free)} free for results; {usual}")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        bytes_ = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        print(f"  ok  memory {size(bytes_)}, {os.cpu_count()} cores")
    if free >= ENOUGH:
        return []
    remedy = "free some space, or name a folder on another disk with --results"
    return [f"the disk of {there} has {size(free)} free, and {usual}; {remedy}."]


def _devices() -> None:
    import torch

    from ltbench.engine.precision import device_of
    from ltbench.runs.environment import device_name

    device = device_of("auto")
    threads = counted(torch.get_num_threads(), "thread")
    print(f"  ok  device {device.type}: {device_name(device)}, {threads}")
    for index in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(index)
        print(f"  ok  cuda:{index}: {found.name}, {size(found.total_memory)}")
