"""`ltbench clean`: scratch that no unfinished run needs."""

from pathlib import Path
from typing import Annotated

import typer

from ltbench.cli.options import Results, note_if_absent
from ltbench.errors import counted


def clean(
    logits: Annotated[
        bool, typer.Option("--logits", help="Remove stored logits too, which evaluate reads.")
    ] = False,
    results: Results = Path("results"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed; remove nothing.")
    ] = False,
) -> None:
    """Remove checkpoints of finished trainings and what killed ones left half-written.

    Records and curves stay. A first stage that others could share is trained again when needed.
    """
    from ltbench.cli.views.rows import size
    from ltbench.runs.scratch import removable, remove
    from ltbench.runs.store import Store

    note_if_absent(results)
    paths = list(removable(Store(results), logits=logits))
    files = counted(len(paths), "file")
    if dry_run:
        for path in paths:
            print(f"{path}  {size(path.stat().st_size)}")
        print(f"{files} would be removed, {size(sum(p.stat().st_size for p in paths))}.")
    else:
        print(f"{files} removed, {size(remove(paths))}.")
