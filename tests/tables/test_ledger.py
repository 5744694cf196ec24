"""The ledger on a small table and on the shipped ones."""

import csv
import io
import json
import math
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import scipy
from consoles import printed

from ltbench.cli.views.ledger import print_ledger
from ltbench.errors import UsageError
from ltbench.planning.candidates import candidates
from ltbench.planning.spread import SeedDeviations
from ltbench.runs.store import Store
from ltbench.statistics.estimates import mean_interval
from ltbench.statistics.gains import paired, sign_flip
from ltbench.tables.claims import Claim, Claims, load_claims
from ltbench.tables.definition import load
from ltbench.tables.grid import grid_of
from ltbench.tables.ledger import ledger_of
from ltbench.tables.metrics import METRICS
from ltbench.tables.reported import FROM_MEMORY, Remembered, following
from ltbench.tables.shipped import shipped
from ltbench.tables.write.files import long_csv, markdown
from ltbench.tables.write.latex import latex
from ltbench.tables.write.ledger import as_csv, as_json, reproduced

CLAIM = {
    "claim": "SAM adds 2", "paper": "P", "source": "S", "table": "mine", "column": "r=50",
    "method": "ce+sam(rho=0.1)", "over": "ce", "gain": 2.0,
}  # fmt: skip
ONE = Claims(claims=[Claim(**CLAIM)])
CIFAR10 = "cifar10_lt(imbalance=50)"


@pytest.fixture(scope="module")
def tables():
    return [load(name) for name in sorted(shipped())]


def write(store, make_record, method, values, **where):
    for seed, top1 in enumerate(values):
        store.write(make_record(method, seed, top1, **where))


def cells(table, store):
    return {(line.row, line.column): line for line in ledger_of([table], None, store).cells}


def test_every_reported_value_has_a_line(tables, store):
    ledger = ledger_of(tables, None, store)
    derived = sum(METRICS[line.metric].over is not None for line in ledger.cells)
    assert len(ledger.cells) - derived == sum(len(table.reported) for table in tables) == 750
    assert {line.verdict.word for line in ledger.cells} == {"not run", "cannot run"}
    assert ledger.problems == ()


def test_what_was_not_run_says_why_where_it_cannot_be(tables, store):
    lines = ledger_of(tables, None, store).cells
    reasons = {(line.table, line.row): line.reason for line in lines}
    assert reasons["1", "CE (Baseline)"] == ""
    assert reasons["1", "DiffuLT"].startswith("generates its images by a diffusion model")
    assert reasons["2", "BCL"] == ""
    full = "cRT + Stage-1 direction + magnitude + Stage 2 (full CC-SAM)"
    assert reasons["cc_sam/2", full] == ""
    words = Counter(line.verdict.word for line in lines if line.table == "1")
    assert words == {"not run": 81, "cannot run": 54}  # values of rows with and without a method


@pytest.mark.usefixtures("places_unread")
def test_a_data_set_that_nothing_reads_is_the_reason(store):
    cells = ledger_of([load("cc_sam/2")], None, store).cells
    assert {line.reason for line in cells} >= {"Places-LT cannot be read yet"}


def test_methods_that_this_version_lacks_are_named_where_it_is_asked(mine, store):
    path = mine.parent / "reported" / "mine.csv"
    path.write_text(path.read_text() + "Later,CIFAR-10-LT,ResNet-32,50,all,top1_acc_pct,1\n")
    table = load(str(mine))
    (line,) = (x for x in ledger_of([table], None, store, {"ce"}).cells if x.row == "Later")
    assert (line.reason, line.verdict.word) == ("this version has no not_written", "cannot run")
    (line,) = (x for x in ledger_of([table], None, store).cells if x.row == "Later")
    # A new method changes no committed ledger.
    assert (line.reason, line.verdict.word) == ("", "not run")


def test_cells_are_judged(table, store, make_record):
    for seed, (top1, few) in enumerate(((38.0, 19.7), (38.2, 20.0), (38.4, 20.3), (38.2, 99.0))):
        store.write(make_record("ce", seed, top1, shots=(60.0, 40.0, few)))
    lines = cells(table, store)
    line = lines["[CE]", "CIFAR-100-LT all"]
    assert (line.verdict.word, line.tier, line.seeds) == ("holds", "exact", (0, 1, 2))
    assert line.reproduced == mean_interval([38.0, 38.2, 38.4])
    assert line.difference == pytest.approx(-0.1)
    assert lines["[CE]", "CIFAR-100-LT few"].verdict.word == "differs"  # 20 where 9.1 is reported
    assert lines["[CE]", "r=50"].verdict.word == "not run"


def test_two_of_three_seeds_are_undecided(table, store, make_record):
    write(store, make_record, "ce", [38.0, 38.2])
    line = cells(table, store)["[CE]", "CIFAR-100-LT all"]
    assert str(line.verdict) == "undecided: 1 more seed to run"
    assert (line.p_holm, line.p_differs, line.detectable) == (None, None, None)


def test_seeds_that_the_table_does_not_name_change_no_verdict(table, store, make_record):
    """Looking again after more seeds would raise the rate of false verdicts."""
    write(store, make_record, "ce", [37.9, 38.2, 39.4])
    before = cells(table, store)["[CE]", "CIFAR-100-LT all"]
    write(store, make_record, "ce", [37.9, 38.2, 39.4, 38.3, 38.3, 38.3, 38.3])
    after = cells(table, store)["[CE]", "CIFAR-100-LT all"]
    assert before == after
    assert after.seeds == (0, 1, 2)


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


@pytest.fixture
def three(mine):
    """The small table with three values in its first column."""
    path = mine.parent / "reported" / "mine.csv"
    more = "".join(
        f"{label},CIFAR-100-LT,ResNet-32,100,all,top1_acc_pct,{value}\n"
        for label, value in (("Ours|new*", 40.0), ("Later", 40.0))
    )
    path.write_text(path.read_text() + more)
    return load(str(mine))


def test_a_column_is_judged_as_a_family_of_all_that_can_run(three, store, make_record):
    write(store, make_record, "ce", [40.2, 40.6, 40.4])
    alone = cells(three, store)["[CE]", "CIFAR-100-LT all"]
    assert (alone.family, alone.p_holm) == (3, pytest.approx(3 * alone.p_differs))
    write(store, make_record, "ce+sam(rho=0.1)", [40.0, 40.4, 40.2])
    write(store, make_record, "not_written", [40.0, 40.4, 40.2])
    among = cells(three, store)["[CE]", "CIFAR-100-LT all"]
    assert (among.comparison.deviation, among.comparison.freedom) == (pytest.approx(0.2), 6)
    assert among.p_holm == pytest.approx(3 * among.p_differs)
    assert among.p_differs < alone.p_differs  # the same deviation, measured by three methods
    assert among.detectable < alone.detectable


def test_a_method_in_two_rows_is_pooled_once(three, store, make_record):
    path = three.definition
    twice = path.model_copy(update={
        "rows": [*path.rows, path.rows[0].model_copy(update={"label": "CE again"})]
    })  # fmt: skip
    write(store, make_record, "ce", [40.2, 40.6, 40.4])
    table = replace(three, definition=twice)
    assert cells(table, store)["[CE]", "CIFAR-100-LT all"].comparison.freedom == 2


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
    (line,) = ledger_of([table], ONE, store).claims
    gains = [a - b for a, b in zip(ours, base, strict=False)]
    assert (line.seeds, line.tolerance, line.family) == ((0, 1, 2), 1.0, 1)
    assert line.reproduced.mean == pytest.approx(paired(gains).estimate.mean)
    assert line.reproduced.half_width == pytest.approx(paired(gains).estimate.half_width)
    assert line.p_gain == pytest.approx(paired(gains).p_value())
    assert line.p_flip == sign_flip(gains)
    assert line.superiority == pytest.approx(paired(gains).superiority())
    assert (line.verdict.word, line.specification, line.over) == ("holds", CLAIM["method"], "ce")


def test_claims_are_one_family_run_or_not(table, store, make_record):
    claims = [Claim(**CLAIM | {"claim": f"SAM adds {gain}", "gain": gain}) for gain in (2.0, 9.0)]
    claims.append(Claim(**CLAIM | {"claim": "more", "method": "focal"}))
    write(store, make_record, "ce", [70.0, 72.0, 74.0], dataset=CIFAR10)
    write(store, make_record, "ce+sam(rho=0.1)", [72.1, 73.9, 76.0], dataset=CIFAR10)
    near, far, missing = ledger_of([table], Claims(claims=claims), store).claims
    assert (near.family, far.family, missing.verdict.word) == (3, 3, "not run")
    assert far.p_holm == pytest.approx(3 * far.p_differs)
    assert near.p_gain_holm == far.p_gain_holm == pytest.approx(3 * near.p_gain)


def test_the_best_epoch_on_the_test_set_is_judged_where_it_is_asked_for(tmp_path, make_record):
    store = Store(tmp_path)
    for seed, top1 in enumerate((36.0, 36.2, 36.4)):
        store.write(make_record("ce", seed, top1, best=top1 + 2))
    call = "import sys; from ltbench.cli import main; main()"
    words = ("ledger", "--results", str(tmp_path), "--format", "json")
    said = {}
    for select in ("last", "best_test"):
        done = subprocess.run(
            [sys.executable, "-c", call, *words, "--select", select],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        lines = json.loads(done.stdout)["cells"]
        (line,) = (x for x in lines if x["table"] == "cc_sam/1" and x["mean"] is not None)
        said[select] = line["select"], line["mean"], line["verdict"]
    assert said["last"][:2] == ("last", 36.2)
    assert said["best_test"] == ("best_test", 38.2, "holds")
    assert said["last"][2] != "holds"


def test_claims_need_both_methods_under_one_protocol(table, store, make_record):
    write(store, make_record, "ce", [70.0, 71.0], dataset=CIFAR10)
    write(store, make_record, "ce", [60.0, 61.0], dataset=CIFAR10, protocol="fast")
    (line,) = ledger_of([table], ONE, store).claims
    assert line.verdict.word == "not run"
    write(store, make_record, "ce+sam(rho=0.1)", [62.0, 63.0], dataset=CIFAR10, protocol="fast")
    (line,) = ledger_of([table], ONE, store).claims
    assert (line.verdict.word, line.protocol, line.reproduced.mean) == ("proxy", "fast", 2.0)


SINGLE = "paper(precision='float32')"


def test_a_papers_protocol_judges_in_the_precision_that_has_run(table, store, make_record):
    """Cells and claims alike, on the seeds that the table names and no others."""
    ours = "ce+sam(rho=0.1)"
    for method, base in (("ce", 70.0), (ours, 72.1)):
        for seed, more in ((0, 0.0), (1, 0.3), (7, 0.1), (8, 0.2)):
            top1 = base + more * (1.1 if method == "ce" else 1)
            store.write(make_record(method, seed, top1, dataset=CIFAR10, protocol=SINGLE))
    write(store, make_record, ours, [60.0] * 3, dataset=CIFAR10, protocol="fast")
    (claim,) = ledger_of([table], ONE, store).claims
    assert (claim.protocol, claim.seeds) == (SINGLE, (0, 1))
    assert str(claim.verdict) == "undecided: 1 more seed to run"
    for method, top1 in (("ce", 70.6), (ours, 72.8)):
        store.write(make_record(method, 2, top1, dataset=CIFAR10, protocol=SINGLE))
    ledger = ledger_of([table], ONE, store)
    assert (ledger.claims[0].verdict.word, ledger.claims[0].seeds) == ("holds", (0, 1, 2))
    (cell,) = (row for row in ledger.cells if row.dataset == CIFAR10)
    assert (cell.tier, cell.protocol, cell.seeds, cell.comparison.judged) == (
        "exact", SINGLE, (0, 1, 2), True,
    )  # fmt: skip


def test_records_in_the_precision_that_a_column_is_not_judged_in_are_not_judged(
    table, store, make_record
):
    write(store, make_record, "ce+sam(rho=0.1)", [72.0], dataset=CIFAR10)
    for method, base in (("ce", 70.0), ("ce+sam(rho=0.1)", 72.0)):
        values = [base, base + 0.1, base + 0.3]
        write(store, make_record, method, values, dataset=CIFAR10, protocol=SINGLE)
    ledger = ledger_of([table], ONE, store)
    (claim,) = ledger.claims
    (cell,) = (row for row in ledger.cells if row.dataset == CIFAR10)
    for line in (claim, cell):
        assert (line.protocol, str(line.verdict)) == (SINGLE, "undecided")
        assert (line.p_gain, line.p_holm, line.comparison) == (None, None, None)
        assert line.reason.startswith("its column is judged in another precision; ")


def test_a_proxy_of_a_claim_is_over_the_seeds_that_both_methods_have(table, store, make_record):
    where = {"dataset": CIFAR10, "protocol": "fast"}
    write(store, make_record, "ce", [70.0, 70.3, 70.1, 70.6, 71.0], **where)
    write(store, make_record, "ce+sam(rho=0.1)", [72.0, 72.5, 72.1], **where)
    (line,) = ledger_of([table], ONE, store).claims
    assert (line.verdict.word, line.seeds) == ("proxy", (0, 1, 2))
    assert line.reproduced.mean == pytest.approx((2.0 + 2.2 + 2.0) / 3)


def test_a_gain_over_other_classes_is_tested_as_none(store, make_record):
    table = load("4")
    for method, top1 in (("ce", 38.0), ("ce+gkp", 20.0)):
        for seed in range(3):
            more = seed / (10 if method == "ce" else 4)
            shots = (60 + more, 30 + more, 9 + more)
            store.write(make_record(method, seed, top1 + more, shots=shots))
    lines = {row.column: row for row in ledger_of([table, *map(load, shipped())][1:], load_claims(
        [load(name) for name in shipped()]), store).claims if row.row.startswith("GKP adds")
        and row.over == "ce"}  # fmt: skip
    assert {column: row.p_gain is None for column, row in lines.items()} == {
        "all": False, "many": False, "medium": True, "few": True,
    }  # fmt: skip


def test_a_gain_is_tested_once_all_seeds_have_run(table, store, make_record):
    write(store, make_record, "ce", [70.0, 72.0], dataset=CIFAR10)
    write(store, make_record, "ce+sam(rho=0.1)", [72.1, 73.9], dataset=CIFAR10)
    (line,) = ledger_of([table], ONE, store).claims
    assert line.reproduced.mean == pytest.approx(2.0)
    assert (line.p_gain, line.p_gain_holm, line.p_flip, line.superiority) == (None,) * 4


def test_a_judged_value_has_the_interval_that_judges_it(three, store, make_record):
    scores = {"ce": [38.0, 38.2, 38.4], "ce+sam(rho=0.1)": [42.0, 42.5, 42.6]}
    for method, values in scores.items():
        write(store, make_record, method, values)
    line = next(row for row in cells(three, store).values() if row.specification == "ce")
    pooled = math.sqrt(np.mean([np.var(values, ddof=1) for values in scores.values()]))
    half = scipy.stats.t.ppf(0.975, 4) * pooled / math.sqrt(3)
    assert line.reproduced.mean == pytest.approx(38.2)
    assert line.reproduced.half_width == pytest.approx(half)


def test_shipped_claims_are_differences_of_reported_values(tables):
    named = {table.short: table for table in tables}
    for claim in load_claims(tables).claims:
        column = claim.column_in(named[claim.table])
        own = [table for table in tables if table.definition.paper == claim.paper]
        ours = reported_for(claim.method, column, own)
        # What a paper compares itself to may stand in another's table.
        base = reported_for(claim.over, column, own) or reported_for(claim.over, column, tables)
        assert claim.gain in [round(a - b, 2) for a in ours for b in base], claim.claim


def reported_for(method, column, tables):
    """Return what tables report of a method on a column's data set by its metric."""
    alike = [
        (table, row, other)
        for table in tables
        for row in table.definition.rows
        for other in table.definition.columns
        if (other.dataset, other.metric) == (column.dataset, column.metric)
        and row.method_on(column.data) == method
    ]
    return {table.value(row, other) for table, row, other in alike} - {None}


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
    ledger = ledger_of([table], ONE, store)
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
    text = printed(print_ledger, ledger_of([table], ONE, store))
    assert "4 reported cells and 1 claim about gains" in text
    assert "38.2 ± 0.5" in text
    assert "holds" in text
    assert "SAM adds 2" not in text
    assert "1 claim without runs of both methods: --format csv names them." in text


def test_console_shows_claims_with_runs_of_both_methods(table, store, make_record):
    write(store, make_record, "ce", [75.0, 75.4, 74.6], dataset=CIFAR10)
    write(store, make_record, "ce+sam(rho=0.1)", [77.2, 77.3, 77.1], dataset=CIFAR10)
    text = printed(print_ledger, ledger_of([table], ONE, store))
    (shown,) = (line for line in text.splitlines() if "SAM adds 2" in line)
    assert shown.split()[3:5] == ["+2.0", "+2.2"]
    assert "without runs of both methods" not in text


def test_seeds_of_different_code_are_joined_with_a_remark(table, store, make_record):
    for seed, digest in enumerate(("aa", "aa", "bb")):
        record = make_record("ce", seed, 38.0 + seed / 10)
        store.write(record.model_copy(update={"code": {"ce": digest}}))
    ledger = ledger_of([table], None, store)
    assert ledger.cells[0].seeds == (0, 1, 2)
    (remark,) = ledger.remarks
    assert "seeds 0, 1 and seed 2 were computed by different code (ce)" in remark
    assert (grid_of(table, store).remarks, ledger.problems) == (ledger.remarks, ())


def test_seeds_of_different_versions_of_a_method_have_no_mean(table, store, make_record):
    for seed, version in enumerate((1, 1, 2)):
        record = make_record("ce", seed, 38.0 + seed / 10)
        store.write(record.model_copy(update={"versions": {"ce": version}}))
    ledger = ledger_of([table], None, store)
    assert ledger.cells[0].reproduced is None
    (problem,) = ledger.problems
    assert "seeds 0, 1 by version 1 and seed 2 by version 2 of ce: no mean is of both" in problem
    assert grid_of(table, store).lines[0][0].reproduced is None


def test_problems_are_told(table, store, make_record):
    path = store.write(make_record("ce", 0, 38.0))
    write(store, make_record, "ce", [38.0, 38.2])
    path.write_text("{")
    ledger = ledger_of([table], None, store)
    assert len(ledger.problems) == 1
    assert str(path) in ledger.problems[0]
    assert ledger.cells[0].seeds == (1,)


def test_a_transductive_method_is_marked_where_the_ledger_is_shown(table, store, make_record):
    for seed, top1 in enumerate((40.0, 41.0)):
        record = make_record("ce+sam(rho=0.1)", seed, top1, dataset=CIFAR10)
        store.write(record.model_copy(update={"deviations": ["transductive: it is"]}))
    write(store, make_record, "ce", (38.0, 39.0), dataset=CIFAR10)
    ledger = ledger_of([table], ONE, store)
    assert [line.transductive for line in ledger.cells if line.reproduced] == [
        line.specification != "ce" for line in ledger.cells if line.reproduced
    ]
    (claim,) = ledger.claims
    assert claim.transductive
    shown = {line.specification: reproduced(line) for line in ledger.cells if line.reproduced}
    assert not any(text.endswith(" T") for method, text in shown.items() if method == "ce")
    assert reproduced(claim).endswith(" T")


def test_what_is_derived_from_reported_values_is_no_line(store):
    lines = ledger_of([load("cc_sam/4")], None, store).cells
    assert {line.metric for line in lines} == {"many", "medium", "few", "open_set_f"}
    assert len(lines) == 72


@pytest.fixture(params=["memory", "memory, unchecked"])
def remembered(mine, request):
    """The small table, of whose values the first is from memory and the others were read."""
    path = mine.parent / "reported" / "mine.csv"
    first, *others = path.read_text().splitlines()
    known = [f'"{request.param}"' if "38.3" in line else "" for line in others]
    lines = [f"{line},{how}" for line, how in zip(others, known, strict=True)]
    path.write_text("\n".join([f"{first},certainty", *lines]) + "\n")
    return load(str(mine))


def test_what_follows_from_a_remembered_value_is_remembered():
    assert isinstance(following(2.0, 4.0, Remembered(2.0), None), Remembered)
    assert not isinstance(following(2.0, 4.0, 2.0, None), Remembered)


@pytest.mark.parametrize("values", [[38.0, 38.3, 38.6], [50.0, 50.2, 50.4]], ids=["equal", "not"])
def test_a_remembered_value_yields_no_verdict(remembered, store, make_record, values):
    for seed, top1 in enumerate(values):
        store.write(make_record("ce", seed, top1, shots=(60.0, 40.0, 29.7 + 0.3 * seed)))
    lines = cells(remembered, store)
    line = lines["[CE]", "CIFAR-100-LT all"]
    assert isinstance(line.reported, Remembered)
    assert line.verdict.word == "proxy"
    assert line.reason == FROM_MEMORY
    found = line.comparison, line.tolerance, line.difference, line.p_holm, line.p_differs
    assert found == (None,) * 5
    assert line.reproduced == mean_interval(values)
    beside = lines["[CE]", "CIFAR-100-LT few"]
    assert not isinstance(beside.reported, Remembered)
    assert (beside.verdict.word, beside.family) == ("differs", 1)
    grid = grid_of(remembered, store)
    cell = grid.lines[0][0]
    assert (cell.printed, cell.verdict, cell.difference) == ("38.3?", None, None)
    assert "?: from memory, not looked up; it judges nothing." in grid.caption
    rows = list(csv.DictReader(io.StringIO(long_csv(grid))))
    assert [row["from_memory"] for row in rows[:2]] == ["?", ""]
    assert "38.3?<br>" in markdown(grid)
    assert "38.3?" in latex(grid, siunitx=True)


def test_what_is_remembered_is_planned_for_by_nothing(remembered, store):
    planned, left = candidates(
        remembered, store, [0, 1, 2], protocol=None, methods={"ce", "sam"},
        deviations=SeedDeviations([]), wanted=3, judgements={},
    )  # fmt: skip
    targets = [target.column.metric for each in planned for target in each.targets]
    assert len(targets) == len(remembered.reported) - left
    assert 38.3 not in [target.reported for each in planned for target in each.targets]


def test_another_certainty_is_refused(mine):
    path = mine.parent / "reported" / "mine.csv"
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([f"{first},certainty", *(f"{each},guess" for each in others)]))
    with pytest.raises(UsageError, match="certainty 'guess' is unknown; write read, second hand"):
        load(str(mine))
