"""Tables of the page: what is reported beside what has run."""

from ltbench.report.page import order_of
from ltbench.report.settings import gather
from ltbench.report.verdicts import entries, sheets
from ltbench.tables.definition import load
from ltbench.tables.ledger import ledger_of

HEAD = "table,method,venue,dataset,backbone,imbalance_ratio,split,metric,value\n"


def test_a_value_that_no_paper_reports_is_of_the_rows_own_shot_groups(tmp_path, store, keep):
    """Of 500, 60 and 5 images: many-shot are by default those of more than 100, here of 50."""
    (tmp_path / "own.csv").write_text(
        HEAD + "own,CE,,CIFAR-100-LT,ResNet-32,100,all,top1_acc_pct,38.3\n"
    )
    (tmp_path / "own.yaml").write_text(
        "title: Own\nprotocol: paper\nreported: own.csv\nseeds: [0]\ncolumns:\n"
        "  - {header: all, dataset: cifar100_lt}\n"
        "  - {header: many, dataset: cifar100_lt, metric: many}\n"
        "rows:\n  - {label: CE, method: ce, thresholds: [50, 10]}\n"
    )
    table = load(str(tmp_path / "own.yaml"))
    keep("ce", 0, 10)
    runs = gather(store, order_of([table]))
    cells = entries(ledger_of([table], None, store).cells, runs, [table])
    (sheet,) = sheets([table], cells, runs)
    ((_, (_, many)),) = sheet.rows
    assert many.keys == {"reproduced": 50.0}  # of 60 and 40 percent
