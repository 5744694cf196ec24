"""The tables that come with ltbench: their files and the names they are known by."""

import re
from pathlib import Path

from ltbench.errors import unknown
from ltbench.specification import names_file

_NAME = re.compile(r"(?:(\w+)_)?(?:table(\d+)|(figure\d+))")  # cc_sam_table1, figure5


def folder() -> Path:
    """Return where their files lie."""
    # A wheel holds them inside the package; in a checkout they lie beside it.
    inside, beside = Path(__file__).parent / "data", Path(__file__).parents[2] / "tables"
    return inside if inside.is_dir() else beside


def shipped() -> dict[str, Path]:
    """Return the file of each by name: `1`, `figure5`, `cc_sam/1` …"""
    paths = sorted(folder().glob("*.yaml"))
    return {short(path.stem): path for path in paths if _NAME.fullmatch(path.stem)}


def short(stem: str) -> str:
    """Return the name of a table whose file has this stem, the stem itself where it is no such."""
    name = _NAME.fullmatch(stem)
    return "/".join(filter(None, name.groups())) if name else stem


def path_of(name: str) -> Path:
    """Return the file of a table by its name, or by a path to a YAML file.

    Raises UsageError with the names that are meant perhaps.
    """
    tables = shipped()
    if name in tables:
        return tables[name]
    if names_file(name):
        return Path(name).expanduser()
    hint = "A table of your own is given by the path of its .yaml file."
    raise unknown("table", name, tables, hint)
