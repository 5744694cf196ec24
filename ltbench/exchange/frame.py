"""Records as a pandas table, for notebooks; pandas is imported when a table is made."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ltbench.exchange.flat import FieldType, columns, row
from ltbench.runs.record import Record
from ltbench.runs.store import Store

if TYPE_CHECKING:
    import pandas as pd

# Without these a column with a missing value would be of floats, and an epoch 200.0.
_TYPES: dict[FieldType, str] = {"integer": "Int64", "number": "float64", "flag": "boolean"}


def records(results: str | Path = "results") -> "pd.DataFrame":
    """Return the records of a results folder, one row each, as `ltbench export` writes them.

    A column is a field by its path, such as `method`, `seed`, `last.top1` or `cost.train_seconds`;
    what a record does not have is missing. A record that cannot be read is left out, with a
    warning that names it.
    """
    store = Store(results)
    found = frame(store.records())
    for problem in store.problems:
        warnings.warn(f"left out: {problem}", stacklevel=2)
    return found


def frame(found: Iterable[Record]) -> "pd.DataFrame":
    """Return records as a table, one row each; it has all its columns also without records."""
    import pandas as pd  # noqa: PLC0415  (takes a third of a second)

    table = pd.DataFrame([row(record) for record in found], columns=list(columns()), dtype=object)
    return table.astype({name: _TYPES[kind] for name, kind in columns().items() if kind in _TYPES})
