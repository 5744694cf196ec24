"""Which runs begin from weights, and what is said where they cannot."""

import hashlib

import pytest
import torch

from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.pretrained import check_pretrained, pretrained_of

BEGINS = "smoke(pretrained=True)"


def test_a_protocol_that_begins_from_random_weights_needs_no_file(jobs_of, tmp_path):
    (job,) = jobs_of(tmp_path)
    assert pretrained_of(job, None) is None
    check_pretrained([job], None)


def test_a_file_is_needed_and_known_by_its_hash(jobs_of, tmp_path):
    (job,) = jobs_of(tmp_path, protocol_name=BEGINS)
    with pytest.raises(UsageError, match="name their file with --pretrained"):
        pretrained_of(job, None)
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": torch.ones(2)}, path)
    found = pretrained_of(job, path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.state["conv1.weight"].tolist() == [1.0, 1.0]


def test_weights_that_do_not_fit_are_refused_before_any_training(jobs_of, tmp_path):
    jobs = jobs_of(tmp_path, protocol_name=BEGINS)
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": torch.ones(2)}, path)
    with pytest.raises(LtbenchError, match=r"conv1\.weight is \[2\]"):
        check_pretrained(jobs, path)


def test_a_file_that_no_run_begins_from_is_a_mistake(jobs_of, tmp_path):
    with pytest.raises(UsageError, match="begins from random weights; add pretrained=True"):
        check_pretrained(jobs_of(tmp_path), tmp_path / "weights.pth")
    check_pretrained([], tmp_path / "weights.pth")  # all is finished
