"""Make a results folder of very many sound records, to measure what reading them takes.

    python docs/many_records.py 20000 FOLDER

Every committed record of the digits is repeated under further seeds, with the fingerprint that this
gives. docs/exchange.md says what came of it.
"""

import sys
from pathlib import Path

from ltbench.runs.files import write_text
from ltbench.runs.identity import fingerprint_in
from ltbench.runs.store import Cell, Store

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write as many records as the first argument says into the folder that the second names."""
    number, folder = int(sys.argv[1]), Path(sys.argv[2])
    committed = [r for r in Store(ROOT / "results").records("digits") if r.seed == 0]
    for made in range(number):
        seed, place = divmod(made, len(committed))
        record = committed[place]
        other = record.model_copy(update={"seed": seed})
        other = other.model_copy(update={"fingerprint": fingerprint_in(other)})
        write_text(Store(folder).path(Cell.of(other)), other.model_dump_json(indent=1) + "\n")


if __name__ == "__main__":
    main()
