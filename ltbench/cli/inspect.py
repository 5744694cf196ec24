"""`ltbench list` and `status`: what there is, and what has been run."""

import dataclasses
import inspect
import json
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ltbench.cli.options import AsJson, Load, Results
from ltbench.cli.views.rows import Row, load_files, print_rows, size
from ltbench.errors import unknown

if TYPE_CHECKING:
    from ltbench.runs.status import Unfinished
    from ltbench.runs.store import Store


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
    for name, rows in found.items():
        # The last column is cut at the end of its line, or broken between words.
        last = list(rows[0])[-1]
        print_rows(
            rows, title=name, wrap=last if long else None, cut=None if long else last,
            leave_out=_LEAVE_OUT,
        )  # fmt: skip


def status(
    results: Results = Path("results"),
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew every two seconds, until Ctrl-C.")
    ] = False,
    long: Annotated[
        bool, typer.Option("--long", help="A row a method, of however many there are.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say which cells are finished in a results folder, which run, stopped or failed, and why."""
    from ltbench.runs.store import Store

    store = Store(results)
    try:
        while watch and not as_json:
            Console().clear()
            _show_status(store, long)
            time.sleep(2)
    except KeyboardInterrupt:
        return
    if as_json:
        from ltbench.runs.status import status as status_of

        print(json.dumps([dataclasses.asdict(line) for line in status_of(store)], indent=1))
        _name_problems(store)
    else:
        _show_status(store, long)


SHOWN = 20  # methods; of more, only their numbers are shown


def _show_status(store: "Store", long: bool) -> None:
    from ltbench.cli.views.status import by_dataset, by_method
    from ltbench.runs.status import status as status_of

    lines = status_of(store)
    _name_problems(store)
    if not lines:
        what = "that read here" if store.problems else "yet; `ltbench run` makes them"
        print(f"{store.root} holds no runs {what}.")
        return
    whole = long or len(lines) <= SHOWN
    for title, members in (by_method if whole else by_dataset)(lines).items():
        print_rows(members, title=title, wrap="method" if whole else None)
    if not whole:
        print(f"{len(lines)} methods in all: --long shows each.")
    for line in lines:
        for remark in (*map(_progress, line.unfinished), *line.reasons):
            print(f"{line.method} on {line.dataset}: {remark}")
    mixed = [line for line in lines if line.mixed_code]
    for line in mixed if whole else ():
        print(f"{line.method} on {line.dataset}: {line.mixed_code}")
    if mixed and not whole:
        print(f"Of {len(mixed)} methods different code computed the seeds: --long says which.")
    if scratch := store.scratch_bytes():
        print(f"{size(scratch)} of scratch; `ltbench clean` removes what no unfinished run needs.")


def _progress(one: "Unfinished") -> str:
    """Return in words how far a training is that is not over."""
    from ltbench.cli.views.progress import duration

    if not one.running:
        return f"seed {one.seed} was interrupted, and goes on from epoch {one.epoch + 1}"
    left = "" if one.left is None else f", about {duration(one.left)} left"
    return f"seed {one.seed} is running, {one.epoch} of {one.epochs} epochs done{left}"


def _name_problems(store: "Store") -> None:
    for problem in store.problems:
        print(f"ltbench: left out: {problem}", file=sys.stderr)


# What a narrow terminal has no room for, the first first.
_LEAVE_OUT = ("encoder parameters", "fraction", "precision", "source", "weight_decay", "head")


def _methods() -> list[Row]:
    from ltbench.api.registry import find, names, role

    rows = []
    for name in names():
        cls = find(name)
        rows.append({"name": name, "role": role(cls), "paper": _paper(cls)})
    return rows


def _datasets() -> list[Row]:
    from ltbench.data.catalog import CATALOG
    from ltbench.runs.protocol import PROTOCOLS

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
    ]


def _networks() -> list[Row]:
    from ltbench.networks import NETWORKS, create

    return [
        {
            "name": name,
            "encoder parameters": sum(p.numel() for p in create(name, 3, 10).backbone.parameters()),
        }
        for name in NETWORKS
    ]


def _protocols() -> list[Row]:
    from ltbench.data.catalog import CATALOG
    from ltbench.runs.protocol import PROTOCOLS, protocol_of

    families = {info.family: info for info in CATALOG.values()}
    shown = ("epochs", "batch_size", "learning_rate", "weight_decay", "precision", "fraction")
    return [
        {"family": family, "name": name, **protocol_of(name, info).model_dump(include=set(shown))}
        for family, info in families.items()
        for name in PROTOCOLS[family]
    ]


def _tables() -> list[Row]:
    from ltbench.tables.definition import load, shipped

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
