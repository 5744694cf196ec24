"""A foreign method's code changes nothing but its own training: no other record, no score."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from torch.utils.data import DataLoader

import ltbench
from ltbench.cli.views.progress import listening
from ltbench.engine.checkpoint import Checkpoint
from ltbench.registry.methods import load_file
from ltbench.runs import preflight
from ltbench.runs.apart import call_apart, death
from ltbench.runs.executors.workers import run_here, run_in_workers
from ltbench.runs.files import write_file
from ltbench.runs.step_time import measure_step_time
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace

pytestmark = pytest.mark.slow

PROTOCOL = "smoke"
PLAIN = """
def penalty(self, network, clock):
    return 0.0 * network.classifier.weight.sum()
"""
# What follows begins when the method's file is executed, or in its hooks; never in this process.
PATCHES = {
    "backend": "torch.backends.mkldnn.enabled = False",
    "function": "F.cross_entropy = lambda *given, **more: 0.0 * given[0].sum(1)\n"
                "torch.Tensor.relu_ = torch.relu_ = F.relu = lambda x, inplace=False: x.abs()",
    "scores": "import ltbench.evaluation.metrics as metrics\n"
              "def best(hits, labels, task, epoch, old=metrics.scores_of):\n"
              "    return old(F.one_hot(labels, task.num_classes).double(), labels, task, epoch)\n"
              "metrics.scores_of = best",
}  # fmt: skip
AT_ONCE = "import multiprocessing\nif multiprocessing.parent_process() is not None:\n{}\n" + PLAIN
IN_A_HOOK = PLAIN + "\ndef after_epoch(self, network, images, clock):\n{}\n"
LABELS = (
    PLAIN
    + """
def after_epoch(self, network, images, clock):
    import gc
    for each in gc.get_objects():
        if isinstance(each, torch.Tensor) and each.dtype is torch.int64 and each.dim() == 1:
            each //= 2
"""
)


def indented(lines: str) -> str:
    return "\n".join(f"    {line}" for line in lines.splitlines())


@pytest.fixture
def beside(workspace, jobs_of, method_file, listener):
    """Train a foreign method between two seeds of others; return what came of all, by method."""

    def run(body: str, *methods: str, name: str = "mine"):
        path = method_file(name, body)
        load_file(path)
        first, last = ([*methods, "ce"], [0]), ([*methods, "ce"], [1])
        jobs = [
            job
            for names, seeds in (first, ([name], [0]), last)
            for job in jobs_of(workspace.results, names, seeds=seeds, protocol_name=PROTOCOL)
        ]
        return run_in_workers(jobs, workspace, listener, ["cpu"], [path])

    return run


@pytest.fixture(scope="module")
def alone(jobs_of, tmp_path_factory):
    """The records of cross-entropy with seeds 0 and 1, trained with nothing beside it."""
    here = Workspace(tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("data"), "cpu")
    jobs = jobs_of(here.results, "ce", seeds=[0, 1], protocol_name=PROTOCOL)
    with listening(2, quiet=True, as_json=False) as silent:
        return run_here(jobs, here, silent, debug=False).records


@pytest.mark.parametrize(
    ("where", "patch"),
    [(IN_A_HOOK, "backend"), (AT_ONCE, "function"), (AT_ONCE, "scores"), (IN_A_HOOK, "scores")],
)
def test_what_a_foreign_method_patches_changes_no_other_record_and_no_score(
    workspace, beside, alone, jobs_of, listener, lasting, method_file, tmp_path, where, patch
):
    outcome = beside(where.format(indented(PATCHES[patch])))
    assert outcome.failures == {}
    ours = [record for record in outcome.records if record.method == "ce"]
    assert [record.seed for record in ours] == [0, 1]
    assert [lasting(record) for record in ours] == [lasting(record) for record in alone]
    if patch == "scores":
        (mine,) = (record for record in outcome.records if record.method == "mine")
        method_file("mine", PLAIN)  # the same training, not patched
        load_file(tmp_path / "mine.py")
        here = replace(workspace, results=tmp_path / "plain")
        jobs = jobs_of(here.results, "mine", protocol_name=PROTOCOL)
        (plain,) = run_here(jobs, here, listener, debug=False).records
        assert (mine.last, mine.best) == (plain.last, plain.best)
        assert mine.last.top1 < 100


def test_a_death_is_told_by_its_signal_or_its_code():
    killed = "its process was killed by signal 9, perhaps for memory; run fewer at once."
    assert death(-9, "; run fewer at once") == killed
    assert death(-11, "; run fewer at once") == "its process was killed by signal 11."
    assert death(3) == "its process ended with exit code 3."


def decoded(ask, count):
    return [int(value) for value in DataLoader(range(count), batch_size=None, num_workers=1)]


def test_a_foreign_training_has_its_images_decoded_by_processes_too():
    assert call_apart(decoded, (3,), [], "mine", {}) == [0, 1, 2]


def test_a_method_that_halves_every_label_it_finds_fails_alone(beside, alone, lasting):
    outcome = beside(LABELS)
    (reason,) = outcome.failures.values()
    assert "changed while the method trained" in reason
    assert [lasting(record) for record in outcome.records] == [lasting(record) for record in alone]


def test_a_foreign_post_hoc_part_and_a_foreign_second_stage_share_what_is_trained_without_them(
    workspace, jobs_of, method_file, listener, alone, lasting
):
    post_hoc = "def adjust_logits(self, logits):\n    return logits * 2\n"
    second = """
def stages(self, recipe):
    from ltbench.api.recipe import Stage
    again = Stage(name="again", recipe=recipe, trainable=("classifier",))
    return (*super().stages(recipe), again)
"""
    paths = [
        method_file(name, AT_ONCE.replace(PLAIN, body).format(indented(PATCHES["function"])))
        for name, body in (("post", post_hoc), ("second", second))
    ]
    for path in paths:
        load_file(path)
    methods = ["ce+post", "second", "ce"]
    jobs = jobs_of(workspace.results, methods, protocol_name=PROTOCOL)
    assert [job.trained for job in jobs] == ["ce", "second"]
    assert jobs[1].first_stage.trained == "ce"
    outcome = run_in_workers(jobs[::-1], workspace, listener, ["cpu"], paths)
    assert outcome.failures == {}
    found = {record.method: record for record in outcome.records}
    assert sorted(found) == ["ce", "ce+post", "second"]
    assert lasting(found["ce"]) == lasting(alone[0])


def test_a_foreign_method_is_rehearsed_in_a_process_of_its_own(
    workspace, jobs_of, method_file, monkeypatch
):
    body = IN_A_HOOK.format("    os.environ['LTBENCH_TEST_LEAK'] = '1'")
    path = method_file("mine", body)
    load_file(path)
    jobs = jobs_of(workspace.results, "mine")
    monkeypatch.delenv("LTBENCH_TEST_LEAK", raising=False)
    assert preflight.prepare(jobs, workspace, files=[path]).broken == []
    assert "LTBENCH_TEST_LEAK" not in os.environ
    assert preflight.prepare(jobs, workspace).broken == []
    assert os.environ["LTBENCH_TEST_LEAK"] == "1"


def test_the_steps_of_a_foreign_method_are_timed_in_a_process_of_their_own(
    workspace, jobs_of, method_file, monkeypatch
):
    leak = "    os.environ['LTBENCH_TEST_LEAK'] = '1'\n"
    body = f"def losses(self, outputs, batch, clock):\n{leak}    return outputs['logits'].sum(1)\n"
    load_file(method_file("mine", body))
    (job,) = jobs_of(workspace.results, "mine", protocol_name=PROTOCOL)
    monkeypatch.delenv("LTBENCH_TEST_LEAK", raising=False)
    started = time.monotonic()
    measured = measure_step_time(job, workspace)
    assert measured.step > 0
    assert 0.1 < measured.start < time.monotonic() - started  # it imports torch
    assert "LTBENCH_TEST_LEAK" not in os.environ


def test_a_foreign_training_that_breaks_says_where_in_its_own_file(
    workspace, jobs_of, method_file, listener
):
    path = method_file(
        "mine", "def losses(self, outputs, batch, clock):\n    raise KeyError('x')\n"
    )
    load_file(path)
    jobs = jobs_of(workspace.results, "mine", protocol_name=PROTOCOL)
    (reason,) = run_here(jobs, workspace, listener, debug=False).failures.values()
    lines = [each.strip() for each in path.read_text().splitlines()]
    line = 1 + lines.index("raise KeyError('x')")
    assert f"(mine.py, line {line})" in reason


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise SystemExit(3)", r"mine raised SystemExit: 3 \(mine.py, line \d+\), which ends a"),
        ("os._exit(7)", "its process ended with exit code 7"),
    ],
)
def test_a_rehearsal_that_ends_its_process_leaves_the_others_their_turn(
    workspace, jobs_of, method_file, body, words
):
    path = method_file("mine", f"def losses(self, outputs, batch, clock):\n    {body}\n")
    load_file(path)
    jobs = jobs_of(workspace.results, ["mine", "ce"])
    (line,) = preflight.prepare(jobs, workspace, files=[path]).broken
    assert re.search(words, line)


def test_an_interrupted_foreign_training_saves_and_leaves_no_process(
    workspace, jobs_of, method_file
):
    body = "def after_epoch(self, network, images, clock):\n    __import__('time').sleep(0.2)\n"
    path = method_file("slow", body)
    load_file(path)
    protocol = "fast(epochs=60)"
    process = subprocess.Popen(
        [
            sys.executable, "-c", "from ltbench.cli import main; main()", "run", "--methods",
            "slow", "--load", str(path), "--dataset", "digits_lt", "--seeds", "1", "--protocol",
            protocol, "--results", str(workspace.results), "--json",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "epoch" and event["epoch"] == 2:
            break
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.startswith("ltbench: interrupted; the same command goes on from the last")
    assert err.count("\n") == 1
    (job,) = jobs_of(workspace.results, "slow", protocol_name=protocol)
    checkpoint = Store(workspace.results).work(job.fingerprint) / "checkpoint.pt"
    assert Checkpoint(checkpoint, write_file).load()["progress"]["epochs_done"] >= 1
    ends = time.monotonic() + 30  # Python's own resource tracker ends after all others
    while time.monotonic() < ends and _is_there(process.pid):
        time.sleep(0.1)
    assert not _is_there(process.pid)


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_script_without_a_guard_runs_once(method_file, tmp_path):
    path = method_file("mine", PLAIN)
    script = tmp_path / "script.py"
    script.write_text(
        "import ltbench\nprint('here')\n"
        f"ltbench.run('mine', 'digits_lt', seeds=1, protocol='smoke', load={str(path)!r}, "
        f"results={str(tmp_path / 'results')!r}, quiet=True)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("here") == 1
    assert list(ltbench.records(tmp_path / "results")["method"]) == ["mine"]
