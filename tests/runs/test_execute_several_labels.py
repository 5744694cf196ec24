"""Runs on images with several labels each, from their jobs to what reads their records."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import average_precision_score

from ltbench.analysis.posthoc import logits_of
from ltbench.cli.views.comparison import print_comparison
from ltbench.errors import LtbenchError
from ltbench.evaluation.scores import LabelScores
from ltbench.exchange.soundness import check_record
from ltbench.report.page import render
from ltbench.runs.artifacts import read_logits
from ltbench.runs.execute import run_job
from ltbench.runs.identity import fingerprint_in
from ltbench.runs.preflight import rehearse
from ltbench.runs.status import status
from ltbench.runs.store import Store
from ltbench.runs.training import training_of
from ltbench.runs.unit import file_of
from ltbench.runs.workspace import Workspace
from ltbench.tables.comparison import compare
from ltbench.tables.definition import load
from ltbench.tables.grid import grid_of

DATA = "digits_mosaic"
METHODS = ["bce", "bce+more"]


@pytest.fixture(scope="module")
def done(tmp_path_factory, jobs_of):
    """Two methods under `smoke`, finished."""
    results = tmp_path_factory.mktemp("labels") / "results"
    jobs = jobs_of(results, METHODS, datasets=[DATA], protocol_name="smoke")
    workspace = Workspace(results, results.parent / "data", "cpu")
    assert rehearse(jobs, workspace) == []
    return jobs, workspace, [run_job(job, workspace, lambda r: None)[0] for job in jobs]


def test_a_record_says_its_headline_metric_and_holds_what_recomputes_it(done):
    _, workspace, records = done
    for record in records:
        last = record.last
        assert isinstance(last, LabelScores)
        assert (record.metric, record.headline) == ("mAP", last.mAP)
        data = record.data
        assert (last.images, data.test_images, data.training_images) == (480, 480, 288)
        assert (data.many_above, data.few_below) == (99, 20)
        logits, labels = read_logits(file_of(Store(workspace.results), record, "logits")).test
        assert labels.shape == logits.shape == (480, 10)
        own = [average_precision_score(labels[:, c], logits[:, c]) for c in range(10)]
        assert np.allclose(100 * np.array(own), last.average_precision, atol=0.2)  # in float16
        assert last.total == tuple(labels.sum(0))
    assert records[0].selected is not None  # by the set's own validation images


def test_curves_and_progress_are_of_the_headline_metric(done, jobs_of, tmp_path):
    (job, _), workspace, (record, _) = done
    header = file_of(Store(workspace.results), record, "curves").read_text().splitlines()[0]
    assert "mAP,many,medium,few,validation_mAP" in header
    assert "top1" not in header
    heard = []
    run_job(replace(job, anew=True), replace(workspace, results=tmp_path), heard.append)
    ends = [report for report in heard if report.loss is not None]
    assert ends[-1].headline == pytest.approx(record.headline)


def test_a_run_interrupted_and_resumed_ends_as_an_undisturbed_one(done, tmp_path):
    (job, _), workspace, (record, _) = done

    class Stopped(Exception):  # noqa: N818  (an interruption)
        pass

    def stop(report):
        if report.epoch == 1 and report.step:
            raise Stopped

    elsewhere = replace(workspace, results=tmp_path, checkpoint_every=0.0)
    training = training_of(job, elsewhere)
    with pytest.raises(Stopped):
        training.run(stop)
    assert training_of(job, elsewhere).progress.epochs_done == 1
    (again,) = run_job(job, elsewhere, lambda report: None)
    assert again.last == record.last


def test_a_stranger_s_record_is_sound_and_a_changed_one_is_not(done):
    _, _, records = done
    for record in records:
        assert check_record(record, {}) == ""
    last = records[0].last

    def refused(words, **changes):
        other = records[0].model_copy(update=changes)
        other = other.model_copy(update={"fingerprint": fingerprint_in(other)})
        with pytest.raises(ValueError, match=words):
            check_record(other, {})

    refused("few does not follow", last=last.model_copy(update={"few": last.mAP / 2}))
    fewer = tuple(n - 1 for n in last.total)
    refused("other test images", last=last.model_copy(update={"total": fewer}))
    refused("480 test images", last=last.model_copy(update={"images": 481}))
    data = records[0].data.model_copy(update={"training_images": 300})
    refused("other training images", data=data)


def test_a_comparison_the_status_and_the_table_go_by_it(done, tmp_path):
    _, workspace, records = done
    (comparison,) = compare(records)
    assert comparison.metric == "mAP"
    assert comparison.lines[1].headline.mean == records[1].headline
    console = Console(width=100, record=True, file=io.StringIO())
    print_comparison(comparison, console)
    text = console.export_text()
    assert "mAP" in text
    assert "top-1" not in text
    assert "Mean average precision in percent" in text
    line = status(Store(workspace.results))[0]
    assert (line.metric, line.headline) == ("mAP", records[0].headline)
    grid = grid_of(load("labels/1"), Store(workspace.results), "smoke")
    assert grid.lines[0][0].reproduced.mean == records[0].headline
    assert grid.lines[0][3].reproduced.mean == records[0].last.few


def test_the_report_shows_it_in_place_of_top1_and_has_no_calibration(done):
    _, workspace, _ = done
    page = render(Store(workspace.results))
    assert f"{DATA}(imbalance=200)" in page.text
    assert "Mean average precision in percent" in page.text
    assert ">top-1<" not in page.text
    assert "Calibration error by method" not in page.text


def test_what_is_of_predicted_classes_says_that_it_does_not_exist_here(done):
    _, workspace, records = done
    with pytest.raises(LtbenchError, match="have several labels each, and this is of predicted"):
        logits_of(records[0], Store(workspace.results))
