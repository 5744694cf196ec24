"""`ltbench show`: what a method or a data set is."""

import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ltbench.cli import complete
from ltbench.cli.loading import load_data, load_files, read_files
from ltbench.cli.options import AsJson, Data, Load, Results
from ltbench.cli.remembered import remembered
from ltbench.cli.views.rows import Row, print_rows
from ltbench.errors import unknown

if TYPE_CHECKING:
    from ltbench.api.method import Method


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="A method's specification or a data set.", autocompletion=complete.shown
        ),
    ],
    data: Data = None,
    load: Load = None,
    results: Results = Path("results"),
    as_json: AsJson = False,
) -> None:
    """Explain a method: paper, equations, parameters, deviations, cost; or a data set's facts."""
    from ltbench.data.catalog import CATALOG
    from ltbench.registry.signatures import names
    from ltbench.runs.request import check_methods

    load_data(data)
    if re.split(r"[@(]", name)[0] in CATALOG:
        facts = _dataset_facts(name)
    else:
        read_files(load)
        if name.isidentifier() and name not in names():
            known = [*names(), *CATALOG]
            own = "A method of your own comes with --load mine.py."
            raise unknown("method or data set", name, known, own)
        check_methods([name])
        load_files(load)
        facts = _method_facts(name)
        facts["time"] = _times(facts["specification"], results)
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    console = Console(highlight=False)
    for key, value in facts.items():
        if key not in ("parts", "time", "deviations"):
            console.print(f"{key}: {value}", markup=False)
    for deviation in facts.get("deviations", ()):
        console.print(f"Deviation: {deviation}", markup=False)
    if "parts" in facts:
        _print_parts(facts["parts"], console)
        for time in facts["time"]:
            console.print(f"Time: {time}", markup=False)


def _print_parts(parts: list[Row], console: Console) -> None:
    """Print what each part is, the parameters that a specification may name, and deviations."""
    for part in parts:
        console.print(f"\n[bold]{part['name']}[/bold] ({part['role']})")
        console.print(part["paper"] + "\n\n" + part["method"], markup=False)
    named = [part for part in parts if not part["inner"]]  # of a composition's name, it has all
    several = sum(bool(part["parameters"]) for part in named) > 1
    rows = [
        {
            "parameter": f"{part['name']}.{each['name']}" if several else each["name"],
            "value": each["value"],
            "default": "" if each["value"] == each["default"] else each["default"],
            "values": each["range"].replace("'", ""),
            "meaning": each["meaning"],
        }
        for part in named
        for each in part["parameters"]
    ]
    if all(not row["default"] for row in rows):
        rows = [{key: value for key, value in row.items() if key != "default"} for row in rows]
    if rows:
        print()
        print_rows(rows, wrap="meaning")
    for deviation in dict.fromkeys(words for part in parts for words in part["deviations"]):
        console.print(f"Deviation: {deviation}", markup=False)


def _dataset_facts(name: str) -> Row:
    from ltbench.data.catalog import dataset
    from ltbench.data.profile import SHOTS

    data = dataset(name)
    counts, info = data.class_counts(), data.info
    groups = data.shots()
    images = data.training_images() or sum(counts)
    facts: Row = {"data set": str(data), "training images": images, "class counts": counts}
    facts |= {"many / medium / few classes": [groups.count(each) for each in SHOTS]}
    facts |= {"test images": data.test_images()}
    facts |= {"network": info.network, "protocol": info.protocol}
    return facts | ({"deviations": list(info.deviations)} if info.deviations else {})


def _method_facts(specification: str) -> Row:
    """Return what the files of ltbench's own methods say, or those of others: these are run."""
    from ltbench.registry.signatures import own
    from ltbench.specification import parse

    facts: Row
    if specification in own():
        every = remembered("methods", lambda: {each: _explained(each) for each in own()})
        facts = every[specification]
    elif all(term.name in own() for term in parse(specification)):
        facts = remembered(f"show {specification}", lambda: _explained(specification))
    else:
        facts = _explained(specification)
    return facts


def _explained(specification: str) -> Row:
    from ltbench.api.compose import is_post_hoc, leaves
    from ltbench.registry.methods import build, describe, parts

    found = parts(specification)
    if len(found) > 1 or not is_post_hoc(found[0]):
        build(specification)  # raises where the parts do not fit
    canonical = "+".join(map(describe, found))
    inner = [leaf for part in found for leaf in leaves(part)]
    facts: Row = {"specification": canonical}
    explained = [_part_facts(part) for part in found]
    if len(inner) > len(found):  # a name for a composition
        facts["composed of"] = "+".join(map(describe, inner))
        explained += [_part_facts(part, inner=True) for part in inner]
    return facts | {"parts": explained}


def _times(method: str, results: Path) -> list[str]:
    """Return the training time of a method's records relative to plain training's."""
    from ltbench.runs.store import Store
    from ltbench.tables.comparison import compare

    baseline = remembered("baseline", _baseline)
    wanted = {baseline: 0, method: 1}
    records = [record for record in Store(results).records() if record.method in wanted]
    return [
        f"{line.time:.2f}x the time of {baseline} on {found.dataset}, {found.network}, "
        f"protocol {found.protocol} (the shortest training of each in {results}, on one machine)"
        for found in compare(sorted(records, key=lambda record: wanted[record.method]))
        for line in found.lines
        if line.method == method != found.lines[0].method and line.time is not None
    ]


def _baseline() -> str:
    from ltbench.registry.methods import baseline

    return baseline()


def _part_facts(part: "Method", *, inner: bool = False) -> Row:
    from ltbench.api.compose import name_of, overrides
    from ltbench.api.parameters import range_of
    from ltbench.registry.meanings import meanings
    from ltbench.registry.methods import role, signature_of, variant_of

    cls, meaning_of = type(part), meanings(part)
    taken = signature_of(cls, name_of(part)).taken(variant_of(part))
    return {
        "name": name_of(part),
        "role": role(cls),
        "inner": inner,  # whether it is of a composition that has a name
        "paper": _flowing(inspect.getdoc(sys.modules[cls.__module__])),
        "method": _flowing(inspect.getdoc(cls)),
        "changes": sorted(overrides(part)),
        "parameters": [
            {
                "name": name,
                "value": getattr(part, name),
                "default": parameter.default,
                "range": range_of(parameter.type),
                "meaning": meaning_of.get(name, ""),
            }
            for name, parameter in taken.items()
        ],
        "variants": list(cls.variants),
        "deviations": list(part.deviations),
    }


def _flowing(docstring: str | None) -> str:
    """Return a docstring with a line a paragraph, so that the terminal wraps it."""
    paragraphs = (docstring or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
