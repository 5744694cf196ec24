"""The ledger on a small table and on the shipped ones."""

import csv
import io
import json

import pytest
from rich.console import Console

from ltbench.cli.views.ledger import print_ledger
from ltbench.errors import UsageError
from ltbench.statistics.estimates import mean_interval
from ltbench.statistics.inference import paired_t, sign_flip
from ltbench.tables.claims import Claim, load_claims
from ltbench.tables.definition import load, shipped
from ltbench.tables.ledger import build
from ltbench.tables.metrics import METRICS
from ltbench.tables.write.ledger import as_csv, as_json

CLAIM = {
    "claim": "SAM adds 2", "paper": "P", "source": "S", "table": "mine", "column": "r=50",
    "method": "ce+sam(rho=0.1)", "over": "ce", "gain": 2.0,
}  # fmt: skip
CIFAR10 = "cifar10_lt(imbalance=50)"


@pytest.fixture(scope="module")
def tables():
    return [load(name) for name in sorted(shipped())]


def write(store, make_record, method, values, **where):
    for seed, top1 in enumerate(values):
        store.write(make_record(method, seed, top1, **where))


def cells(table, store):
    return {(line.row, line.column): line for line in build([table], [], store).cells}


def screen(ledger, width=100) -> str:
    file = io.StringIO()
    print_ledger(ledger, Console(file=file, width=width))
    return file.getvalue()


def test_every_reported_value_has_a_line(tables, store):
    ledger = build(tables, [], store)
    derived = sum(METRICS[line.metric].over is not None for line in ledger.cells)
    assert len(ledger.cells) - derived == sum(len(table.reported) for table in tables) == 560
    assert {line.verdict.word for line in ledger.cells} == {"not run"}
    assert ledger.problems == ()


def test_what_was_not_run_says_why_where_it_cannot_be(tables, store):
    reasons = {(line.table, line.row): line.reason for line in build(tables, [], store).cells}
    assert reasons["1", "CE (Baseline)"] == ""
    assert reasons["1", "DiffuLT"].startswith("trains on images that a diffusion model")
    assert reasons["2", "BCL"] in {
        "ImageNet-LT cannot be read yet", "iNaturalist 2018 cannot be read yet",
    }  # fmt: skip


def test_methods_that_this_version_lacks_are_named_where_it_is_asked(mine, store):
    path = mine.parent / "reported" / "mine.csv"
    path.write_text(path.read_text() + "Later,CIFAR-10-LT,ResNet-32,50,all,top1_acc_pct,1\n")
    table = load(str(mine))
    (line,) = (x for x in build([table], [], store, {"ce"}).cells if x.row == "Later")
    assert line.reason == "this version has no not_written"
    (line,) = (x for x in build([table], [], store).cells if x.row == "Later")
    assert line.reason == ""  # so that a new method changes no committed ledger


def test_cells_are_judged(table, store, make_record):
    write(store, make_record, "ce", [38.0, 38.2, 38.4, 38.2], shots=(60.0, 40.0, 20.0))
    lines = cells(table, store)
    line = lines["[CE]", "CIFAR-100-LT all"]
    assert (line.verdict.word, line.tier, line.seeds) == ("holds", "exact", (0, 1, 2, 3))
    assert line.reproduced == mean_interval([38.0, 38.2, 38.4, 38.2])
    assert line.difference == pytest.approx(-0.1)
    assert lines["[CE]", "CIFAR-100-LT few"].verdict.word == "differs"  # 20 where 9.1 is reported
    assert lines["[CE]", "r=50"].verdict.word == "not run"


def test_two_seeds_are_undecided(table, store, make_record):
    write(store, make_record, "ce", [38.0, 38.2])
    line = cells(table, store)["[CE]", "CIFAR-100-LT all"]
    assert str(line.verdict) == "undecided: about 1 more seed"
    assert line.p_holm is None


def test_another_protocol_is_a_proxy_whatever_it_says(table, store, make_record):
    for protocol in ("smoke", "fast", "paper(epochs=10)"):
        write(store, make_record, "ce", [38.2, 38.3, 38.4], protocol=protocol)
    line = cells(table, store)["[CE]", "CIFAR-100-LT all"]
    assert (line.tier, line.protocol, line.verdict.word) == ("proxy", "fast", "proxy")
    assert (line.comparison, line.p_holm) == (None, None)
    write(store, make_record, "ce", [38.2])
    line = cells(table, store)["[CE]", "CIFAR-100-LT all"]
    assert (line.tier, line.protocol, line.seeds) == ("exact", "paper", (0,))


@pytest.mark.parametrize(
    "change", [{"network": "resnet8"}, {"dataset": "cifar100_lt(imbalance=50)"}]
)
def test_another_network_or_data_set_is_nothing(table, store, make_record, change):
    write(store, make_record, "ce", [38.2, 38.3, 38.4], **change)
    assert cells(table, store)["[CE]", "CIFAR-100-LT all"].verdict.word == "not run"


def test_a_column_is_judged_together(mine, store, make_record):
    path = mine.parent / "reported" / "mine.csv"
    more = "".join(
        f"{label},CIFAR-100-LT,ResNet-32,100,all,top1_acc_pct,{value}\n"
        for label, value in (("Ours|new*", 40.0), ("Later", 40.0))
    )
    path.write_text(path.read_text() + more)
    write(store, make_record, "ce", [40.2, 40.4, 40.6, 40.4])  # p below 0.05, not far below
    alone = cells(load(str(mine)), store)["[CE]", "CIFAR-100-LT all"]
    assert alone.p_holm == alone.comparison.p_value() < 0.05
    assert alone.verdict.word == "differs"
    write(store, make_record, "ce+sam(rho=0.1)", [40.0, 40.1, 40.2])
    write(store, make_record, "not_written", [40.0, 40.1, 40.2])
    among = cells(load(str(mine)), store)["[CE]", "CIFAR-100-LT all"]
    assert among.p_holm == pytest.approx(3 * alone.p_holm)
    assert (among.verdict.word == "differs") == (among.p_holm <= 0.05)


def test_times_are_shown_and_never_judged(store, make_record):
    for method, seconds in (("ce", 1800.0), ("bcl", 3600.0)):
        for seed in range(3):
            store.write(make_record(method, seed, 38.0, seconds=seconds))
    lines = cells(load("7"), store)
    assert lines["BCL", "hours"].difference is None
    assert lines["BCL", "relative to CE"].reproduced.mean == 2.0
    assert {line.verdict.word for line in lines.values()} == {"proxy", "not run"}
    assert lines["BCL", "hours"].reason == "it depends on the machine"


def test_claims_are_judged_on_paired_seeds(table, store, make_record):
    base, ours = [70.0, 72.0, 74.0, 90.0], [72.1, 73.9, 76.0]
    write(store, make_record, "ce", base, dataset=CIFAR10)
    write(store, make_record, "ce+sam(rho=0.1)", ours, dataset=CIFAR10)
    (line,) = build([table], [Claim(**CLAIM)], store).claims
    gains = [a - b for a, b in zip(ours, base, strict=False)]
    assert (line.seeds, line.tolerance) == ((0, 1, 2), 1.0)
    assert line.reproduced == mean_interval(gains)
    assert (line.p_paired, line.p_flip) == (paired_t(gains), sign_flip(gains))
    assert (line.verdict.word, line.specification, line.over) == ("holds", CLAIM["method"], "ce")


def test_claims_need_both_methods_under_one_protocol(table, store, make_record):
    write(store, make_record, "ce", [70.0, 71.0], dataset=CIFAR10)
    write(store, make_record, "ce", [60.0, 61.0], dataset=CIFAR10, protocol="fast")
    (line,) = build([table], [Claim(**CLAIM)], store).claims
    assert line.verdict.word == "not run"
    write(store, make_record, "ce+sam(rho=0.1)", [62.0, 63.0], dataset=CIFAR10, protocol="fast")
    (line,) = build([table], [Claim(**CLAIM)], store).claims
    assert (line.verdict.word, line.protocol, line.reproduced.mean) == ("proxy", "fast", 2.0)


def test_shipped_claims_are_differences_of_reported_values(tables):
    named = {table.short: table for table in tables}
    for claim in load_claims(tables):
        column = claim.column_in(named[claim.table])
        values = {}
        for table in tables:
            for row in table.definition.rows if table.definition.paper == claim.paper else ():
                for other in table.definition.columns:
                    if (other.dataset, other.metric) == (column.dataset, column.metric):
                        found = table.value(row, other)
                        values.setdefault(row.method_on(column.data), set()).add(found)
        pairs = [
            round(a - b, 2)
            for a in values[claim.method] - {None}
            for b in values[claim.over] - {None}
        ]
        assert claim.gain in pairs, claim.claim


@pytest.mark.parametrize(
    ("key", "wrong", "message"),
    [
        ("table", "11", "'SAM adds 2': unknown table '11'; known:"),
        ("column", "r=5", "unknown column of table mine 'r=5'; did you mean r=50?"),
        ("gain", 0.0, "claims, item 1, gain: a gain of 0 claims nothing"),
        ("method", "ce+", "claims, item 1, method: cannot read 'ce+'"),
        ("gian", 1.0, "claims, item 1: unknown key 'gian'; did you mean gain?"),
    ],
)
def test_spoilt_claims_are_explained(table, tmp_path, key, wrong, message):
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps({"claims": [CLAIM | {key: wrong}]}))
    with pytest.raises(UsageError) as caught:
        load_claims([table], path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_csv_and_json_say_the_same(table, store, make_record):
    write(store, make_record, "ce", [38.0, 38.2, 38.4])
    ledger = build([table], [Claim(**CLAIM)], store)
    lines = list(csv.DictReader(io.StringIO(as_csv(ledger))))
    content = json.loads(as_json(ledger))
    both = content["cells"] + content["claims"]
    assert len(lines) == len(both) == 4 + 1
    for line, entry in zip(lines, both, strict=True):
        assert line == {k: "" if v is None else str(v) for k, v in entry.items()}
    first = content["cells"][0]
    assert (first["mean"], first["ci95"], first["n"], first["seeds"]) == (38.2, 0.4968, 3, "0 1 2")
    assert (first["verdict"], first["tolerance"], first["difference"]) == ("holds", 1.0, -0.1)
    assert first["detectable"] > 1


def test_console_counts_and_shows(table, store, make_record):
    write(store, make_record, "ce", [38.0, 38.2, 38.4])
    text = screen(build([table], [Claim(**CLAIM)], store))
    assert "4 reported cells and 1 claims about gains" in text
    assert "38.2 ± 0.5" in text
    assert "holds" in text
    assert "SAM adds 2" in text
    assert "+2.0" in text


def test_problems_are_told(table, store, make_record):
    path = store.write(make_record("ce", 0, 38.0))
    write(store, make_record, "ce", [38.0, 38.2])
    path.write_text("{")
    ledger = build([table], [], store)
    assert len(ledger.problems) == 1
    assert str(path) in ledger.problems[0]
    assert ledger.cells[0].seeds == (1,)
