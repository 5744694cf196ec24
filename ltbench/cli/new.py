"""`ltbench new`: commented files to begin with, for a method, data set, protocol or table."""

import keyword
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from ltbench.cli.options import path_of
from ltbench.cli.templates import DATASET, METHOD, PROTOCOL, REPORTED, TABLE
from ltbench.errors import LtbenchError, UsageError

app = typer.Typer(help="Write a commented file to begin with.", no_args_is_help=True)

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


@app.command("dataset")
def dataset(name: Name) -> None:
    """Write a YAML file that describes a data set of your own, to change into yours."""
    path = _path(name, ".yaml")
    _refuse_bad_dataset_name(path)
    _write({path: DATASET.substitute(name=path.stem, path=path)})
    print(f"Written: {path}. Change it, then")
    print(f"  ltbench data describe {path}")
    print(f"  ltbench run --data {path} --methods ce,balanced_softmax")


@app.command("protocol")
def protocol(name: Name) -> None:
    """Write a YAML file with a training protocol of your own, to change into yours."""
    path = _path(name, ".yaml")
    _refuse_bad_protocol_name(path)
    _write({path: PROTOCOL.substitute(name=path.stem, path=path)})
    print(f"Written: {path}. Change it, then")
    print(f"  ltbench run --methods ce --dataset digits_lt --protocol {path}")


def _path(name: Path, suffix: str) -> Path:
    """Return a path with its suffix, which may have been left out."""
    if not name.name:
        raise UsageError("give the new file a name, such as mine.")
    return name if name.suffix == suffix else name.with_name(f"{name.name}{suffix}")


def _refuse_bad_method_name(path: Path) -> None:
    from importlib.metadata import packages_distributions

    from ltbench.registry.signatures import installed, own

    name = path.stem
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise _bad_name("method", name, re.sub("[^a-z0-9]+", "_", name.lower()).strip("_"))
    if name in own() | installed():
        raise UsageError(
            f"a method {name} exists already (`ltbench show {name}`); choose another name."
        )
    if name in sys.stdlib_module_names or name in packages_distributions():
        raise UsageError(f"{name} is a Python module that others import; choose another name.")


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


def _refuse_bad_dataset_name(path: Path) -> None:
    from ltbench.data.catalog import KNOWN

    name = path.stem
    if not re.fullmatch("[a-z][a-z0-9_]{0,39}", name):
        raise _bad_name("data set", name, re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")[:40])
    if name in KNOWN:
        raise UsageError(
            f"a data set {name} exists already (`ltbench show {name}`); choose another name."
        )


def _refuse_bad_protocol_name(path: Path) -> None:
    from ltbench.runs.protocols import PROTOCOLS

    name = path.stem
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise _bad_name("protocol", name, re.sub("[^a-z0-9]+", "_", name.lower()).strip("_"))
    if any(name in family for family in PROTOCOLS.values()):
        raise UsageError(
            f"a protocol {name} exists already (`ltbench list protocols`); choose another name."
        )


def _bad_name(kind: str, name: str, similar: str) -> UsageError:
    good = (
        similar
        if similar[:1].isalpha() and not keyword.iskeyword(similar)
        else "my_" + kind.replace(" ", "")
    )
    letters = "letters" if kind == "table" else "small letters"
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
