"""`ltbench new`: commented files to begin with, a method's or a table's."""

import keyword
import re
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from ltbench.cli.options import path_of
from ltbench.errors import LtbenchError, UsageError

app = typer.Typer(help="Write a commented file to begin with.", no_args_is_help=True)

METHOD = Template('''\
"""$title: Authors, "Title of the paper", Venue Year."""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs


@dataclass
class $title(Method):
    """What it changes about cross-entropy training, with the number of the equation.

    To begin with: every logit has tau times the log of its class's share added.
    """

    # A parameter has a type, a default (the paper's value) and a name: $name(tau=2.0).
    # Its range stands in its type.
    tau: Annotated[float, Ge(0)] = 1.0

    # What is not as in the paper, one sentence each, for the reader of your numbers.
    deviations = ()

    # The default of every hook is plain cross-entropy training: delete what the paper does not
    # change, add what it does. docs/methods.md lists the hooks, with an example of each kind.

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return one loss a sample, [B]; the harness takes the mean, modifiers may weight it."""
        logits = outputs["logits"] + self.tau * self.task.priors.log()  # [B, C] + [C]
        return F.cross_entropy(logits, batch.targets, reduction="none")
''')

TABLE = Template("""\
# A table of your own. `ltbench table $path` fills it from the records in results/,
# writes it as CSV, LaTeX and Markdown, and says which commands run what is missing.

title: Two methods on CIFAR-100-LT and digits
seeds: [0, 1, 2]

# What papers print, in a CSV file beside this one, a value a line. Its columns: method is the
# label of a row below; dataset, backbone and imbalance_ratio say of what the value is (a backbone
# may be left empty where the paper does not say); split is all, many, medium or few; metric is
# top1_acc_pct. Further columns, such as venue, are for you. Without reported values, delete this
# line and the file.
reported: $reported

# A column is a data set and what is measured on it: top1 (the default), many, medium, few …
# Each data set has its own protocol and network; `protocol: fast` or `network: resnet32` here,
# above the columns, changes them for all.
columns:
  - {group: "CIFAR-100-LT, r = 100", header: all, dataset: cifar100_lt(imbalance=100)}
  - {group: Digits-LT, header: all, dataset: digits_lt}
  - {group: Digits-LT, header: few, dataset: digits_lt, metric: few}

# A row is a method, as the paper calls it and as ltbench does.
rows:
  - {label: CE, method: ce}
  - {label: LDAM-DRW, venue: NeurIPS 2019, method: ldam_drw}
""")

# As Table 1 of the GKP+GSA paper prints them.
REPORTED = (
    ("method", "venue", "dataset", "backbone", "imbalance_ratio", "split", "metric", "value"),
    ("CE", "", "CIFAR-100-LT", "ResNet-32", "100", "all", "top1_acc_pct", "38.3"),
    ("LDAM-DRW", "NeurIPS 2019", "CIFAR-100-LT", "ResNet-32", "100", "all", "top1_acc_pct", "42.0"),
)  # fmt: skip

Name = Annotated[Path, typer.Argument(parser=path_of, help="A name, or a path that ends in one.")]


@app.command("method")
def method(name: Name) -> None:
    """Write a method file that trains, to change into your own."""
    path = _path(name, ".py")
    _refuse_bad_method_name(path)
    title = "".join(word.capitalize() for word in path.stem.split("_"))
    _write({path: METHOD.substitute(name=path.stem, title=title)})
    print(f"Written: {path}. Change it, then")
    print(f"  ltbench check {path}")
    print(f"  ltbench run --load {path} --methods ce,{path.stem} --dataset digits_lt")


@app.command("table")
def table(name: Name) -> None:
    """Write a table's YAML file, and the values its paper reports as CSV, to change into yours."""
    from ltbench.runs.files import csv_text

    path = _path(name, ".yaml")
    _refuse_bad_table_name(path)
    reported = path.with_name(f"{path.stem}_reported.csv")
    values = {"path": path, "reported": reported.name}
    _write({path: TABLE.substitute(values), reported: csv_text(REPORTED)})
    print(f"Written: {path}, {reported}. Change them, then")
    print(f"  ltbench table {path}")


def _path(name: Path, suffix: str) -> Path:
    """Return a path with its suffix, which may have been left out."""
    if not name.name:
        raise UsageError("give the new file a name, such as mine.")
    return name if name.suffix == suffix else name.with_name(f"{name.name}{suffix}")


def _refuse_bad_method_name(path: Path) -> None:
    from ltbench.registry.signatures import installed, own

    name = path.stem
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise _bad_name("method", name, re.sub("[^a-z0-9]+", "_", name.lower()).strip("_"))
    if name in own() | installed():
        raise UsageError(
            f"a method {name} exists already (`ltbench show {name}`); choose another name."
        )


def _refuse_bad_table_name(path: Path) -> None:
    from ltbench.tables.shipped import shipped

    name = path.stem
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
        raise _bad_name("table", name, re.sub("[^A-Za-z0-9]+", "_", name).strip("_"))
    for short, found in shipped().items():
        if found.stem == name:
            raise UsageError(
                f"a table {name} exists already (`ltbench table {short}`); choose another name."
            )


def _bad_name(kind: str, name: str, similar: str) -> UsageError:
    good = similar if similar[:1].isalpha() and not keyword.iskeyword(similar) else f"my_{kind}"
    letters = "small letters" if kind == "method" else "letters"
    return UsageError(
        f"{name!r} cannot name a {kind}; write {letters}, digits and underscores, such as {good}."
    )


def _write(files: dict[Path, str]) -> None:
    """Write new files; raises a LtbenchError where one exists or its folder cannot be written."""
    for path in files:
        if path.exists():
            raise UsageError(f"{path} exists already; choose another name, or move it away.")
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent} to write {path.name} in; make it.")
    for path, text in files.items():
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise LtbenchError(
                f"cannot write {path} ({error.strerror}); choose a folder that can be written."
            ) from None
