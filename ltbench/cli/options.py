"""Options that several commands share."""

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ltbench.cli import complete
from ltbench.errors import LtbenchError, UsageError
from ltbench.specification import names_file, split

if TYPE_CHECKING:
    from ltbench.runs.record import Record
    from ltbench.runs.store import Store

_UNITS = {"d": 86_400, "h": 3600, "m": 60, "min": 60, "s": 1}


def path_of(text: str | Path) -> Path:
    """Return the path that a user wrote, `~` being the home folder."""
    return Path(text).expanduser()


def seed_of(text: str) -> int:
    """Return the seed that a user wrote; raises UsageError for anything but one number."""
    if not (text.isascii() and text.isdigit()):
        remedy = f"; several are --seeds {text}" if "," in text else ""
        raise UsageError(f"--seed {text}: give one whole number from 0 on{remedy}.")
    return int(text)


class TrackerName(StrEnum):
    """What shows curves beside ltbench."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    MLFLOW = "mlflow"


Results = Annotated[
    Path,
    typer.Option(
        "--results", parser=path_of, metavar="PATH", help="Folder of records and tables.",
        show_default=True,
    ),
]  # fmt: skip
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root", parser=path_of, metavar="PATH",
        help="Folder of the data sets \\[default: $LTBENCH_DATA or data].",
    ),
]  # fmt: skip
Data = Annotated[
    list[Path] | None,
    typer.Option(
        "--data", parser=path_of, metavar="PATH",
        help="A YAML file that describes images of your own; may be repeated.",
    ),
]  # fmt: skip
KeptWeights = Annotated[
    str | None,
    typer.Option(
        metavar="WHAT", help="weights, of the last epoch, or snapshots:10, of every tenth one too.",
    ),
]  # fmt: skip
PretrainedFile = Annotated[
    Path | None,
    typer.Option(
        "--pretrained", parser=path_of, metavar="PATH",
        help="Weights that encoders begin from, where a protocol says so; none are downloaded.",
    ),
]  # fmt: skip
OnBadImage = Annotated[
    Literal["stop", "skip"],
    typer.Option(
        "--on-bad-image",
        help="A training image of a streamed set that does not read stops its run, or is left out.",
    ),
]  # fmt: skip
Load = Annotated[
    list[Path] | None,
    typer.Option(
        "--load", parser=path_of, metavar="PATH",
        help="A Python file with a method of your own; may be repeated.",
    ),
]  # fmt: skip
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", parser=path_of, metavar="PATH",
        help="Folder for the files \\[default: one in the results folder].",
    ),
]  # fmt: skip
OverSeeds = Annotated[
    int | None,
    typer.Option(
        "--seeds", min=3, metavar="COUNT",
        help="Judge by so many seeds (5 is 0 to 4), all of them; fix the number before they run "
        "\\[default: the table's own].",
    ),
]  # fmt: skip
Track = Annotated[
    list[TrackerName] | None,
    typer.Option(
        "--track", help="Show the curves there too; needs its package; may be repeated.",
    ),
]  # fmt: skip
Gpus = Annotated[
    str | None,
    typer.Option("--gpus", metavar="all|N", help="Compute on all GPUs of this machine, or on N."),
]
PerGpu = Annotated[int | None, typer.Option("--per-gpu", min=1, help="Trainings that share a GPU.")]
ExecutorName = Annotated[
    str, typer.Option("--executor", help="What runs the trainings; see docs/clusters.md.")
]
Retries = Annotated[int, typer.Option(min=0, help="Tries more of a training whose worker is lost.")]
TimeLimit = Annotated[
    str | None,
    typer.Option("--time-limit", help="Save and end before, as 2h; exit code 75 if work is left."),
]
SignalBefore = Annotated[
    str, typer.Option("--signal-before", help="How long before the time limit trainings save.")
]
Imbalance = Annotated[
    float | None, typer.Option(help="Ratio n_max / n_min \\[default: the data set's].")
]
ProtocolName = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="paper, fast, smoke, fast(epochs=20) or mine.yaml \\[default: the data set's].",
        autocompletion=complete.protocols,
    ),
]
NetworkName = Annotated[
    str | None,
    typer.Option(
        "--network",
        help="resnet32, resnet50 …, or torchvision:NAME, timm:NAME \\[default: the data set's].",
    ),
]
HeldOut = Annotated[
    int | None,
    typer.Option("--validation", help="Training images per class to hold out and select on."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def note_if_absent(results: Path) -> None:
    """Say that a folder of results that the user named is not there: it may be misspelt."""
    from ltbench.runs.commands import RESULTS

    if results != RESULTS and not results.exists():
        print(
            f"ltbench: there is no folder {results}, so no record is read; is --results misspelt?",
            file=sys.stderr,
        )


def folder_for(name: str, usual: Path, output: Path | None) -> Path:
    """Return where the files of a table or figure go.

    Those of a YAML file of the user's own go into a folder of that file's own, so that neither
    what ltbench comes with nor another file of the same name is replaced.
    """
    if output is not None:
        return output
    if not names_file(name):
        return usual
    from hashlib import sha256

    path = path_of(name).resolve()
    return usual / f"{path.stem}-{sha256(str(path).encode()).hexdigest()[:6]}"


def seconds_of(text: str | None, option: str = "--budget") -> float | None:
    """Return the seconds of `8h`, `90m`, `1d12h`; raises UsageError for anything else."""
    if text is None:
        return None
    found = re.findall(r"(\d+(?:\.\d+)?)\s*(min|[dhms])", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in found)
    if "".join(map("".join, found)) != text.replace(" ", "") or not seconds:
        raise UsageError(f"{option} {text}: give a time such as 8h, 90m or 1d12h.")
    return seconds


def times_of(limit: str | None, before: str) -> tuple[float | None, float]:
    """Return --time-limit and --signal-before in seconds; raises UsageError for no times."""
    return seconds_of(limit, "--time-limit"), seconds_of(before, "--signal-before") or 0.0


def chosen(
    store: "Store", methods: str | None, dataset: str | None, protocol: str | None
) -> list["Record"]:
    """Return the records that the filters let through; raises LtbenchError where none is left."""
    from ltbench.data.catalog import dataset as dataset_of
    from ltbench.registry.methods import build, describe
    from ltbench.runs.commands import of_results
    from ltbench.runs.protocol_file import named_in

    wanted = named_in(protocol)
    named = None if methods is None else {describe(build(each)) for each in split(methods)}
    sets = None if dataset is None else split(dataset)
    # A name alone means every ratio.
    exact = {each if "(" not in each else str(dataset_of(each)) for each in sets or []}
    found = [
        record
        for record in store.records()
        if (named is None or record.method in named)
        and (sets is None or exact & {record.dataset, re.split(r"[@(]", record.dataset)[0]})
        and (wanted is None or record.protocol == wanted)
    ]
    if not found:
        listing = of_results("ltbench status", store.root)
        raise LtbenchError(f"no record fits; `{listing}` lists those that there are.")
    return found
