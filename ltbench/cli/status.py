"""`ltbench status`: what has been run in a results folder, what runs, and what failed."""

import dataclasses
import json
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ltbench.cli.options import AsJson, Results
from ltbench.cli.views.rows import Row, print_rows, size
from ltbench.errors import counted, printable

if TYPE_CHECKING:
    from ltbench.runs.status import StatusRow, Unfinished
    from ltbench.runs.store import Store

SHOWN = 20  # methods; of more, only their numbers are shown


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


def _show_status(store: "Store", long: bool) -> None:
    from ltbench.runs.commands import of_results
    from ltbench.runs.status import status as status_of

    lines = status_of(store)
    _name_problems(store)
    if not lines:
        makes = of_results("ltbench run", store.root)
        what = "that read here" if store.problems else f"yet; `{makes}` makes them"
        print(f"{store.root} holds no runs {what}.")
        return
    whole = long or len(lines) <= SHOWN
    for title, members in (_settings if whole else _datasets_of)(lines).items():
        print_rows(members, title=title, wrap="method" if whole else None)
    if not whole:
        print(f"{len(lines)} methods in all: --long shows each.")
    for line in lines:
        for remark in (*map(_progress, line.unfinished), *line.reasons):
            print(f"{line.method} on {line.dataset}, {line.protocol}: {remark}")
    mixed = [line for line in lines if line.mixed_code]
    for line in mixed if whole else ():
        print(f"{line.method} on {line.dataset}: {line.mixed_code}")
    if mixed and not whole:
        methods = counted(len(mixed), "method")
        print(f"Different code computed the seeds of {methods}: --long says which.")
    if scratch := store.scratch_bytes():
        clean = of_results("ltbench clean", store.root)
        print(f"{size(scratch)} of scratch; `{clean}` removes what no unfinished run needs.")


def _settings(lines: "list[StatusRow]") -> dict[str, list[Row]]:
    """Return a row a method, by data set, network and protocol."""
    found: dict[str, list[Row]] = {}
    from ltbench.evaluation.scores import TITLES

    titles = dict.fromkeys((line.dataset for line in lines), TITLES["top1"])
    titles |= {line.dataset: TITLES[line.metric] for line in lines if line.metric}
    for line in lines:
        title = f"{line.dataset}, {line.network}, protocol {line.protocol}"
        row = {
            "method": line.method,
            "finished seeds": _seeds(line.finished),
            "failed seeds": _seeds(line.failed),
            titles[line.dataset]: "" if line.headline is None else f"{line.headline:.2f}",
        }
        found.setdefault(title, []).append(row)
    return found


def _datasets_of(lines: "list[StatusRow]") -> dict[str, list[Row]]:
    """Return a row a network and protocol, by data set, with the numbers of methods and runs."""
    members: dict[tuple[str, str, str], list[StatusRow]] = {}
    for line in lines:
        members.setdefault((line.dataset, line.protocol, line.network), []).append(line)
    found: dict[str, list[Row]] = {}
    for (dataset, protocol, network), own in members.items():
        row = {
            "protocol": protocol, "network": network, "methods": len(own),
            "finished runs": sum(len(line.finished) for line in own),
            "failed": sum(len(line.failed) for line in own) or "",
            "under way": sum(len(line.unfinished) for line in own) or "",
        }  # fmt: skip
        found.setdefault(dataset, []).append(row)
    return found


def _progress(one: "Unfinished") -> str:
    """Return in words how far a training is that is not over."""
    from ltbench.cli.views.duration import duration

    if not one.running and one.saved:
        return f"seed {one.seed} was interrupted, and goes on from epoch {one.epoch + 1}"
    if not one.running:
        return (
            f"seed {one.seed} ended without notice after epoch {one.epoch}, and goes on from its "
            "last checkpoint, where it has one"
        )
    left = "" if one.left is None else f", about {duration(one.left)} left"
    where = "" if one.node in ("", platform.node()) else f" on {one.node}"
    return f"seed {one.seed} is running{where}, {one.epoch} of {one.epochs} epochs done{left}"


def _name_problems(store: "Store") -> None:
    for problem in store.problems:
        print(f"ltbench: left out: {printable(problem)}", file=sys.stderr)


def _seeds(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))
