"""Jobs on machines that share a folder, as they are followed."""

import pytest

from ltbench.errors import LtbenchError
from ltbench.runs.executors.order import Order
from ltbench.runs.executors.remote import Followed, by_first_stage
from ltbench.runs.recording import record_failure
from ltbench.runs.store import Store
from ltbench.runs.under_way import Note


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


def test_a_job_elsewhere_is_followed_by_its_note_and_its_records(workspace, jobs_of, listener):
    (job,) = jobs_of(workspace.results)
    store = Store(workspace.results)
    followed = Followed(job, store)
    followed.report_progress(listener)
    assert listener.events == []
    order = Order.of(job, workspace, [])
    note = Note.of(store, job.fingerprint, job.cells)
    note.update(1, 2, 4.0)
    followed.report_progress(listener)
    followed.report_progress(listener)
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
