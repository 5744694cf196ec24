"""Several processes at one training end where one does, in float64, and all at the same bits."""

import pytest
import torch
from made_ranks import REFUSED, by_one, by_several

from ltbench.api.compose import is_post_hoc
from ltbench.registry.methods import find
from ltbench.registry.signatures import names

SEVERAL = [  # forms of methods that gather or couple images otherwise than their defaults
    "ldam_drw+sam", "bcl+gkp+gsa(gradients='owned')", "bbn @norm_batch=8",
    "gsa(gradients='owned')", "gsa(perturbed='head')", "cc_sam(gradients='owned')",
    "cc_sam(perturbed='head')", "cc_sam+mixup", "cc_sam@release", "ldam_drw+cuda", "ride@distilled",
    "ride(router=True)", "spectral_norm+swa", "ce @norm_batch=8",
    "gsa(gradients='owned') @norm_batch=7",
]  # fmt: skip
EVERY = [f"ce+{name}" if is_post_hoc(find(name)) else name for name in names()]


def check_same(ends, one, *, moves=True):
    """Hold the ends of several processes against that of one."""
    first, *others = ends
    assert "error" not in one
    assert "error" not in first
    assert (one["way"] > 1e-3) == moves
    assert float((first["after"] - one["after"]).norm()) <= 1e-12 * one["way"]
    assert all(torch.equal(first["after"], other["after"]) for other in others)
    assert all(str(first["curves"]) == str(other["curves"]) for other in others)
    for ours, theirs in zip(first["curves"], one["curves"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.slow
def test_every_method_ends_where_it_does_in_one_process(tmp_path):
    ends = by_several(EVERY, tmp_path)
    for each in EVERY:
        check_same(ends[each], by_one(each), moves=each != "zero_shot")


@pytest.mark.slow
def test_so_do_three_processes_with_parts_of_different_sizes(tmp_path):
    ends = by_several(SEVERAL, tmp_path, ranks=3)
    for each in SEVERAL:
        check_same(ends[each], by_one(each))


@pytest.mark.slow
def test_a_resumed_training_ends_at_the_bits_of_an_undisturbed_one(tmp_path):
    wanted = ["crt", "gkp", "ldam_drw+sam"]
    for folder in ("whole", "resumed"):
        (tmp_path / folder).mkdir()
    whole = by_several(wanted, tmp_path / "whole")
    again = by_several(wanted, tmp_path / "resumed", resumed=True)
    for each in wanted:
        for one, other in zip(whole[each], again[each], strict=True):
            assert torch.equal(one["after"], other["after"])
            assert str(one["curves"]) == str(other["curves"])


@pytest.mark.slow
def test_a_pass_that_ties_images_together_is_refused(tmp_path):
    ends = by_several(REFUSED, tmp_path, precise=False)
    for each in REFUSED:
        assert all("of several images together" in end["error"] for end in ends[each])
