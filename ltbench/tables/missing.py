"""What a table lacks, as the commands that fill it."""

from collections.abc import Collection
from pathlib import Path

from ltbench.data.catalog import Dataset
from ltbench.runs.commands import run_command
from ltbench.specification import parse
from ltbench.tables.grid import Grid
from ltbench.tables.scores import Head


def implemented() -> frozenset[str]:
    """Return the methods that come with ltbench, by their files: importing them takes torch."""
    # As with tables: a wheel holds them inside the package, in a checkout they lie beside it.
    inside = Path(__file__).parents[1] / "methods"
    folder = inside if inside.is_dir() else Path(__file__).parents[2] / "methods"
    return frozenset(path.stem for path in folder.glob("[!_]*.py"))


def unavailable(grid: Grid, methods: Collection[str]) -> list[str]:
    """Return the methods that missing entries need and that are not among `methods`."""
    names = (term.name for method, _ in _lacking(grid) for term in parse(method))
    return [name for name in dict.fromkeys(names) if name not in methods]


def commands(grid: Grid, methods: Collection[str]) -> list[str]:
    """Return the commands that fill the missing entries, one for each data set.

    Only specifications made of `methods` can run. A command names all seeds of the table: those
    that are finished are skipped.
    """
    groups: dict[tuple[Dataset, str, str], list[str]] = {}
    for method, head in _lacking(grid):
        if all(term.name in methods for term in parse(method)):
            groups.setdefault((head.column.data, head.network, head.protocol), []).append(method)
    seeds = grid.table.definition.seeds
    return [
        run_command(members, *where, seeds, results=grid.results)
        for where, members in groups.items()
    ]


def _lacking(grid: Grid) -> list[tuple[str, Head]]:
    return [
        (method, head)
        for head, entries in zip(grid.heads, zip(*grid.lines, strict=True), strict=True)
        for row, entry in zip(grid.rows, entries, strict=True)
        if entry.absent and (method := row.method_on(head.column.data)) is not None
    ]
