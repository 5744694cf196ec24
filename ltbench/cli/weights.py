"""`ltbench weights`: kept weights to others, published ones in."""

from pathlib import Path
from typing import Annotated

import typer

from ltbench.cli.options import DataRoot, Load, Results, path_of
from ltbench.cli.views.rows import load_files
from ltbench.errors import LtbenchError

app = typer.Typer(no_args_is_help=True, help="Take kept weights out, and bring published ones in.")


@app.command("export")
def export(
    record: Annotated[Path, typer.Argument(parser=path_of, help="A record, such as …/seed0.json.")],
    output: Annotated[
        Path,
        typer.Option(
            parser=path_of, metavar="FILE", help="A .pt, .pth or .safetensors file to write."
        ),
    ],
    epoch: Annotated[int | None, typer.Option(help="A kept epoch \\[default: the last].")] = None,
    results: Results = Path("results"),
    data_root: DataRoot = None,
    load: Load = None,
) -> None:
    """Write the network that predicts as a plain state dict, which loads without ltbench.

    Names are torchvision's (conv1, bn1, layer1 to layer3, fc); what a method merges is merged.
    """
    import torch

    from ltbench.analysis.finished import finished
    from ltbench.data.root import data_root as root_of
    from ltbench.runs.files import read_record
    from ltbench.runs.portable import needs_unit_features, plain, save
    from ltbench.runs.store import Store

    load_files(load)
    try:
        found = read_record(record)
    except FileNotFoundError:
        raise LtbenchError(f"there is no record {record}; `ltbench status` lists them.") from None
    run, _ = finished(found, Store(results), root_of(data_root), torch.device("cpu"))
    network = run.network(found.last.epoch if epoch is None else epoch)
    save(plain(network), output)
    print(f"Written: {output}")
    if needs_unit_features(network):
        print("The head is a cosine one: scale features to unit length before fc.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(parser=path_of, help="A published state dict.")],
    dataset: Annotated[str, typer.Option(help="What it was trained on, such as cifar10_lt.")],
    network: Annotated[str, typer.Option(help="resnet32 or resnet8.")] = "resnet32",
    name: Annotated[str | None, typer.Option(help="\\[default: the file's].")] = None,
    scale: Annotated[
        float, typer.Option(help="Of a cosine head: a state dict does not say it.")
    ] = 30.0,
    results: Results = Path("results"),
) -> None:
    """Check published weights against a network, and keep them for `evaluate --weights`."""
    from ltbench.data.catalog import dataset as dataset_of
    from ltbench.runs.portable import bring_in, network_from, published

    info = dataset_of(dataset).info
    state = published(file)
    made = network_from(state, network, info.shape[0], info.classes, scale)
    target = results / "weights" / f"{name or file.stem}.safetensors"
    told = {"dataset": dataset, "network": network, "scale": str(scale)}
    bring_in(file, target, made, told)
    print(f"Written: {target}")
    print(f"Its accuracy: ltbench evaluate --weights {target}")
