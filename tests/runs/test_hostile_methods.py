"""What a method's code may do to the command: one sentence, and the other trainings go on."""

import csv
import io
import json
import re

import pytest

from ltbench.errors import LtbenchError, UsageError, printable
from ltbench.exchange.export import write_csv
from ltbench.registry.methods import load_file
from ltbench.runs import preflight
from ltbench.runs.execute import run_job
from ltbench.runs.executors.workers import run_here
from ltbench.runs.files import read_failure, read_record
from ltbench.tables.cells import Reader

EXITS = "def losses(self, outputs, batch, clock):\n    raise SystemExit(0)\n"
ENDS = (
    "def losses(self, outputs, batch, clock):\n    raise type('Odd', (BaseException,), {})('odd')\n"
)
NARROW = "def predict(self, network, images):\n    return network(images)['logits'][:, :3]\n"
SHORT = (
    "def adjust_logits(self, logits):\n    return logits[:7]\n"
    "def penalty(self, network, clock):\n    return 0.0 * network.classifier.weight.sum()\n"
)
STATED = 'deviations = "a text is no tuple"\n'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (NARROW, r"predict returned logits of shape \[10, 3\]; it must be \[N, C\], here \[10, 10"),
        (SHORT, r"adjust_logits returned logits of shape \[7, 10\]"),
        (STATED, "mine has deviations that are no tuple of texts; write"),
    ],
    ids=["narrow", "short", "stated"],
)
def test_what_a_hook_may_not_do_is_one_sentence_of_the_rehearsal(
    workspace, jobs_of, method_file, body, words
):
    load_file(method_file("mine", body))
    jobs = jobs_of(workspace.results, "mine")
    with pytest.raises(UsageError, match=words) as caught:
        preflight.rehearse(jobs, workspace)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("body", "raised"), [(EXITS, "SystemExit: 0"), (ENDS, "Odd: odd")])
def test_a_hook_that_ends_the_program_breaks_its_rehearsal_only(
    workspace, jobs_of, method_file, body, raised
):
    load_file(method_file("mine", body))
    (line,) = preflight.rehearse(jobs_of(workspace.results, ["mine", "ce"]), workspace)
    assert re.fullmatch(
        rf"mine broke on made-up images: mine raised {raised} \(mine.py, line \d+\), which ends a "
        "program; let its code raise an exception, which ends one training\\.", line,
    )  # fmt: skip


def test_a_hook_that_exits_costs_its_own_training_only(workspace, jobs_of, method_file, listener):
    load_file(method_file("mine", EXITS))
    jobs = jobs_of(workspace.results, ["mine", "ce"])
    outcome = run_here(jobs, workspace, listener, debug=False)
    (reason,) = outcome.failures.values()
    assert "mine raised SystemExit: 0" in reason
    assert [record.method for record in outcome.records] == ["ce"]


def test_a_file_that_raises_what_no_program_catches_is_named(method_file):
    with pytest.raises(UsageError, match="GeneratorExit: late; mend the file"):
        load_file(method_file("mine", "raise GeneratorExit('late')\n"))


# words


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "\x07", "\u202etxt", "a\tb"])
def test_what_commands_a_terminal_is_written_out(text):
    assert "\\" in printable(text)
    assert printable(text).isprintable()
    assert printable("é, 漢 and\nlines") == "é, 漢 and\nlines"


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "\x07", "\u202e"])
def test_a_record_with_a_text_that_does_not_print_does_not_read(store, make_record, text):
    path = store.write(make_record())
    content = json.loads(path.read_text())
    content["environment"]["device"] = f"a processor{text}"
    for ascii_only in (True, False):
        path.write_text(json.dumps(content, ensure_ascii=ascii_only))
        with pytest.raises(LtbenchError, match="a character that does not print"):
            read_record(path)
    content["environment"]["device"] = 'a "quoted" processor\u2122'
    path.write_text(json.dumps(content))
    assert read_record(path).environment.device.endswith("\u2122")


def test_the_reason_of_a_failure_is_shown_written_out(store, make_failure):
    path = store.write_failure(make_failure(error="\x1b[2Jit broke"))
    assert read_failure(path).error == "\\x1b[2Jit broke"


@pytest.mark.parametrize("text", ["=HYPERLINK()", "+1", "-1", "@SUM(A1)"])
def test_no_cell_of_the_exported_table_begins_a_formula(make_record, text):
    record = make_record(method=text)
    file = io.BytesIO()
    write_csv([record], file)
    (cells,) = csv.DictReader(io.StringIO(file.getvalue().decode()))
    assert cells["method"] == f"'{text}"


def test_a_broken_plug_in_is_listed_as_that_and_hides_no_other(monkeypatch, capsys, no_cache):
    from ltbench.cli.inspect import list_
    from ltbench.registry import methods

    real = methods.find

    def find(name):
        if name == "sam":
            raise UsageError("method sam of a_plug_in: \x1b[2J no such thing; mend or remove it.")
        return real(name)

    monkeypatch.setattr(methods, "find", find)
    list_("methods", as_json=True)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["sam"]["role"] == "broken"
    assert "mend or remove it" in rows["sam"]["paper"]
    assert "\x1b" not in rows["sam"]["paper"]
    assert rows["ce"]["role"] != "broken"


MEANS = """
def adjust_logits(self, logits):
    return logits - logits.mean(0) + torch.linspace(-3, 3, 10).roll(len(logits))
def penalty(self, network, clock):
    return 0.0 * network.classifier.weight.sum()
"""
PLAIN = MEANS.replace("- logits.mean(0) + torch.linspace(-3, 3, 10).roll(len(logits))", "* 2.0")


@pytest.mark.parametrize(("body", "expected"), [(MEANS, True), (PLAIN, False)])
def test_a_method_that_reads_all_test_images_is_marked_in_record_and_table(
    workspace, store, jobs_of, method_file, body, expected
):
    load_file(method_file("mine", body))
    (job,) = jobs_of(workspace.results, "mine")
    (record,) = run_job(job, workspace, lambda report: None)
    said = [line for line in record.deviations if line.startswith("transductive: predictions")]
    assert bool(said) == expected
    reader = Reader(store)
    assert reader.run(job.cells[0]) is not None
    assert any("reads all test images at once" in words for words in reader.remarks) == expected
