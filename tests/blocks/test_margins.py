"""Margins of LDAM: the fourth root of how rare a class is."""

import pytest
import torch

from ltbench.blocks.margins import ldam_margins, lowered


def test_the_rarest_class_has_the_largest_margin_and_others_its_fourth_root():
    assert ldam_margins(torch.tensor([81, 16, 1]), 0.6).tolist() == pytest.approx([0.2, 0.3, 0.6])


def test_only_the_targets_logit_is_lowered():
    logits, margins = torch.zeros(2, 3), torch.tensor([0.1, 0.2, 0.3])
    found = lowered(logits, torch.tensor([2, 0]), margins, 30.0)
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.0, -9.0], [-3.0, 0.0, 0.0]]))
    assert not logits.any()
