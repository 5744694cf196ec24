"""Shell completion of names, by kind. Imports no torch: a key press waits for it."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer


def methods(context: typer.Context, incomplete: str) -> Iterator[str]:
    """Yield specifications whose last part is completed: `ce,ldam` and `ce+s` go on as written."""
    from ltbench.registry.signatures import names

    known = {*names(), *(Path(file).stem for file in context.params.get("load") or ())}
    return _last(incomplete, known, ",+")


def datasets(incomplete: str) -> Iterator[str]:
    """Yield data sets, the last of several."""
    from ltbench.data.catalog import CATALOG
    from ltbench.data.installed import installed_names

    return _last(incomplete, [*CATALOG, *installed_names()], ",")


def protocols(context: typer.Context, incomplete: str) -> Iterator[str]:
    """Yield the protocols of the data sets given before, or of all."""
    from ltbench.data.catalog import CATALOG
    from ltbench.runs.protocols import PROTOCOLS

    given = re.findall(r"\w+", str(context.params.get("dataset") or ""))
    families = {info.family for name, info in CATALOG.items() if name in given} or {*PROTOCOLS}
    yield from _last(incomplete, {name for family in families for name in PROTOCOLS[family]}, "")
    yield from _files(incomplete, ".yaml", ".yml")


def analyses(incomplete: str) -> Iterator[str]:
    """Yield the analyses of finished networks."""
    from ltbench.analysis.names import ANALYSES

    return _last(incomplete, ANALYSES, "")


def tables(incomplete: str) -> Iterator[str]:
    """Yield the tables that come with ltbench, and YAML files."""
    from ltbench.tables.shipped import shipped

    yield from _last(incomplete, shipped(), "")
    yield from _files(incomplete, ".yaml", ".yml")


def figures(incomplete: str) -> Iterator[str]:
    """Yield the figures that come with ltbench, and YAML files."""
    from ltbench.figures.definition import figures as every

    yield from _last(incomplete, (figure.name for figure in every()), "")
    yield from _files(incomplete, ".yaml", ".yml")


def shown(context: typer.Context, incomplete: str) -> Iterator[str]:
    """Yield what `ltbench show` explains: methods and data sets."""
    yield from methods(context, incomplete)
    yield from datasets(incomplete)


def checked(context: typer.Context, incomplete: str) -> Iterator[str]:
    """Yield what `ltbench check` takes: methods and Python files."""
    yield from methods(context, incomplete)
    yield from _files(incomplete, ".py")


def _last(incomplete: str, known: Iterable[str], separators: str) -> Iterator[str]:
    """Yield the text with its last part, after one of the separators, completed to each name."""
    start = max((incomplete.rfind(each) + 1 for each in separators), default=0)
    head, part = incomplete[:start], incomplete[start:]
    return (head + name for name in sorted(known) if name.startswith(part))


def _files(incomplete: str, *suffixes: str) -> Iterator[str]:
    """Yield files of these suffixes and folders whose path begins so; hidden ones stay hidden."""
    head = incomplete[: incomplete.rfind("/") + 1]
    folder = Path(head or ".")
    for path in sorted(folder.glob("[!.]*")) if folder.is_dir() else ():
        if path.is_dir():
            yield f"{head}{path.name}/"
        elif path.suffix in suffixes:
            yield f"{head}{path.name}"
