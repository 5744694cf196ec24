"""`ltbench data` and `ltbench doctor`: are the data and the machine in order?"""

import importlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from ltbench.cli.options import DataRoot, Results
from ltbench.errors import first_line

app = typer.Typer(help="Check or prepare the data sets.", no_args_is_help=True)
Names = Annotated[list[str] | None, typer.Argument(help="Data sets \\[default: all].")]


@app.command()
def check(
    names: Names = None,
    imbalance: Annotated[float | None, typer.Option(help="Ratio n_max / n_min.")] = None,
    data_root: DataRoot = None,
) -> None:
    """Read data sets that lie here, verify their checksums, and print what would be trained on."""
    _visit(names, imbalance, data_root, download=False)


@app.command()
def prepare(
    names: Names = None,
    imbalance: Annotated[float | None, typer.Option(help="Ratio n_max / n_min.")] = None,
    data_root: DataRoot = None,
) -> None:
    """Download what is missing, with torchvision's MD5 check, then do as `check` does."""
    _visit(names, imbalance, data_root, download=True)


def _visit(
    names: list[str] | None, imbalance: float | None, given: Path | None, *, download: bool
) -> None:
    from ltbench.data.catalog import CATALOG
    from ltbench.data.catalog import dataset as dataset_of
    from ltbench.data.profile import SHOTS, shot_groups
    from ltbench.data.readers import data_root, load, pixels_sha256, unverified_files
    from ltbench.errors import LtbenchError, UsageError

    failed = False
    for name in names or list(CATALOG):
        dataset = dataset_of(name, imbalance)
        try:
            split = load(dataset, data_root(given), download=download)
        except UsageError:
            raise
        except LtbenchError as error:
            failed = True
            print(f"FAIL  {error}", file=sys.stderr)
            continue
        counts = split.class_counts
        groups = shot_groups(counts)
        grouped = ", ".join(f"{groups.count(each)} {each}" for each in SHOTS)
        print(
            f"  ok  {dataset}: {sum(counts)} training images in {len(counts)} classes "
            f"({counts[0]} to {counts[-1]}; {grouped}), {len(split.test.labels)} test images, "
            f"indices SHA-256 {split.indices_sha256[:16]}, pixels {pixels_sha256(split)[:16]}"
        )
        if found := unverified_files(dataset.info, data_root(given)):
            print(
                f"      not verified: {found[0].name}.gz is not beside what was unpacked of it; "
                f"`ltbench data prepare {dataset.info.name}` in another folder brings a checked one"
            )
    if failed:
        sys.exit(1)


def doctor(results: Results = Path("results"), data_root: DataRoot = None) -> None:
    """Say whether this machine can run ltbench, and how to mend what cannot."""
    problems = [*_packages(), *_writable(results)]
    if not problems:
        from ltbench.data.readers import data_root as root_of

        _devices()
        root = root_of(data_root)
        state = "exists" if root.is_dir() else "does not exist yet; `ltbench data prepare` fills it"
        print(f"  ok  data folder {root} {state}")
    for problem in problems:
        print(f"FAIL  {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)


def _packages() -> list[str]:
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
    from ltbench.runs.store import Store

    try:
        Store(results).check_writable()
    except LtbenchError as error:
        return [str(error)]
    print(f"  ok  results folder {results} can be written")
    return []


def _devices() -> None:
    import torch

    from ltbench.engine.precision import device_of
    from ltbench.runs.environment import device_name

    device = device_of("auto")
    print(f"  ok  device {device.type}: {device_name(device)}, {torch.get_num_threads()} threads")
    if device.type == "cpu" and not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        print("note  no AVX-512 here: bfloat16 may be slow; fast(precision='float32') avoids it")
