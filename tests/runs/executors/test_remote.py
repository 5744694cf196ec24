"""Jobs on other machines: what is asked of a cluster and what it says; none is needed here."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.executors import slurm_queue
from ltbench.runs.executors.interface import Options, executor_of
from ltbench.runs.executors.remote import Followed, Order, by_first_stage
from ltbench.runs.executors.slurm_profile import Profile
from ltbench.runs.executors.slurm_queue import end_of, queued
from ltbench.runs.recording import record_failure
from ltbench.runs.store import Store
from ltbench.runs.under_way import Note


@pytest.fixture
def profile(tmp_path):
    def write(text):
        path = tmp_path / "profile.yaml"
        path.write_text(text)
        return path

    return write


def test_a_profile_is_what_sbatch_is_asked_for(profile):
    text = "partition: gpu\nmemory: 16GB\nsetup: [module load cuda]\noptions: {gpu-bind: closest}"
    found = Profile.read(profile(text)).parameters(30, Options(signal_before=120.0))
    assert found == {
        "partition": "gpu", "mem": "16GB", "gpus_per_node": 1, "cpus_per_task": 4,
        "setup": ["module load cuda"], "job_name": "ltbench", "time": 30, "signal_delay_s": 120,
        "array_parallelism": 256,
        "additional_parameters": {"requeue": True, "gpu-bind": "closest"},
    }  # fmt: skip
    assert "gpus_per_node" not in Profile.read(profile("gpus: 0")).parameters(1, Options())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("partitions: gpu", "unknown key 'partitions'; known: partition, account,"),
        ("gpus: many", "gpus: Input should be a valid integer"),
        ("cpus: 0", "cpus: Input should be greater than 0"),
        ("- a list", "describes no profile"),
        ("cpus: 2\ncpus: 4", "line 1: the key 'cpus' is given twice"),
        ("a: [", "line 1: "),
    ],
)
def test_a_profile_that_does_not_do_is_one_sentence(profile, text, words):
    with pytest.raises(LtbenchError) as caught:
        executor_of(f"slurm:{profile(text)}", Options())
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_slurm_without_a_profile_or_without_its_package_says_what_to_do(profile, monkeypatch):
    with pytest.raises(UsageError, match=r"needs a profile, as in slurm:profile\.yaml"):
        executor_of("slurm", Options())
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(LtbenchError, match=r"pip install ltbench\[slurm\]"):
        executor_of(f"slurm:{profile('')}", Options())


def test_what_shares_an_untrained_first_stage_waits_for_it(workspace, jobs_of):
    jobs = jobs_of(workspace.results, ["ce", "crt", "lws", "sam"])
    ce, crt, lws, sam = jobs
    store = Store(workspace.results)
    assert by_first_stage(jobs, store) == ([ce, sam], {ce.fingerprint: [crt, lws]})
    assert by_first_stage([crt, lws], store) == ([], {ce.fingerprint: [crt, lws]})
    assert by_first_stage([crt, sam], store) == ([crt, sam], {})
    assert by_first_stage([ce, crt], store) == ([ce], {ce.fingerprint: [crt]})
    Order.of(ce, workspace, []).fill()
    assert by_first_stage([crt, lws], store) == ([crt, lws], {})


def answers(monkeypatch, said, code=0, wrong=""):
    done = SimpleNamespace(stdout=said, returncode=code, stderr=wrong)
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: done)


def test_what_slurm_says_of_jobs_is_read(monkeypatch):
    answers(monkeypatch, "12_0\n12_3\n14\n")
    assert queued() == {"12_0", "12_3", "14"}
    said = "JobId=15 ArrayJobId=12 JobState=FAILED Reason=None ExitCode=0:9 NodeList=node7 Power="
    answers(monkeypatch, said)
    assert end_of("12_3") == (
        "its Slurm job 12_3 ended as FAILED on node7 (exit code 0:9); its last words are in "
        "logs/slurm/12_3_0_log.err."
    )
    answers(monkeypatch, "", 1, "slurm_load_jobs error: Invalid job id specified\n")
    assert end_of("12_3") == "its Slurm job 12_3 is gone."
    with pytest.raises(LtbenchError, match="Slurm does not answer: squeue says 'slurm_load_jobs"):
        queued()


def test_a_machine_without_slurm_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LtbenchError, match="squeue is not found; --executor slurm works where"):
        slurm_queue.queued()


def test_a_worker_with_other_code_refuses_and_names_both(workspace, jobs_of):
    (job,) = jobs_of(workspace.results)
    order = replace(Order.of(job, workspace, []), source=("0.0.9", "a" * 40, False))
    order.fill()
    (failure,) = Store(workspace.results).failures()
    assert "and the command was given with 0.0.9 at aaaaaaaaaa; install the same" in failure.error
    assert not list(Store(workspace.results).records())


def test_a_worker_that_does_not_see_the_results_says_so(workspace, jobs_of, tmp_path):
    (job,) = jobs_of(workspace.results)
    order = Order.of(job, workspace, [])
    elsewhere = replace(order.workspace, results=tmp_path / "elsewhere")
    with pytest.raises(LtbenchError, match="does not see the results folder"):
        replace(order, workspace=elsewhere).fill()


def test_a_job_elsewhere_is_followed_by_its_note_and_its_records(workspace, jobs_of, listener):
    (job,) = jobs_of(workspace.results)
    store = Store(workspace.results)
    followed = Followed(job, store)
    followed.look(listener)
    assert listener.events == []
    order = Order.of(job, workspace, [])
    note = Note.of(store, job.fingerprint, job.cells)
    note.say(1, 2, 4.0)
    followed.look(listener)
    followed.look(listener)
    assert listener.events == [("started", str(job))]
    ((_, report),) = listener.reports
    assert (report.epoch, report.epochs, report.seconds) == (1, 2, 4.0)
    assert report.images_per_second == pytest.approx(job.size.images / 2 / 4)
    assert not followed.settled()
    order.fill()
    assert followed.settled()


def test_only_a_new_failure_settles_a_job(workspace, jobs_of, make_failure):
    (job,) = jobs_of(workspace.results)
    store = Store(workspace.results)
    record_failure(LtbenchError("the first try."), job.cells, workspace_device(), store)
    followed = Followed(job, store)
    assert not followed.settled()
    record_failure(LtbenchError("the second try."), job.cells, workspace_device(), store)
    assert followed.settled()


def workspace_device():
    import torch

    return torch.device("cpu")
