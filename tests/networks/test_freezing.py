"""Which parts of an encoder stay as they were pretrained."""

import pytest
import torch

from ltbench.errors import UsageError
from ltbench.networks import create
from ltbench.networks.freezing import encoder_norms, frozen_prefixes


def within(name, stages):
    with torch.device("meta"):
        network = create(name, 3, 5)
    prefixes = frozen_prefixes(network, stages)
    return {n.split(".")[1] + "." + n.split(".")[2] for n, _ in network.named_parameters()
            if n.startswith(prefixes)}  # fmt: skip


def test_the_stem_and_the_first_stages_are_frozen():
    assert within("resnet50_neck", 1) == {"stem.0", "stem.1", "stages.0"}
    assert within("resnet50", 2) == {"stem.0", "stem.1", "stages.0", "stages.1"}
    assert within("resnet8", 1) == {"conv1.weight", "bn1.weight", "bn1.bias", "stages.0"}
    assert within("resnet50_neck", 0) == set()


@pytest.mark.parametrize(("name", "stages"), [("wrn40_2", 1), ("resnet8", 4)])
def test_other_encoders_cannot_be_frozen_by_stages(name, stages):
    with pytest.raises(UsageError, match="is of residual networks, such as resnet50"):
        within(name, stages)


def test_norms_of_the_encoder_are_all_but_the_necks():
    with torch.device("meta"):
        network = create("resnet50_neck", 3, 5)
    assert len(list(encoder_norms(network))) == 53
    assert network.backbone.neck[1] not in set(encoder_norms(network))
