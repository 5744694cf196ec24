"""What the options of `ltbench run` mean together."""

from pathlib import Path
from typing import TYPE_CHECKING

from ltbench.errors import UsageError
from ltbench.specification import parse, split

if TYPE_CHECKING:
    from ltbench.runs.job_archive import PackedPlan
    from ltbench.tables.definition import Table

ALL = "*"  # what a bare --force names


def table_of(table: str | None, beside: bool, whole: bool) -> "Table | None":
    """Return the table that is asked for instead of methods and data sets, if one is.

    Raises UsageError where both are, or neither is `whole`.
    """
    from ltbench.tables.definition import load

    if table is not None and beside:
        raise UsageError(
            "--table says what to run; beside it give --seeds, --protocol, --data, and where "
            "and how."
        )
    if table is None and not whole:
        raise UsageError(
            "nothing to run; give --methods and --dataset at least one name each, or --table."
        )
    return None if table is None else load(table)


def seeds_asked(seed: list[int] | None, seeds: str | None) -> list[int]:
    """Return the seeds that `--seed` or `--seeds` names, none where neither is given.

    Raises UsageError where both are, or the text names none.
    """
    from ltbench.runs.commands import seeds_of

    if seed and seeds is not None:
        raise UsageError("--seed and --seeds both say which seeds; give one of them.")
    return list(dict.fromkeys(seed or ())) if seeds is None else seeds_of(seeds)


def packed_plan(path: Path, beside: bool) -> "PackedPlan":
    """Return the plan in an archive; raises UsageError where options say, too, what to run."""
    from ltbench.runs.job_archive import PackedPlan

    if path.suffix in (".yaml", ".yml", ".py"):
        option = "--load" if path.suffix == ".py" else "--table, --data or --protocol"
        raise UsageError(f"{path} is no archive; give it with {option}, as what it describes.")
    if not path.exists() and not path.suffix:
        raise UsageError(f"there is no file {path}; in a list write commas, such as ce,{path}.")
    if beside:
        raise UsageError(
            f"{path} says what to run, over which seeds, and has the images; beside it give "
            "--results, and where and how, or `ltbench pack` another plan."
        )
    return PackedPlan.read(path)


def forced(force: str | None, methods: list[str]) -> bool | list[str]:
    """Return what `--force` names; raises UsageError where none of the methods is meant."""
    if force is None or force == ALL:
        return force is not None
    from ltbench.registry.signatures import canonical

    names = [canonical(name) for name in split(force)]
    parts = {term.name for method in methods for term in parse(method)}
    for name in names:
        if name not in parts and name not in map(canonical, methods):
            raise UsageError(f"--force {name}: that is none of the methods of this command.")
    return names
