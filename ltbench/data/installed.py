"""Data sets that other installed packages offer, by entry points."""

from importlib.metadata import entry_points
from os import PathLike
from pathlib import Path

from ltbench.data.info import DatasetInfo
from ltbench.data.root import data_root
from ltbench.errors import LtbenchError, first_line

GROUP = "ltbench.datasets"


def installed_names() -> list[str]:
    """Return the names of the data sets that packages offer; none of these is imported."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def installed(name: str) -> DatasetInfo | None:
    """Return the facts of a data set that a package offers; None where none does.

    The entry point's value is the path of the YAML file that describes it, under the same name.
    What it downloads or was packed lies under LTBENCH_DATA. Raises LtbenchError, in one sentence,
    where the package does not import or offers something else.
    """
    points = list(entry_points(group=GROUP, name=name))
    if not points:
        return None
    try:
        path = points[0].load()
    except Exception as error:  # whatever a stranger's package does
        raise LtbenchError(
            f"the package that offers data set {name} does not import ({first_line(error)}); mend "
            "or remove it."
        ) from error
    if not isinstance(path, str | PathLike):
        raise LtbenchError(
            f"data set {name}: {points[0].value} is no path of a YAML file; the package is to "
            "offer one."
        )
    from ltbench.data.own import read_own  # noqa: PLC0415  (takes NumPy and Pillow)

    info = read_own(Path(path), data_root(None)).info
    if info.name != name:
        raise LtbenchError(
            f"data set {name}: {path} describes {info.name}; the package is to offer it by that "
            "name."
        )
    return info
