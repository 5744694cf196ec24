"""`ltbench pack`: a plan and its images in one archive, for a machine without network."""

import tempfile
import zipfile
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from ltbench.cli import complete
from ltbench.cli.loading import load_files, read_files
from ltbench.cli.options import (
    DataRoot,
    HeldOut,
    Imbalance,
    Load,
    NetworkName,
    ProtocolName,
    path_of,
)
from ltbench.cli.views.rows import size
from ltbench.errors import UsageError, counted
from ltbench.specification import split


def pack(
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            help="Specifications, such as ce,ldam_drw+sam(rho=0.8).",
            autocompletion=complete.methods,
        ),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            help="Data sets, such as cifar100_lt,digits_lt.",
            autocompletion=complete.datasets,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", parser=path_of, metavar="FILE", help="Archive to write.")
    ],
    imbalance: Imbalance = None,
    seeds: Annotated[str, typer.Option(help="A count (3 is 0, 1, 2) or a list (0,4).")] = "3",
    protocol: ProtocolName = None,
    network: NetworkName = None,
    validation: HeldOut = None,
    data_root: DataRoot = None,
    load: Load = None,
) -> None:
    """Put a plan and the images it needs into one archive, which `ltbench run` takes elsewhere."""
    from ltbench.data.catalog import dataset as dataset_of
    from ltbench.runs.commands import seeds_of
    from ltbench.runs.request import check_methods, check_protocols

    read_files(load)
    names, sets = split(methods), [dataset_of(name, imbalance) for name in split(dataset)]
    wanted = seeds_of(seeds)
    if not names or not sets:
        raise UsageError("nothing to pack; give --methods and --dataset at least one name each.")
    check_methods(names)
    check_protocols(sets, protocol, validation)

    # Only now what imports torch, which takes seconds.
    from ltbench.data.root import data_root as root_of
    from ltbench.runs.files import write_file
    from ltbench.runs.job_archive import write_job
    from ltbench.runs.plan import make
    from ltbench.runs.store import Store
    from ltbench.runs.workspace import Workspace

    load_files(load)
    with tempfile.TemporaryDirectory() as empty:
        plan = make(
            sets, names, wanted, Store(empty),
            protocol_name=protocol, network=network, validation=validation,
        )  # fmt: skip
    workspace, images = Workspace(Path("results"), root_of(data_root)), 0

    def write(file: BinaryIO) -> None:
        nonlocal images
        with zipfile.ZipFile(file, "w") as archive:
            images = write_job(
                archive, plan, workspace,
                methods=names, protocol=protocol, network=network, validation=validation,
            )  # fmt: skip

    write_file(output, write, "--output")
    print(
        f"{counted(len(plan.cells), 'cell')} and {images:,} images, "
        f"{size(output.stat().st_size)}, written to {output}."
    )
    print(f"There: ltbench run {output.name} --results DIR")
    for path in load or ():
        print(f"{path} is not in it, for nothing of an archive is executed: give --load there too.")
