"""Data sets of one's own, made known to the catalogue by the files that describe them."""

from collections.abc import Iterable
from pathlib import Path

from ltbench.data.catalog import register
from ltbench.data.own import read_own


def register_own(paths: Iterable[Path], root: Path) -> list[str]:
    """Read the data sets that files describe, make them known by name, and return the names."""
    infos = [read_own(path, root).info for path in paths]
    for info in infos:
        register(info)
    return [info.name for info in infos]
