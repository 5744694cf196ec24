"""Rehearsals: what cannot be trained is said before anything is."""

import pytest

from ltbench.engine.train import DivergedError
from ltbench.errors import UsageError
from ltbench.runs import preflight
from ltbench.runs.execute import Workspace


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


def test_classes_and_their_counts_are_the_real_ones(jobs_of, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(preflight.Training, "run", lambda self, observe: seen.append(self))
    preflight.rehearse(
        jobs_of(tmp_path, protocol_name="fast", validation=2), Workspace(tmp_path, tmp_path)
    )
    (work,) = seen
    assert work.task.class_counts.max() > 100
    assert len(work.train.subset.labels) == 20
    assert len(work.validation.subset.labels) == 20


@pytest.mark.parametrize("error", [DivergedError(1, 1), RuntimeError("broke"), KeyError("x")])
def test_what_breaks_without_a_refusal_is_left_for_its_turn(jobs_of, tmp_path, monkeypatch, error):
    def broken(self, observe):
        raise error

    monkeypatch.setattr(preflight.Training, "run", broken)
    preflight.rehearse(jobs_of(tmp_path), Workspace(tmp_path, tmp_path))
