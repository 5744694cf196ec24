"""What a record means does not change: fingerprints and public names are pinned.

A file moved or a class renamed in the code may not rename what users type, or what a committed
record was made of. A line of `pinned/names.txt` may be added; one that goes takes records with it.
"""

from pathlib import Path

import pytest
from made_runs import cell_fingerprint

from ltbench.api.parameters import fields_of
from ltbench.data.catalog import KNOWN, dataset
from ltbench.networks import NETWORKS
from ltbench.registry.methods import build, describe, find
from ltbench.registry.signatures import names
from ltbench.runs.identity import fingerprint_in
from ltbench.runs.protocol import Protocol, protocol_of
from ltbench.runs.protocols import PROTOCOLS
from ltbench.runs.store import Cell, Store

ROOT = Path(__file__).resolve().parent.parent
PINNED = ROOT / "tests" / "pinned" / "names.txt"


@pytest.fixture(scope="module")
def records():
    return list(Store(ROOT / "results").records())


def public_names():
    """Yield a line for each name, default and value that a specification or a record may hold."""
    for name in names():
        found = find(name)
        yield f"method {name}"
        for field in fields_of(found):
            yield f"method {name} parameter {field.name} = {field.default!r}"
        for variant, values in found.variants.items():
            yield f"method {name} variant {variant} = {sorted(values.items())!r}"
    for name, info in KNOWN.items():
        yield f"data set {name} default imbalance = {info.imbalance}"
    for family, protocols in PROTOCOLS.items():
        for name, values in protocols.items():
            yield f"protocol {family} {name} = {sorted(values.items())!r}"
    for name, field in Protocol.model_fields.items():
        yield f"protocol field {name} = {field.default!r}"
    for name in NETWORKS:
        yield f"network {name}"


def test_a_records_content_gives_its_fingerprint(records):
    assert [r for r in records if fingerprint_in(r) != r.fingerprint] == []


def test_the_code_gives_a_committed_cell_the_fingerprint_it_was_filed_under(records):
    assert records
    for record in records:
        method = build(record.method)
        assert describe(method) == record.method
        data = dataset(record.dataset)
        protocol = protocol_of(record.protocol, data.info)
        assert cell_fingerprint(Cell.of(record), method, protocol) == record.fingerprint, Cell.of(
            record
        )


def test_public_names_and_defaults_are_still_there():
    lost = set(PINNED.read_text().splitlines()) - set(public_names())
    assert sorted(lost) == []
