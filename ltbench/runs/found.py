"""What a store has beside a cell: other seeds, other protocols."""

from pathlib import Path

from ltbench.errors import LtbenchError
from ltbench.runs.store import Cell, Store, is_record, read_record


def seeds(store: Store, cell: Cell) -> list[int]:
    """Return the seeds of which there is a record, all else being the cell's."""
    paths = filter(is_record, store.path(cell).parent.glob("seed*.json"))
    return sorted(int(path.stem.removeprefix("seed")) for path in paths)


def protocols(store: Store, cell: Cell) -> list[str]:
    """Return the protocols of which there is a record, all else but seeds being the cell's."""
    *_, dataset, _, network, method, _ = store.path(cell).parts
    found = set()
    for runs in (store.root / "runs" / dataset).glob(f"*/{network}/{method}"):
        read = map(_protocol, filter(is_record, runs.glob("seed*.json")))
        found.add(next(filter(None, read), ""))  # one record tells it for all beside it
    return sorted(found - {""})


def _protocol(path: Path) -> str:
    try:
        return read_record(path).protocol
    except (LtbenchError, FileNotFoundError):
        return ""
