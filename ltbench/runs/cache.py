"""Where ltbench keeps what it need not find out twice on a machine."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltbench.errors import LtbenchError


def recalled(name: str) -> dict[str, Any]:
    """Return what `keep` wrote by this name; nothing where there is none, or it is damaged."""
    try:
        found = json.loads((cache_folder() / name).read_text(encoding="utf-8"))
    except (OSError, RuntimeError, ValueError):  # none yet, no home, not ours
        return {}
    return found if isinstance(found, dict) else {}


def keep(name: str, content: Mapping[str, Any]) -> None:
    """Write plain data by a name; raises LtbenchError, with the remedy, where that cannot be."""
    from ltbench.runs.files import write_file  # noqa: PLC0415  (slow: reading takes none of it)

    try:
        path = cache_folder() / name
    except RuntimeError as error:
        raise LtbenchError(f"there is no home folder ({error}); set LTBENCH_CACHE.") from None
    text = json.dumps(content, indent=1)
    write_file(path, lambda file: file.write(text.encode()), "LTBENCH_CACHE")


def cache_folder() -> Path:
    """Return ltbench's cache folder: LTBENCH_CACHE, else where the system keeps users' caches.

    Raises RuntimeError where that is asked for and the user has no home.
    """
    if given := os.environ.get("LTBENCH_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ltbench"
