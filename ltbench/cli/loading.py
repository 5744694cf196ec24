"""Methods and data sets of one's own, from the files that `--load` and `--data` name."""

from pathlib import Path


def load_files(paths: list[Path] | None) -> None:
    """Make the methods of `--load` known."""
    if not paths:
        return  # torch is not imported for nothing
    from ltbench.registry.methods import load_file

    for path in paths:
        load_file(path)


def read_files(paths: list[Path] | None) -> None:
    """Make the methods of `--load` known to tables, which need not run them."""
    from ltbench.registry.signatures import load_file

    for path in paths or []:
        load_file(path)


def load_data(paths: list[Path] | None, root: Path | None = None) -> list[str]:
    """Make the data sets of `--data` known, and return their names."""
    if not paths:
        return []  # NumPy is not imported for nothing
    from ltbench.data.described import register_own
    from ltbench.data.root import data_root

    return register_own(paths, data_root(root))
