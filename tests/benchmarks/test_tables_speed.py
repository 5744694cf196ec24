"""How fast tables and the ledger come from a large store, made from one committed record."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ltbench.runs.files import read_record
from ltbench.runs.store import Cell, Store
from ltbench.tables.definition import load
from ltbench.tables.shipped import shipped

ROOT = Path(__file__).parents[2]
ONE = ROOT / "results/runs/cifar100_lt-imbalance=100/fast/resnet32/ce/seed0.json"


def fill(store: Store, wanted: int) -> int:
    """Write records into the cells of Table 1, seed by seed; return the number of seeds."""
    record, table = read_record(ONE), load("1")
    datasets = list(dict.fromkeys(column.dataset for column in table.definition.columns))
    methods = [row.method for row in table.definition.rows if row.method is not None]
    settings = [(dataset, method) for dataset in datasets for method in methods]
    for number in range(wanted):
        seed, index = divmod(number, len(settings))
        dataset, method = settings[index]
        changes = {"dataset": dataset, "method": method, "trained": method, "seed": seed}
        made = record.model_copy(update=changes | {"protocol": "paper"})
        path = store.path(Cell.of(made))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made.model_dump_json(indent=1) + "\n")  # the store would sync each
    return -(-wanted // len(settings))


@pytest.fixture(scope="module", params=[2_000, 20_000])
def stores(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"store{request.param}")
    seeds = fill(Store(folder / "results"), request.param)
    text = shipped()["1"].read_text().replace("seeds: [0, 1, 2]", f"seeds: {list(range(seeds))}")
    reported = shipped()["1"].parent / "reported"
    (folder / "all.yaml").write_text(text.replace("reported/", f"{reported}/"))
    return request.param, folder


# Seconds for 2,000 and for 20,000 records. Table 1 reads three seeds a cell, `all` every record.
@pytest.mark.parametrize(
    ("words", "limits"),
    [
        (("table", "1"), (2, 6)),
        (("table", "all.yaml"), (2, 6)),
        (("ledger",), (4, 12)),
    ],
    ids=["table 1", "a table of every seed", "ledger"],
)
def test_a_large_store_is_read_fast(benchmark, measured, stores, words, limits):
    records, folder = stores
    call = (  # the peak of the process itself, not of the one it was forked from
        "import sys, ltbench.cli as cli\n"
        "cli.app(sys.argv[1:], standalone_mode=False)\n"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(peak.split()[1], file=sys.stderr)"
    )
    command = [sys.executable, "-c", call, *words, "--results", "results"]

    def answer() -> tuple[float, float]:
        started = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, cwd=folder, text=True)
        return time.perf_counter() - started, int(done.stderr) / 1024

    taken, peak = benchmark.pedantic(lambda: min(answer() for _ in range(2)), rounds=1)
    command = f"`ltbench {' '.join(words)}`, {records:,} records"
    measured(f"{command}, seconds", taken, at_most=limits[records > 2_000])
    measured(f"{command}, peak memory in MiB", peak, at_most=400)
