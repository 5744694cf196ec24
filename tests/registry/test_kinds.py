"""Task kinds: a method takes images with one label or with several, and refuses the others."""

import pytest

from ltbench.errors import UsageError
from ltbench.registry.kinds import kinds_of
from ltbench.registry.methods import build


@pytest.mark.parametrize(
    ("specification", "kinds"),
    [
        ("ce", {"single"}),
        ("sam", {"single"}),  # alone it trains cross-entropy
        ("ce+sam", {"single"}),
        ("bce", {"multi"}),
        ("bce+sam", {"multi"}),
        ("bce+mixup+more", {"multi"}),
        ("gkp_gsa", {"single"}),
    ],
)
def test_a_methods_kinds_are_those_of_all_its_parts_and_of_its_losses(specification, kinds):
    assert kinds_of(build(specification)) == kinds


def test_parts_that_share_no_kind_are_refused_as_they_are_joined():
    with pytest.raises(UsageError, match=r"bce takes several .* and drw takes one label .*suit"):
        build("bce+drw")
