"""Other readings of claims in the ledger."""

import json
from dataclasses import replace

from consoles import printed

from ltbench.cli.views.ledger import print_ledger
from ltbench.tables.claims import Claim, Claims, Reading
from ltbench.tables.ledger import ledger_of, with_readings
from ltbench.tables.write.ledger import as_json

CLAIM = {
    "claim": "SAM adds 2", "paper": "P", "source": "S", "table": "mine", "column": "r=50",
    "method": "ce+sam", "over": "ce", "gain": 2.0,
}  # fmt: skip
CIFAR10 = "cifar10_lt(imbalance=50)"
READING = {"reading": "a wider radius", "terms": ["sam(rho=0.3)"]}


def write(store, make_record, method, values):
    for seed, top1 in enumerate(values):
        store.write(make_record(method, seed, top1, dataset=CIFAR10))


def test_readings_are_judged_as_if_they_were_the_default(table, store, make_record):
    """Independent: the same claims, with the reading's method written into them."""
    plain = [CLAIM, CLAIM | {"claim": "F", "method": "focal", "gain": 9.0}]
    written = [plain[0] | {"method": "ce+sam(rho=0.3)"}, plain[1]]
    for method, values in {
        "ce": [70.0, 70.4, 69.6], "focal": [70.1, 70.5, 69.6], "ce+sam": [60.1, 60.3, 60.0],
        "ce+sam(rho=0.3)": [72.1, 72.4, 71.6],
    }.items():  # fmt: skip
        write(store, make_record, method, values)
    claims, readings = [Claim(**each) for each in plain], [Reading(**READING)]
    ledger = ledger_of([table], Claims(claims=claims, readings=readings), store)
    default, other = ledger.claims
    (read,) = ledger.readings
    first, _ = ledger_of([table], Claims(claims=[Claim(**each) for each in written]), store).claims
    assert (read.kind, read.reading, read.row) == ("reading", "a wider radius", default.row)
    assert replace(read, kind="claim", reading="") == first
    assert (read.verdict.word, default.verdict.word) == ("holds", "differs")
    assert default.other_readings == "by our default reading; other readings: 1 holds"
    assert (other.verdict.word, other.other_readings) == ("differs", "")
    assert list(with_readings(ledger)) == [default, read, other]
    shown = " ".join(printed(print_ledger, ledger).split())
    assert "read as: a wider radius +2.0 +2.0" in shown


def test_readings_without_records_are_counted_and_not_shown(table, store, make_record):
    write(store, make_record, "ce", [70.0, 70.4, 69.6])
    write(store, make_record, "ce+sam", [60.1, 60.3, 60.0])
    claims = Claims(claims=[Claim(**CLAIM)], readings=[Reading(**READING)])
    ledger = ledger_of([table], claims, store)
    assert [line.verdict.word for line in ledger.readings] == ["not run"]
    assert list(with_readings(ledger)) == list(ledger.claims)
    (claim,) = ledger.claims
    assert claim.other_readings == "by our default reading; other readings: 1 not run"
    assert "1 other reading of claims without runs" in printed(print_ledger, ledger)
    assert json.loads(as_json(ledger))["readings"][0]["reading"] == "a wider radius"


def test_a_claim_whose_default_has_not_run_stands_above_a_reading_that_has(
    table, store, make_record
):
    write(store, make_record, "ce", [70.0, 70.4, 69.6])
    write(store, make_record, "ce+sam(rho=0.3)", [72.1, 72.4, 71.6])
    claims = Claims(claims=[Claim(**CLAIM)], readings=[Reading(**READING)])
    ledger = ledger_of([table], claims, store)
    (claim,) = ledger.claims
    assert (claim.verdict.word, claim.reproduced) == ("not run", None)
    assert claim.other_readings == "by our default reading; other readings: 1 holds"
    lines = printed(print_ledger, ledger).splitlines()
    (parent,) = (index for index, line in enumerate(lines) if line.startswith("SAM adds 2"))
    assert lines[parent + 1].split()[:5] == ["read", "as:", "a", "wider", "radius"]
