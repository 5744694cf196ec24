"""Rebuild what the committed records say: the tables in results/tables, the comparisons in pages.

    python docs/rebuild.py

A test requires that this changes nothing.
"""

import re
from pathlib import Path

from ltbench.runs.record import Record
from ltbench.runs.store import Store
from ltbench.specification import split
from ltbench.tables.comparison import compare, markdown
from ltbench.tables.definition import load, shipped
from ltbench.tables.grid import build
from ltbench.tables.render import write

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/findings.md")
BLOCK = re.compile(r"(<!-- comparison: ([^>]*) -->\n).*?(<!-- end -->)", re.DOTALL)


def page(text: str, store: Store) -> str:
    """Return a page's text with every comparison block made anew.

    A block names data set, network, protocol and, after a colon, methods; the first is what the
    others are compared to. Without methods it has all there are: plain training, then by accuracy.
    """
    records = list(store.records())

    def fill(block: re.Match[str]) -> str:
        place, _, names = block[2].partition(": ")
        here = [r for r in records if f"{r.dataset} {r.network} {r.protocol}" == place]
        methods = split(names) or ["ce", *_by_accuracy(here)]
        chosen = [r for name in dict.fromkeys(methods) for r in here if r.method == name]
        (comparison,) = compare(chosen)
        return f"{block[1]}\n{markdown(comparison)}\n\n{block[3]}"

    return BLOCK.sub(fill, text)


def _by_accuracy(records: list[Record]) -> list[str]:
    (comparison,) = compare(records)
    ranked = sorted(comparison.lines, key=lambda line: line.top1.mean, reverse=True)
    return [line.method for line in ranked]


def tables(store: Store, folder: Path) -> list[Path]:
    """Write every shipped table, under its own protocol and under `fast`; return the files."""
    return [
        path
        for name in sorted(shipped())
        for protocol in (None, "fast")
        for path in write(build(load(name), store, protocol), folder)
    ]


if __name__ == "__main__":
    committed = Store(ROOT / "results")
    for path in (ROOT / name for name in PAGES):
        path.write_text(page(path.read_text(), committed))
    for written in tables(committed, ROOT / "results" / "tables"):
        print(written.relative_to(ROOT))
