"""Rehearsals: what cannot be trained is said before anything is."""

from dataclasses import replace

import pytest

from ltbench.engine.train import DivergedError
from ltbench.errors import UsageError
from ltbench.runs import preflight
from ltbench.runs.workspace import Workspace

pytestmark = pytest.mark.usefixtures("no_cache")


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("gkp_gsa(groups=11)", "at most as many groups as classes"),
        ("ride+tau_norm", "acts on a linear classifier"),  # after training
        ("bbn+gsa", "only images can be evaluated"),  # once there are groups
        ("crt+spectral_norm", "resets"),  # in the second stage
    ],
)
def test_what_would_fail_late_is_refused_with_method_and_reason(jobs_of, tmp_path, method, words):
    with pytest.raises(UsageError, match=words) as caught:
        preflight.rehearse(jobs_of(tmp_path, method), Workspace(tmp_path, tmp_path))
    assert "cannot be trained on digits_lt(imbalance=20)" in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_every_cell_is_rehearsed_and_only_once_for_all_seeds(jobs_of, tmp_path, monkeypatch):
    trained = []
    run = preflight.Training.run
    monkeypatch.setattr(
        preflight.Training, "run", lambda self, observe: (trained.append(self), run(self, observe))
    )
    methods = ["ce", "ce+tau_norm", "crt"]  # two cells of one training, and a second stage
    preflight.rehearse(jobs_of(tmp_path, methods, seeds=[0, 1]), Workspace(tmp_path, tmp_path))
    assert len(trained) == 3
    assert all(work.progress.finished for work in trained)


def test_what_went_well_by_the_same_code_is_not_rehearsed_again(jobs_of, tmp_path, monkeypatch):
    workspace, trained = Workspace(tmp_path, tmp_path), []
    run = preflight.Training.run
    monkeypatch.setattr(
        preflight.Training, "run", lambda self, observe: (trained.append(self), run(self, observe))
    )
    for seed in (0, 3):
        preflight.rehearse(jobs_of(tmp_path, ["ce", "focal"], seeds=[seed]), workspace)
    assert len(trained) == 2
    preflight.rehearse(jobs_of(tmp_path, "ce", protocol_name="fast"), workspace)
    assert len(trained) == 3
    (job,) = jobs_of(tmp_path, "ce")
    other = replace(job, identity=replace(job.identity, code={"engine": "other"}))
    preflight.rehearse([other], workspace)
    assert len(trained) == 4


def test_what_broke_is_rehearsed_again(jobs_of, tmp_path, monkeypatch):
    def broken(self, observe):
        raise RuntimeError("broke")

    with monkeypatch.context() as patch:
        patch.setattr(preflight.Training, "run", broken)
        for _ in range(2):
            (said,) = preflight.rehearse(jobs_of(tmp_path), Workspace(tmp_path, tmp_path))
            assert "broke" in said
    assert preflight.rehearse(jobs_of(tmp_path), Workspace(tmp_path, tmp_path)) == []


def test_classes_and_their_counts_are_the_real_ones(jobs_of, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(preflight.Training, "run", lambda self, observe: seen.append(self))
    preflight.rehearse(
        jobs_of(tmp_path, protocol_name="fast", validation=2), Workspace(tmp_path, tmp_path)
    )
    (work,) = seen
    assert work.task.class_counts.max() > 100
    assert len(work.train.subset.labels) == 20
    assert len(work.feeds["validation"].subset.labels) == 20


@pytest.mark.parametrize("error", [DivergedError(1, 1), RuntimeError("broke"), KeyError("x")])
def test_what_breaks_without_a_refusal_is_left_for_its_turn(jobs_of, tmp_path, monkeypatch, error):
    def broken(self, observe):
        raise error

    monkeypatch.setattr(preflight.Training, "run", broken)
    preflight.rehearse(jobs_of(tmp_path), Workspace(tmp_path, tmp_path))


@pytest.mark.parametrize(
    ("method", "network", "words"),
    [
        ("ride", "torchvision:mobilenet_v3_small", "parts the residual stages of a network"),
        ("ce", "torchvision:shufflenet_v2_x0_5", ""),
    ],
)
def test_a_step_of_another_network_shows_what_it_cannot_do(
    jobs_of, tmp_path, method, network, words
):
    jobs = [replace(job, network=network) for job in jobs_of(tmp_path, method)]
    if not words:
        assert preflight.rehearse(jobs, Workspace(tmp_path, tmp_path)) == []
        return
    with pytest.raises(UsageError, match=words) as caught:
        preflight.rehearse(jobs, Workspace(tmp_path, tmp_path))
    assert f"{method} cannot be trained with {network}" in str(caught.value)


def test_images_too_small_for_a_network_are_named_with_their_size(jobs_of, tmp_path, monkeypatch):
    from torch import nn

    class Narrow(nn.Module):
        out_features = 4

        def __init__(self):
            super().__init__()
            self.first = nn.Conv2d(1, 4, 1)

        def forward(self, images):
            return nn.functional.max_pool2d(self.first(images), 16).flatten(1)

    monkeypatch.setattr("ltbench.networks.catalog.backbone", lambda name, channels: Narrow())
    jobs = [replace(job, network="torchvision:narrow") for job in jobs_of(tmp_path, "ce")]
    with pytest.raises(UsageError, match="with torchvision:narrow on images of 8 pixels"):
        preflight.rehearse(jobs, Workspace(tmp_path, tmp_path))
