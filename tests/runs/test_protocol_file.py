"""Protocols of one's own: read strictly, named in what they make, never a paper's."""

import json

import pytest

from ltbench.data.catalog import CATALOG
from ltbench.errors import UsageError
from ltbench.runs.protocol import protocol_of
from ltbench.runs.protocol_file import named_in

DIGITS = CATALOG["digits_lt"]


def described(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


def test_a_file_is_the_protocol_that_it_changes_under_its_own_name(tmp_path):
    path = described(tmp_path, "name: long\nepochs: 400\nmilestones: [0.6, 0.8]\nmomentum: 0.9\n")
    found = protocol_of(path, DIGITS)
    assert found.specification == "long@fast(epochs=400, milestones='0.6,0.8')"
    assert (found.epochs, found.name, found.exact) == (400, "fast", False)
    assert protocol_of(found.specification, DIGITS) == found
    assert found != protocol_of("fast(epochs=400, milestones='0.6,0.8')", DIGITS)


def test_one_that_changes_nothing_of_a_papers_is_not_the_papers(tmp_path):
    found = protocol_of(described(tmp_path, "name: mine\nbase: paper\n"), CATALOG["cifar10_lt"])
    assert found.specification == "mine@paper"
    assert not found.exact


def test_what_is_no_file_is_as_it_is():
    assert named_in("fast(epochs=3)") == "fast(epochs=3)"
    assert named_in(None) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: long\nepoch: 3\n", "unknown field of protocol long 'epoch'; did you mean epochs"),
        ("name: paper\nepochs: 3\n", "name 'paper' is not allowed"),
        ("name: Long!\n", "name 'Long!' is not allowed"),
        ("epochs: 3\n", "name None is not allowed"),
        ("name: long\nbase: quick\n", "unknown protocol for digits_lt 'long@quick'"),
        ("name: long\nbase: [fast]\n", r"base \['fast'\] is no protocol's name"),
        ("name: long\nepochs: many\n", "protocol long: epochs = 'many' is not allowed"),
        ("name: long\nepochs: {a: 1}\n", "epochs is no field, or has no value of one"),
        ("name: long\n3: 4\n", "describes no protocol"),
        ("- long\n", "describes no protocol"),
        ("name: [\n", "line 2: expected"),
        ("name: long\nname: short\n", "line 1: the key 'name' is given twice"),
        ("name: long\nfamily: cifar\n", "unknown field of protocol long 'family'"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path, text, words):
    with pytest.raises(UsageError, match=words) as caught:
        protocol_of(described(tmp_path, text), DIGITS)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*none\.yaml \(No such file"):
        protocol_of(str(tmp_path / "none.yaml"), DIGITS)


def test_a_name_that_is_a_protocols_is_refused_where_it_is_typed_too():
    with pytest.raises(UsageError, match="cannot be called smoke"):
        protocol_of("smoke@fast(epochs=3)", DIGITS)


def test_a_run_is_recorded_under_it_and_read_without_the_file(tmp_path, jobs_of, workspace, store):
    from ltbench.runs.execute import run_job
    from ltbench.runs.identity import fingerprint_in

    path = described(tmp_path, "name: quick\nbase: smoke\nepochs: 1\nwarmup_epochs: 0\n")
    (job,) = jobs_of(store.root, protocol_name=path)
    (record,) = run_job(job, workspace, lambda report: None)
    (tmp_path / "mine.yaml").unlink()
    (read,) = store.records()
    assert read.protocol == "quick@smoke(epochs=1)"
    assert fingerprint_in(read) == record.fingerprint
    assert json.loads(read.model_dump_json())["settings"]["epochs"] == 1
