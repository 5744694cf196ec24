"""`ltbench data` and `ltbench doctor`: are the data and the machine in order?"""

import importlib
import json
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ltbench.cli.options import DataRoot, Output, Results, path_of
from ltbench.cli.views.data_set import facts_of, pack_described, pack_images
from ltbench.cli.views.rows import load_data, size
from ltbench.errors import counted, first_line
from ltbench.specification import names_file

if TYPE_CHECKING:
    from ltbench.data.catalog import Dataset

app = typer.Typer(help="Check, prepare or look at data sets.", no_args_is_help=True)
Names = Annotated[
    list[str] | None,
    typer.Argument(help="Data sets, or YAML files that describe your own \\[default: all]."),
]


@app.command()
def check(
    names: Names = None,
    imbalance: Annotated[float | None, typer.Option(help="Ratio n_max / n_min.")] = None,
    data_root: DataRoot = None,
) -> None:
    """Read data sets that lie here, verify their checksums, and print what would be trained on.

    Large sets are compared byte by byte with what was packed; without names they are left out.
    """
    _visit(names, imbalance, data_root, download=False)


@app.command()
def prepare(
    names: Names = None,
    imbalance: Annotated[float | None, typer.Option(help="Ratio n_max / n_min.")] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            parser=path_of,
            metavar="PATH",
            help="Folder of a large set's images, as its archives unpack.",
        ),
    ] = None,
    lists: Annotated[
        Path | None,
        typer.Option(parser=path_of, metavar="PATH", help="Folder of its published lists."),
    ] = None,
    other_lists: Annotated[
        bool,
        typer.Option("--other-lists", help="Take lists of other images, if counts are published."),
    ] = False,
    data_root: DataRoot = None,
) -> None:
    """Download what is missing, or pack a large set's images; then do as `check` does."""
    pack_described([path_of(name) for name in names or [] if names_file(name)], data_root)
    if images is not None or lists is not None:
        pack_images(names or [], images, lists, data_root, verify=not other_lists)
    _visit(names, imbalance, data_root, download=True)


@app.command()
def describe(
    name: Annotated[
        str, typer.Argument(help="A data set, or a YAML file that describes one of your own.")
    ],
    imbalance: Annotated[float | None, typer.Option(help="Ratio n_max / n_min.")] = None,
    data_root: DataRoot = None,
    results: Results = Path("results"),
    output: Output = None,
) -> None:
    """Show a data set's facts, and draw its tail and sample images."""
    from ltbench.data.loading import load
    from ltbench.data.own import classes_of
    from ltbench.data.root import data_root as root_of
    from ltbench.figures.data_set import draw_counts, draw_samples
    from ltbench.figures.style import save, style
    from ltbench.networks import check_network
    from ltbench.runs.protocol import protocol_of
    from ltbench.runs.store import slug

    dataset = _named(name, imbalance, data_root)
    check_network(dataset.info.network)
    protocol_of(None, dataset.info)
    split = load(dataset, root_of(data_root))
    classes = classes_of(dataset.info)
    for key, value in facts_of(dataset, classes, split).items():
        print(f"{key}: {value}")
    folder = output or results / "data" / slug(str(dataset))
    counts = "".join(
        f"{c},{json.dumps(classes[c], ensure_ascii=False)},{count}\n"
        for c, count in enumerate(split.class_counts)
    )
    table = f"class,name,training_images\n{counts}"
    with style():
        files = save(draw_counts(dataset, classes), table, "counts", folder)
        files += save(draw_samples(dataset, split.train, classes), table, "samples", folder)
    for file in files:
        if file.suffix == ".png":
            print(f"drawn: {file}")


def _named(name: str, imbalance: float | None, root: Path | None) -> "Dataset":
    """Return a data set by its name or by the file that describes it."""
    from ltbench.data.catalog import dataset

    if names_file(name):
        (name,) = load_data([path_of(name)], root)
    return dataset(name, imbalance)


def _visit(
    names: list[str] | None, imbalance: float | None, given: Path | None, *, download: bool
) -> None:
    from ltbench.data.catalog import CATALOG
    from ltbench.data.listed import compare
    from ltbench.data.loading import load
    from ltbench.data.profile import SHOTS
    from ltbench.data.readers import pixels_sha256, unverified_files
    from ltbench.data.root import data_root
    from ltbench.errors import LtbenchError, MissingDataError, UsageError

    failed = False
    others = [name for name, info in CATALOG.items() if not info.listed]
    for name in names or others:
        dataset = _named(name, imbalance, given)
        try:
            if dataset.info.streamed and not download:
                compare(dataset.info, data_root(given))
            split = load(dataset, data_root(given), download=download)
        except UsageError:
            raise
        except LtbenchError as error:
            if isinstance(error, MissingDataError) and not names and not download:
                print(f"  --  {name} is not here; `ltbench data prepare {name}` brings it")
                continue
            failed = True
            print(f"FAIL  {error}", file=sys.stderr)
            continue
        counts, groups = split.class_counts, dataset.shots()
        shots = ", ".join(f"{groups.count(each)} {each}" for each in SHOTS)
        print(
            f"  ok  {dataset}: {len(split.train.labels)} training images in "
            f"{counted(len(counts), 'class')} "
            f"({max(counts)} to {min(counts)}; {shots}), {len(split.test.labels)} test images, "
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
        from ltbench.data.root import data_root as root_of

        _devices()
        _room(results)
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
    from ltbench.runs.store import Store

    try:
        Store(results).check_writable()
    except LtbenchError as error:
        return [str(error)]
    print(f"  ok  results folder {results} can be written")
    return []


def _room(results: Path) -> None:
    """Say how much memory there is, and how much of the results' disk is free."""
    there = next(
        each for each in (results.absolute(), *results.absolute().parents) if each.exists()
    )
    free = size(shutil.disk_usage(there).free)
    print(f"  ok  disk {free} free for results; a CIFAR run keeps 5 MB, and 10 MB while it runs")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        bytes_ = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        print(f"  ok  memory {size(bytes_)}, {os.cpu_count()} cores")


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
    if device.type == "cpu" and not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        print("note  no AVX-512 here: bfloat16 may be slow; fast(precision='float32') avoids it")
