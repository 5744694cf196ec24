"""`ltbench list`, `show` and `status`: what there is, what it is, and what has been run."""

import dataclasses
import inspect
import json
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ltbench.cli.options import AsJson, Load, Results
from ltbench.errors import UsageError, unknown

if TYPE_CHECKING:
    from ltbench.method import Method

Row = dict[str, Any]


def list_(
    kind: Annotated[
        str, typer.Argument(help="methods, datasets, networks, protocols, tables or all.")
    ] = "all",
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """List what a run or a table can name."""
    wanted = list(_LISTS) if kind == "all" else [kind]
    if kind != "all" and kind not in _LISTS:
        raise unknown("list", kind, [*_LISTS, "all"])
    if "methods" in wanted:
        _load(load)
    found = {name: _LISTS[name]() for name in wanted}
    if as_json:
        print(json.dumps(found if kind == "all" else found[kind], indent=1))
        return
    for name, rows in found.items():
        _print(rows, title=name)


def show(
    name: Annotated[str, typer.Argument(help="A method's specification or a data set.")],
    load: Load = None,
    as_json: AsJson = False,
) -> None:
    """Explain a method: paper, equations, parameters, deviations; or a data set's facts."""
    from ltbench.data.catalog import CATALOG

    if name.partition("(")[0] in CATALOG:
        facts = _dataset_facts(name)
    else:
        _load(load)
        facts = _method_facts(name)
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    console = Console(highlight=False)
    for key, value in facts.items():
        if key == "parts":
            for part in value:
                console.print(f"\n[bold]{part['name']}[/bold] ({part['role']})")
                console.print(part["paper"] + "\n\n" + part["method"], markup=False)
                if part["parameters"]:
                    _print(part["parameters"])
                for deviation in part["deviations"]:
                    console.print(f"Deviation: {deviation}", markup=False)
        else:
            console.print(f"{key}: {value}", markup=False)


def status(results: Results = Path("results"), as_json: AsJson = False) -> None:
    """Say which cells are finished, failed or under way in a results folder."""
    from ltbench.runs.overview import overview
    from ltbench.runs.store import Store

    store = Store(results)
    lines = overview(store)
    for problem in store.problems:
        print(f"ltbench: left out: {problem}", file=sys.stderr)
    if as_json:
        print(json.dumps([dataclasses.asdict(line) for line in lines], indent=1))
        return
    if not lines:
        print(f"{results} holds no runs yet; `ltbench run` makes them.")
        return
    _print(
        [
            {
                "data set": line.dataset,
                "protocol": line.protocol,
                "network": line.network,
                "method": line.method,
                "finished": _seeds(line.finished),
                "failed": _seeds(line.failed),
                "top-1": "" if line.top1 is None else f"{line.top1:.2f}",
            }
            for line in lines
        ]
    )
    for line in lines:
        for reason in line.reasons:
            print(f"{line.method} on {line.dataset}: {reason}")


def _load(paths: list[Path] | None) -> None:
    from ltbench.registry import load_file

    for path in paths or []:
        load_file(path)


def _methods() -> list[Row]:
    from ltbench.registry import find, names, role

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
    from ltbench.runs.protocol import PROTOCOLS

    return [
        {"family": family, "name": name, **fields}
        for family, protocols in PROTOCOLS.items()
        for name, fields in protocols.items()
    ]


def _tables() -> list[Row]:
    from ltbench.tables.definition import load, shipped

    return [
        {"name": name.removeprefix("table"), "title": load(name).definition.title}
        for name in sorted(shipped())
    ]


_LISTS = {
    "methods": _methods,
    "datasets": _datasets,
    "networks": _networks,
    "protocols": _protocols,
    "tables": _tables,
}


def _dataset_facts(name: str) -> Row:
    from ltbench.data.catalog import FEW_BELOW, MANY_ABOVE, dataset
    from ltbench.data.splits import class_counts

    data = dataset(name)
    counts = class_counts(data.info.head_count, data.info.classes, data.imbalance)
    many, few = sum(n > MANY_ABOVE for n in counts), sum(n < FEW_BELOW for n in counts)
    facts = {"data set": str(data), "training images": sum(counts), "class counts": counts}
    facts |= {"many / medium / few classes": [many, len(counts) - many - few, few]}
    facts |= {"test images": data.info.test_count * data.info.classes}
    return facts | {"network": data.info.network, "protocol": data.info.protocol}


def _method_facts(specification: str) -> Row:
    from ltbench.registry import build, describe, find, parts_of
    from ltbench.specification import parse

    terms = parse(specification)
    if len(terms) == 1 and _post_hoc(find(terms[0].name)):
        return {"specification": specification, "parts": [_part_facts(find(terms[0].name)())]}
    method = build(specification)
    parts = [_part_facts(part) for part in parts_of(method)]
    return {"specification": describe(method), "parts": parts}


def _post_hoc(cls: "type[Method]") -> bool:
    from ltbench.registry import role

    return role(cls) == "post-hoc"


def _part_facts(part: "Method") -> Row:
    from ltbench.compose import name_of, overrides
    from ltbench.registry import role

    cls = type(part)
    return {
        "name": name_of(part),
        "role": role(cls),
        "paper": inspect.getdoc(sys.modules[cls.__module__]) or "",
        "method": inspect.getdoc(cls) or "",
        "changes": sorted(overrides(part)),
        "parameters": [
            {"name": f.name, "value": getattr(part, f.name), "default": f.default}
            for f in dataclasses.fields(cls)
            if f.init
        ],
        "variants": list(cls.variants),
        "deviations": list(cls.deviations),
    }


def _paper(cls: type) -> str:
    """Return the first sentence of a method's module docstring, on one line."""
    module: types.ModuleType = sys.modules[cls.__module__]
    paragraph = (inspect.getdoc(module) or "").split("\n\n")[0]
    return " ".join(paragraph.split())


def _seeds(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))


def _print(rows: list[Row], title: str | None = None) -> None:
    """Print rows as a table, one column a key."""
    if not rows:
        raise UsageError("there is nothing to show here.")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    Console(highlight=False, markup=False).print(table, "")
