"""`ltbench data`: check, prepare or describe what there is to train on."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ltbench.cli.loading import load_data
from ltbench.cli.options import DataRoot, Imbalance, Output, Results, path_of
from ltbench.cli.prepare import ADAPTED, adapt, pack_described, pack_images, shrink_images
from ltbench.cli.views.data_set import facts_of
from ltbench.errors import counted
from ltbench.specification import names_file

if TYPE_CHECKING:
    from ltbench.data.catalog import Dataset

app = typer.Typer(help="Check, prepare or describe data sets.", no_args_is_help=True)
Names = Annotated[
    list[str] | None,
    typer.Argument(help="Data sets, or YAML files that describe your own \\[default: all]."),
]


@app.command()
def check(
    names: Names = None,
    imbalance: Imbalance = None,
    data_root: DataRoot = None,
) -> None:
    """Read data sets that lie here, verify their checksums, and print what would be trained on.

    Large sets are compared byte by byte with what was packed; without names they are left out.
    """
    _visit(names, imbalance, data_root, download=False)


@app.command()
def prepare(
    names: Names = None,
    imbalance: Imbalance = None,
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
        typer.Option(
            parser=path_of, metavar="PATH", help="Folder of its published lists, or file of labels."
        ),
    ] = None,
    other_lists: Annotated[
        bool,
        typer.Option("--other-lists", help="Take lists of other images, if counts are published."),
    ] = False,
    short: Annotated[
        int | None,
        typer.Option(
            min=32,
            max=1024,
            help="Pack a large set once more, with a shorter side of so many pixels, for "
            "protocols such as fast(stored_side=256).",
        ),
    ] = None,
    data_root: DataRoot = None,
) -> None:
    """Download what is missing, or pack a large set's images; then do as `check` does."""
    if names and names[0] in ADAPTED:
        names = [str(adapt(names, images, lists, imbalance, data_root, verify=not other_lists))]
        images = lists = imbalance = None
    pack_described([path_of(name) for name in names or [] if names_file(name)], data_root)
    if images is not None or lists is not None:
        pack_images(names or [], images, lists, data_root, verify=not other_lists)
    if short is not None:
        shrink_images([_named(name, None, data_root) for name in names or []], short, data_root)
    _visit(names, imbalance, data_root, download=True)


@app.command()
def describe(
    name: Annotated[
        str, typer.Argument(help="A data set, or a YAML file that describes one of your own.")
    ],
    imbalance: Imbalance = None,
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
