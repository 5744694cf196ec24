"""Rebuild what the committed records say: results/tables and README's comparisons.

    python docs/rebuild.py

A test requires that this changes nothing.
"""

import re
from pathlib import Path

from ltbench.runs.store import Store, write_text
from ltbench.tables.claims import load_claims
from ltbench.tables.comparison import compare, markdown
from ltbench.tables.definition import Table, load, shipped
from ltbench.tables.grid import build
from ltbench.tables.ledger import build as fill
from ltbench.tables.ledger_view import as_csv
from ltbench.tables.render import write

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- comparison: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def readme(text: str, store: Store) -> str:
    """Return README's text with every comparison block made anew; plain training goes first."""
    comparisons = compare(sorted(store.records(), key=lambda record: record.method != "ce"))

    def fill(block: re.Match[str]) -> str:
        chosen = [c for c in comparisons if c.dataset.startswith(f"{block[2]}(")]
        return block[1] + "".join(f"\n{markdown(c)}\n\n" for c in chosen) + block[3]

    return BLOCK.sub(fill, text)


def tables(store: Store, folder: Path) -> list[Path]:
    """Write every shipped table, and those with a data set to run under `fast` too."""
    return [
        path
        for table in map(load, sorted(shipped()))
        for protocol in ((None, "fast") if _runs(table) else (None,))
        for path in write(build(table, store, protocol), folder)
    ]


def ledger(store: Store, folder: Path) -> Path:
    """Write the ledger of every shipped table and claim; return the file.

    It does not say which methods there are, so that adding one changes no committed file.
    """
    every = [load(name) for name in sorted(shipped())]
    write_text(folder / "ledger.csv", as_csv(fill(every, load_claims(every), store)))
    return folder / "ledger.csv"


def _runs(table: Table) -> bool:
    return any(column.data.available for column in table.definition.columns)


if __name__ == "__main__":
    records = Store(ROOT / "results")
    page = ROOT / "README.md"
    page.write_text(readme(page.read_text(), records))
    folder = ROOT / "results" / "tables"
    for written in (*tables(records, folder), ledger(records, folder)):
        print(written.relative_to(ROOT))
