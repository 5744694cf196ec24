"""First stages that are another method's training: trained once, never another's by mistake."""

import itertools
import json
from dataclasses import replace

import pytest
import torch
from made_trainings import quiet

from ltbench.errors import LtbenchError
from ltbench.registry.methods import build, describe, load_file
from ltbench.runs import energy, timing
from ltbench.runs.cost import estimate, first_stage_sources, is_kept
from ltbench.runs.execute import run_job
from ltbench.runs.executors.workers import run_here
from ltbench.runs.plan import shared_first_stage
from ltbench.runs.protocol import protocol_of
from ltbench.runs.record import Record
from ltbench.runs.step_time import StepTime
from ltbench.runs.store import Store
from ltbench.runs.training import training_of

PROTOCOL = "fast(epochs=4, evaluate_every=3)"
EPOCHS = 4 + 1  # 0.15 of four rounds to one


def epochs_of(reports):
    return [report.epoch for report in reports if report.loss is not None]


def logits_of(workspace, record):
    return (workspace.results / "work" / record.fingerprint / "logits.npz").read_bytes()


@pytest.fixture
def jobs(jobs_of, workspace):
    def make(*methods, results=None, **options):
        return jobs_of(
            results or workspace.results, list(methods), **{"protocol_name": PROTOCOL, **options}
        )

    return make


# what is planned


@pytest.mark.parametrize(
    ("method", "first"),
    [("crt", "ce"), ("lws", "ce"), ("crt(moving=False)", "ce"),
     ("crt+sam(rho=0.1)", "ce+sam(rho=0.1)"), ("disalign", "ce"), ("mislas", None),
     ("ce", None), ("sam", None), ("cc_sam", None), ("ldam_drw", None), ("gkp_gsa", None)],
)  # fmt: skip
def test_the_first_stage_of_a_method_is_plain_training_with_its_modifiers(jobs, method, first):
    (job,) = jobs(method)
    assert (job.first_stage and job.first_stage.trained) == first
    if first is not None:
        (plain,) = jobs(first)
        assert job.first_stage == replace(plain, cells=(), fingerprints=())


def test_a_post_hoc_part_does_not_hide_the_first_stage(jobs):
    shared, _ = jobs("crt", "ce"), jobs("ce")
    (job,) = jobs("crt+posthoc_logit_adjustment")
    assert job.trained == "crt"
    assert job.first_stage == shared[0].first_stage


def test_every_setting_separates_first_stages(jobs):
    others = [
        jobs("crt", seeds=[1]), jobs("crt", protocol_name="fast(epochs=5, evaluate_every=3)"),
        jobs("crt", network="resnet32"), jobs("crt", datasets=["digits_lt(imbalance=10)"]),
        jobs("crt", validation=1), jobs("crt+sam"), jobs("crt"),
    ]  # fmt: skip
    assert len({job.first_stage.fingerprint for (job,) in others}) == len(others)


STAGES = """
    def stages(self, recipe):
        from dataclasses import replace
        from ltbench import Stage
        first = replace(recipe, {change})
        second = Stage(name="second", recipe=recipe, trainable=("classifier",))
        return (Stage(name="{name}", recipe=first), second)
"""


@pytest.mark.parametrize(
    ("name", "body", "shares"),
    [
        ("like_plain", STAGES.format(change="", name="train"), True),
        ("drops", STAGES.format(change="drop_last=True", name="train"), False),
        ("decays", STAGES.format(change="weight_decay=0.3", name="train"), False),
        ("renamed", STAGES.format(change="", name="other"), False),  # seeds go by the name
        (
            "other_losses",
            STAGES.format(change="", name="train")
            + "\n    def losses(self, outputs, batch, clock):\n"
            "        return 2 * super().losses(outputs, batch, clock)\n",
            False,
        ),
        (
            "keeps_state",
            STAGES.format(change="", name="train") + "\n    def setup(self, task):\n"
            "        super().setup(task)\n        self.state['kept'] = 1\n",
            False,
        ),
    ],
)
def test_a_first_stage_that_differs_in_anything_is_its_own(method_file, name, body, shares):
    load_file(method_file(name, body))
    recipe = protocol_of("fast", digits()).recipe()
    first = shared_first_stage(build(name), recipe)
    assert (first is not None) == shares
    if shares:
        assert describe(first) == "ce"


def digits():
    from ltbench.data.catalog import dataset

    return dataset("digits_lt").info


# what is trained


@pytest.mark.slow
def test_a_first_stage_at_hand_gives_the_bits_of_one_trained_anew(workspace, jobs, lasting):
    """Reused, trained for this run, and trained in one go without this: all the same weights."""
    plain, *two_stage = jobs("ce", "crt", "lws")
    run_job(plain, workspace, quiet)
    reused = [run_job(job, workspace, quiet)[0] for job in two_stage]
    for record, name in zip(reused, ("crt", "lws"), strict=True):
        alone = replace(workspace, results=workspace.results / f"alone-{name}")
        (job,) = jobs(name, results=alone.results)
        (anew,) = run_job(job, alone, quiet)
        assert lasting(anew) == lasting(record)
        assert logits_of(alone, anew) == logits_of(workspace, record)
        bare = training_of(job, replace(workspace, results=workspace.results / f"bare-{name}"))
        bare.run(quiet)
        kept = training_of(job, alone)
        assert kept.progress.finished
        for key, value in bare.network.state_dict().items():
            assert torch.equal(kept.network.state_dict()[key], value)
        assert [row["loss"] for row in bare.progress.curves] == [
            row["loss"] for row in kept.progress.curves
        ]


@pytest.mark.slow
def test_modifiers_take_their_state_along(workspace, jobs, lasting):
    """GKP's anchors are state of the first stage; the second run finds them as they were."""
    plain, two_stage = jobs("ce+gkp", "crt+gkp")
    run_job(plain, workspace, quiet)
    (record,) = run_job(two_stage, workspace, quiet)
    bare = training_of(two_stage, replace(workspace, results=workspace.results / "bare"))
    bare.run(quiet)
    kept = training_of(two_stage, workspace)
    for key, value in bare.network.state_dict().items():
        assert torch.equal(kept.network.state_dict()[key], value)
    assert record.first_stage.of == "ce+gkp"


def test_a_first_stage_is_trained_once_whoever_comes_first(workspace, jobs):
    reports = {}
    for job in jobs("lws", "crt", "ce", "ce+posthoc_logit_adjustment"):
        heard = reports.setdefault(job.trained, [])
        run_job(job, workspace, heard.append)
    assert epochs_of(reports["lws"]) == [1, 2, 3, 4, 5]
    assert {report.epochs for report in reports["lws"]} == {EPOCHS}
    assert epochs_of(reports["crt"]) == [5]
    assert reports["ce"] == []  # read off the first stage


@pytest.mark.slow
def test_the_cell_of_the_first_stage_is_the_one_trained_alone(workspace, jobs, lasting):
    two_stage, plain = jobs("crt", "ce")
    run_job(two_stage, workspace, quiet)
    (record,) = run_job(plain, workspace, quiet)
    alone = replace(workspace, results=workspace.results / "alone")
    (undisturbed,) = run_job(jobs("ce", results=alone.results)[0], alone, quiet)
    assert lasting(record) == lasting(undisturbed)
    assert record.first_stage is None
    assert record.cost.first_stage_seconds == 0


@pytest.mark.parametrize(("epoch", "step"), [(2, 3), (4, 2)])
def test_an_interrupted_run_goes_on_in_either_stage(workspace, jobs, lasting, epoch, step):
    (job,) = jobs("crt")

    def interrupt(report):
        if report.loss is None and (report.epoch, report.step) == (epoch, step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(job, workspace, interrupt)
    heard = []
    (record,) = run_job(job, workspace, heard.append)
    assert epochs_of(heard) == list(range(epoch + 1, EPOCHS + 1))
    alone = replace(workspace, results=workspace.results / "alone")
    (whole,) = run_job(jobs("crt", results=alone.results)[0], alone, quiet)
    assert lasting(record) == lasting(whole)
    assert logits_of(workspace, record) == logits_of(alone, whole)


def test_force_trains_the_second_stage_again_on_the_same_first(workspace, jobs, lasting):
    (job,) = jobs("crt")
    (record,) = run_job(job, workspace, quiet)
    heard = []
    (again,) = run_job(replace(job, anew=True), workspace, heard.append)
    assert epochs_of(heard) == [5]
    assert lasting(again) == lasting(record)


# what the record says


def test_the_record_names_the_first_stage_and_counts_its_seconds(workspace, jobs):
    plain, two_stage = jobs("ce", "crt")
    (first,) = run_job(plain, workspace, quiet)
    (record,) = run_job(two_stage, workspace, quiet)
    assert record.first_stage.model_dump() == {"of": "ce", "fingerprint": first.fingerprint}
    assert record.cost.first_stage_seconds == first.cost.train_seconds
    assert record.cost.train_seconds > first.cost.train_seconds
    assert record.cost.steps == first.cost.steps * EPOCHS / 4
    assert record.last.epoch == EPOCHS
    assert Store(workspace.results).read(two_stage.cells[0]) == record


def test_the_record_counts_the_joules_of_its_first_stage_apart(workspace, jobs, monkeypatch):
    counts = itertools.count(0.0, 10.0)
    monkeypatch.setattr(energy, "counter_of", lambda device: lambda: next(counts))
    plain, two_stage = jobs("ce", "crt")
    (first,) = run_job(plain, workspace, quiet)
    (record,) = run_job(two_stage, workspace, quiet)
    assert first.cost.first_stage_joules is None
    assert first.cost.joules > 0
    assert record.cost.first_stage_joules == first.cost.joules
    assert record.cost.joules > first.cost.joules


def test_a_record_from_before_still_reads(make_record):
    content = json.loads(make_record().model_dump_json())
    del content["first_stage"], content["cost"]["first_stage_seconds"]
    record = Record.model_validate_json(json.dumps(content))
    assert record == make_record()


# what is refused


def test_a_damaged_first_stage_is_refused_in_words_and_costs_its_runs_only(
    workspace, jobs, listener
):
    plain, crt, lws = jobs("ce", "crt", "lws(moving=False)")
    run_job(plain, workspace, quiet)
    path = Store(workspace.results).work(plain.fingerprint) / "checkpoint.pt"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert not is_kept(plain.fingerprint, Store(workspace.results))
    (other,) = jobs("focal")
    outcome = run_here([crt, other], workspace, listener, debug=False)
    (reason,) = outcome.failures.values()
    assert reason.startswith(f"checkpoint {path} does not read (")
    assert "delete it" in reason
    assert [record.method for record in outcome.records] == ["focal"]
    path.unlink()
    assert len(run_job(lws, workspace, quiet)) == 1


def test_the_checkpoint_of_another_network_is_refused_in_words(workspace, jobs):
    (crt,) = jobs("crt")
    (larger,) = jobs("ce", network="resnet32", protocol_name="smoke")
    run_job(larger, workspace, quiet)
    store = Store(workspace.results)
    path = store.work(crt.first_stage.fingerprint) / "checkpoint.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes((store.work(larger.fingerprint) / "checkpoint.pt").read_bytes())
    with pytest.raises(LtbenchError, match=r"does not read .*delete it"):
        run_job(crt, workspace, quiet)


# what is said beforehand


def test_the_plan_says_where_each_first_stage_comes_from(workspace, jobs):
    store = Store(workspace.results)
    planned = jobs("crt", "lws", "ce", "crt+sam", "sam")
    assert list(first_stage_sources(planned, store).values()) == ["own", "shared", "own"]
    run_job(planned[2], workspace, quiet)
    again = jobs("crt", "lws", "crt+sam")
    assert list(first_stage_sources(again, store).values()) == ["kept", "shared", "own"]


def test_the_estimate_counts_a_shared_first_stage_once(workspace, jobs, monkeypatch, no_cache):

    costs = {"ce": 10.0, "crt": 13.0, "lws": 12.0}

    def timed(job, workspace):
        return StepTime(costs[job.trained] / job.size.steps, 0.0, 0.0)

    monkeypatch.setattr(timing, "measure_step_time", timed)
    assert estimate(jobs("crt", "lws"), workspace) == pytest.approx(13 + 2)
    assert estimate(jobs("ce", "crt", "lws"), workspace) == pytest.approx(10 + 3 + 2)
    assert estimate(jobs("lws", "ce"), workspace) == pytest.approx(12)


def test_the_estimate_counts_nothing_for_a_first_stage_at_hand(workspace, jobs):
    plain, two_stage = jobs("ce", "crt")
    (record,) = run_job(plain, workspace, quiet)
    took = record.cost.train_seconds + record.cost.evaluate_seconds
    (crt,) = run_job(two_stage, workspace, quiet)
    whole = crt.cost.train_seconds + crt.cost.evaluate_seconds
    Store(workspace.results).path(two_stage.cells[0]).unlink()
    assert estimate([two_stage], workspace) == 0  # its network is there still
    Store(workspace.results).checkpoint_path(two_stage.fingerprint).unlink()
    Store(workspace.results).write(crt)  # of the cost
    assert estimate([two_stage], workspace) == pytest.approx(max(whole - took, 0))
