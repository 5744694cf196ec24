"""The shipped Table 1."""

import subprocess
import sys
from pathlib import Path

import pytest

from ltbench.runs.store import Store
from ltbench.tables.definition import load
from ltbench.tables.grid import build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table1():
    return load("1")


def test_has_all_columns(table1):
    definition = table1.definition
    columns = [(c.dataset, c.metric) for c in definition.columns]
    assert columns == [
        (f"{data}(imbalance={ratio})", "top1")
        for data in ("cifar100_lt", "cifar10_lt")
        for ratio in (100, 50, 10)
    ] + [("cifar100_lt(imbalance=100)", metric) for metric in ("many", "medium", "few")]
    assert (definition.network, definition.protocol) == ("resnet32", "paper")
    assert (definition.select, definition.seeds) == ("last", [0, 1, 2])


def test_the_first_and_the_last_row_are_the_papers(table1, store):
    grid = build(table1, store)
    first, last = grid.lines[0], grid.lines[-1]
    assert [e.reported for e in first] == [38.3, 43.9, 55.7, 70.4, 74.8, 86.4, 65.2, 37.1, 9.1]
    assert [e.reported for e in last] == [53.2, 57.6, 68.7, 86.3, 88.2, 92.5, 67.3, 54.9, 34.9]


def test_rows_name_the_methods_they_stand_for(table1):
    methods = {row.label: row.method for row in table1.definition.rows if row.method}
    assert methods == {
        "CE (Baseline)": "ce",
        "Focal Loss": "focal",
        "LDAM-DRW": "ldam_drw",
        "cRT": "crt",
        "BBN": "bbn",
        "RIDE (3 experts)": "ride",
        "SAM": "ldam_drw+sam(rho=0.8)",
        "BCL": "bcl",
        "CUDA": "ldam_drw+cuda",
        "H2T": "h2t",
        "GBG": "gbg",
        "GKP+GSA (Ours)": "gkp_gsa",
    }


def test_empty_store_gives_the_papers_table(table1, store):
    grid = build(table1, store)
    statuses = {row.label: {e.status for e in line} for row, line in zip(
        grid.rows, grid.lines, strict=True
    )}  # fmt: skip
    assert statuses["CE (Baseline)"] == statuses["BBN"] == {"not run"}
    assert statuses["DiffuLT"] == {"not implemented"}


def test_nothing_heavy_is_imported(tmp_path):
    code = (
        "import sys; from pathlib import Path; from rich.console import Console\n"
        "from ltbench.runs.store import Store\n"
        "from ltbench.cli.views.table import print_table\n"
        "from ltbench.tables import comparison, definition, grid\n"
        "from ltbench.tables.write.files import write\n"
        "table = grid.build(definition.load('1'), Store(Path(sys.argv[1])))\n"
        "write(table, Path(sys.argv[1])); print_table(table, Console())\n"
        "heavy = {'torch', 'pandas', 'matplotlib', 'sklearn', 'scipy.stats', 'ltbench.methods'}\n"
        "sys.exit(f'imported: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "38.3" in done.stdout
    assert (tmp_path / "table1.csv").exists()


def test_store_of_other_records_is_not_read(table1, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(Store, "read", lambda self, cell: read.append(cell))
    monkeypatch.setattr(Store, "records", lambda self: pytest.fail("reads the whole store"))
    build(table1, Store(tmp_path))
    assert len(read) == len(set(read)) == 12 * 6 * 3
