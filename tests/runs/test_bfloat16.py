"""bfloat16's slowdown: measured by what runs, and told only where it matters."""

import pytest
import torch

from ltbench.data.catalog import dataset
from ltbench.runs import bfloat16
from ltbench.runs.bfloat16 import bfloat16_slowdown, slow_bfloat16
from ltbench.runs.protocol import protocol_of


def protocols(*specifications):
    info = dataset("cifar100_lt").info
    return [protocol_of(each, info) for each in specifications]


@pytest.fixture
def slowed(monkeypatch):
    """Return a function after which bfloat16 seems so much slower than float32."""

    def by(factor):
        monkeypatch.setattr(bfloat16, "bfloat16_slowdown", lambda: factor)

    return by


def test_the_slowdown_is_of_a_convolution_in_each_precision_and_leaves_the_threads(monkeypatch):
    real, seen = torch.nn.functional.conv2d, []

    def seen_convolution(*arguments, **options):
        outputs = real(*arguments, **options)
        seen.append((outputs.dtype, torch.get_num_threads()))
        return outputs

    monkeypatch.setattr(torch.nn.functional, "conv2d", seen_convolution)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert bfloat16_slowdown() > 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {(torch.bfloat16, 1), (torch.float32, 1)}


def test_a_slow_bfloat16_is_told_with_what_each_protocol_is_called_in_float32(slowed):
    slowed(2.68)
    told = slow_bfloat16(protocols("paper", "paper", "fast(epochs=50, weight_decay=0.1)"))
    assert "bfloat16 takes 2.7 times as long" in told
    assert told.count("--protocol \"paper(precision='float32')\"") == 1
    name = "fast(epochs=50, precision='float32', weight_decay=0.1)"
    assert f'--protocol "{name}"' in told
    (found,) = protocols(name)
    assert (found.precision, found.specification) == ("float32", name)


def test_a_bfloat16_as_fast_as_float32_and_a_plan_without_it_are_not_told_of(slowed, monkeypatch):
    slowed(1.1)
    assert slow_bfloat16(protocols("paper")) == ""
    slowed(9.0)
    assert slow_bfloat16(protocols("paper(precision='float32')")) == ""
    monkeypatch.delattr(bfloat16, "bfloat16_slowdown")  # what is not needed is not measured
    assert slow_bfloat16(protocols("paper(precision='float32')")) == ""
