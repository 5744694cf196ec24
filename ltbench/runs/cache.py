"""Where ltbench keeps what it need not find out twice on a machine."""

import os
import sys
from pathlib import Path


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
