"""How fast, how large and how hungry the report on a large store is; curves of 200 epochs."""

import subprocess
import sys
import time

from test_tables_speed import fill

from ltbench.runs.store import Store

RECORDS = 2_000


def test_the_report_on_a_large_store_is_quick_and_small(benchmark, measured, tmp_path):
    fill(Store(tmp_path / "results"), RECORDS)
    epochs = (f"{epoch},train,{4 / epoch:.6g},{epoch / 4}\n" for epoch in range(1, 201))
    curves = "epoch,stage,loss,top1\n" + "".join(epochs)
    for path in (tmp_path / "results").glob("runs/*/*/*/*/seed*.json"):
        path.with_suffix(".csv").write_text(curves)
    call = (  # the peak of the process itself, not of the one it was forked from
        "import ltbench.cli as cli\n"
        "cli.app(['report'], standalone_mode=False)\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    )

    def report() -> tuple[float, float]:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", call], check=True, capture_output=True, cwd=tmp_path, text=True
        )
        return time.perf_counter() - started, int(done.stdout.split()[-2]) / 1024

    taken, peak = benchmark.pedantic(report, rounds=1)
    size = (tmp_path / "results" / "report.html").stat().st_size / 1e6
    command = f"`ltbench report`, {RECORDS:,} records"
    measured(f"{command}, seconds", taken, at_most=30)
    measured(f"{command}, size in MB", size, at_most=10)
    measured(f"{command}, peak memory in MiB", peak, at_most=400)
