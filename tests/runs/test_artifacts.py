"""Stored logits: what was scored is what is read, whatever its size."""

import numpy as np
import pytest
import torch

from ltbench.errors import LtbenchError
from ltbench.runs.artifacts import logits_npz, read_logits

LABELS = torch.tensor([0, 1])


def test_logits_beyond_half_precision_come_back_finite(tmp_path):
    logits = torch.tensor([[7e4, -3.0], [1e38, 0.5]])
    (tmp_path / "logits.npz").write_bytes(logits_npz((logits, LABELS), (logits[:1], LABELS[:1])))
    found = read_logits(tmp_path / "logits.npz")
    assert found.test[0].tolist() == logits.tolist()
    assert found.held_out[0].tolist() == logits[:1].tolist()


def test_others_take_half_the_room(tmp_path):
    logits = torch.tensor([[0.1, -3.0], [6e4, 0.5]])
    (tmp_path / "logits.npz").write_bytes(logits_npz((logits, LABELS)))
    with np.load(tmp_path / "logits.npz") as file:
        assert file["logits"].dtype == np.float16
    assert np.allclose(read_logits(tmp_path / "logits.npz").test[0], logits, rtol=1e-3)


def test_logits_that_are_no_numbers_are_named_as_that(tmp_path):
    logits = torch.tensor([[float("inf"), 0.0], [0.0, 1.0]])
    (tmp_path / "logits.npz").write_bytes(logits_npz((logits, LABELS)))
    with pytest.raises(LtbenchError, match="logits that are no numbers"):
        read_logits(tmp_path / "logits.npz")
