"""`ltbench weights`: kept weights to others, published ones in."""

from pathlib import Path
from typing import Annotated

import typer

from ltbench.cli.loading import load_files
from ltbench.cli.options import DataRoot, Load, Results, path_of
from ltbench.cli.views.rows import print_rows
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

    from ltbench.analysis.finished import finished, record_at
    from ltbench.data.root import data_root as root_of
    from ltbench.runs.commands import of_results
    from ltbench.runs.portable import check_suffix, needs_unit_features, plain, save
    from ltbench.runs.store import Store

    load_files(load)
    check_suffix(output)
    try:
        found, store = record_at(record, Store(results))
    except FileNotFoundError:
        listing = of_results("ltbench status", results)
        raise LtbenchError(f"there is no record {record}; `{listing}` lists them.") from None
    run, _ = finished(found, store, root_of(data_root), torch.device("cpu"))
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
    facts = {"dataset": dataset, "network": network, "scale": str(scale)}
    bring_in(file, target, made, facts)
    print(f"Written: {target}")
    print(f"Its accuracy: ltbench evaluate --weights {target}")


def print_scores(path: Path, root: Path) -> None:
    """Print the accuracy of imported weights on the test set, by shot group; nothing is kept."""
    import torch

    from ltbench.api.task import Task
    from ltbench.data.catalog import dataset as dataset_of
    from ltbench.data.loading import load
    from ltbench.data.stream import feed_of
    from ltbench.engine.build import shown_to
    from ltbench.evaluation.metrics import scores_of
    from ltbench.runs.portable import brought, network_from

    state, facts = brought(path)
    data = dataset_of(facts["dataset"])
    split = load(data, root)
    network = network_from(
        state, facts["network"], data.info.shape[0], data.info.classes, float(facts["scale"])
    )
    feed = feed_of(shown_to(facts["network"], data.info), split.test)
    with torch.no_grad():
        logits = torch.cat([network(batch.images)["logits"].float() for batch in feed.clean()])
    scores = scores_of(logits, split.test.labels, Task.of(data.info, split), 1)
    row = {"weights": path.stem}
    for name in scores.numbers:
        value = getattr(scores, name)
        row[name] = "--" if value is None else f"{value:.1f}"
    print_rows([row], title=f"imported weights, {data}, {facts['network']}, test set")
