"""`ltbench list`: what a run or a table can name."""

import inspect
import json
import sys
import types
from typing import Annotated

import typer

from ltbench.cli.loading import load_files
from ltbench.cli.options import AsJson, Load
from ltbench.cli.remembered import remembered
from ltbench.cli.views.rows import Row, print_rows
from ltbench.errors import LtbenchError, printable, unknown


def list_(
    kind: Annotated[
        str,
        typer.Argument(
            help="methods, datasets, networks, protocols, tables, figures, analyses or all."
        ),
    ] = "all",
    long: Annotated[
        bool, typer.Option("--long", help="Whole titles, and the paper of each method.")
    ] = False,
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """List what a run or a table can name, a line each."""
    wanted = list(_LISTS) if kind == "all" else [kind]
    if kind != "all" and kind not in _LISTS:
        raise unknown("list", kind, [*_LISTS, "all"])
    if "methods" in wanted:
        load_files(load)
    found = {name: _LISTS[name]() for name in wanted}
    if as_json:
        print(json.dumps(found if kind == "all" else found[kind], indent=1))
        return
    cut = False
    for name, rows in found.items():
        # The last column is cut at the end of its line, or broken between words.
        last = list(rows[0])[-1]
        cut |= print_rows(
            rows, title=name, wrap=last if long else None, cut=None if long else last,
            leave_out=_LEAVE_OUT,
        )  # fmt: skip
    if cut:
        print("Some lines are cut: `ltbench list --long` shows them whole.")


# What a narrow terminal has no room for, the first first.
_LEAVE_OUT = ("encoder parameters", "fraction", "precision", "source", "weight_decay", "head")


_LABELS = {"single": "one", "multi": "several"}  # of an image that a method trains on


def _methods() -> list[Row]:
    from ltbench.registry.signatures import names, own

    if set(names()) == own():
        rows: list[Row] = remembered("list methods", _read_methods)
        return rows
    return _read_methods()


def _read_methods() -> list[Row]:
    from ltbench.registry.methods import find, role
    from ltbench.registry.signatures import names

    rows = []
    for name in names():
        try:
            cls = find(name)
        except LtbenchError as error:  # of somebody's plug-in; the others are not less there
            reason = printable(str(error))
            rows.append({"name": name, "role": "broken", "labels": "", "paper": reason})
        else:
            labels = " or ".join(_LABELS[each] for each in cls.kinds)
            rows.append({"name": name, "role": role(cls), "labels": labels, "paper": _paper(cls)})
    return rows


def _datasets() -> list[Row]:
    from ltbench.data.catalog import CATALOG
    from ltbench.data.installed import installed_names
    from ltbench.runs.protocols import PROTOCOLS

    installed = [
        {"name": name, "source": f"another package; `ltbench data describe {name}` reads it"}
        for name in installed_names()
    ]
    return [
        {
            "name": info.name,
            "classes": info.classes,
            "head": info.head_count,
            "imbalance": info.imbalance,
            "network": info.network,
            "protocols": ", ".join(
                f"{name} (default)" if name == info.protocol else name
                for name in PROTOCOLS[info.family]
            ),
            "source": info.source,
        }
        for info in CATALOG.values()
    ] + installed


def _networks() -> list[Row]:
    from ltbench.networks import NETWORKS, encoder_size

    return [
        {
            "name": name,
            "encoder parameters": encoder_size(name),
        }
        for name in NETWORKS
    ]


def _protocols() -> list[Row]:
    from ltbench.data.catalog import CATALOG
    from ltbench.runs.protocol import protocol_of
    from ltbench.runs.protocols import PROTOCOLS

    families = {info.family: info for info in CATALOG.values()}
    shown = ("epochs", "batch_size", "learning_rate", "weight_decay", "precision", "fraction")
    return [
        {"family": family, "name": name, **protocol_of(name, info).model_dump(include=set(shown))}
        for family, info in families.items()
        for name in PROTOCOLS[family]
    ]


def _tables() -> list[Row]:
    from ltbench.tables.definition import load
    from ltbench.tables.shipped import shipped

    found = {name: load(name).definition for name in sorted(shipped())}
    return [
        {"name": name, "paper": each.paper or "", "title": each.title}
        for name, each in found.items()
    ]


def _figures() -> list[Row]:
    from ltbench.figures.definition import figures

    return [{"name": figure.name, "title": figure.title} for figure in figures()]


def _analyses() -> list[Row]:
    from ltbench.analysis.names import ANALYSES

    return [{"name": name, "shows": named.shows} for name, named in ANALYSES.items()]


_LISTS = {
    "methods": _methods,
    "datasets": _datasets,
    "networks": _networks,
    "protocols": _protocols,
    "tables": _tables,
    "figures": _figures,
    "analyses": _analyses,
}


def _paper(cls: type) -> str:
    """Return the first sentence of a method's module docstring, on one line."""
    module: types.ModuleType = sys.modules[cls.__module__]
    paragraph = (inspect.getdoc(module) or "").split("\n\n")[0]
    return " ".join(paragraph.split())
