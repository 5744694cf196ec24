"""`ltbench merge`: another laboratory's records into a results folder."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from ltbench.cli.loading import load_data, load_files
from ltbench.cli.options import Data, Load, Results, path_of
from ltbench.cli.views.rows import print_rows
from ltbench.errors import LtbenchError, printable


def merge(
    source: Annotated[Path, typer.Argument(parser=path_of, help="A bundle, or a results folder.")],
    results: Results = Path("results"),
    data: Data = None,
    load: Load = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be added; write nothing.")
    ] = False,
) -> None:
    """Add the records of a bundle or folder; what is here already is never overwritten."""
    from ltbench.exchange.merge import WORDS
    from ltbench.exchange.merge import merge as merge_into
    from ltbench.exchange.source import read_source
    from ltbench.runs.store import Store

    load_data(data)
    load_files(load)
    bundle = read_source(source)
    store = Store(results)
    if not dry_run:
        store.check_writable()
    findings = list(merge_into(bundle, store, dry_run=dry_run))
    counts = Counter(result.word for result in findings)
    if bundle.manifest is None:
        print(f"{source} has no manifest: its records were checked, their files' checksums not.")
    print(f"{source} into {results}{': nothing is written' * dry_run}")
    print_rows([{"": word, "records": counts[word]} for word in WORDS])
    for result in findings:
        if result.reason:
            print(printable(f"{result.word}: {result.name}: {result.reason}."))
    if refused := counts["conflict"] + counts["refused"]:
        raise LtbenchError(
            f"{refused} of {len(findings)} records were not taken, for the reasons above; "
            "what is here was left as it is."
        )
