"""Where data sets lie."""

import os
from pathlib import Path


def data_root(given: Path | None) -> Path:
    """Return where data lies: the given folder, else LTBENCH_DATA, else ./data."""
    return (given or Path(os.environ.get("LTBENCH_DATA") or "data")).expanduser()
