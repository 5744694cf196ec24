"""The facts of protocols: each is one, and papers' are what the papers say."""

import pytest

from ltbench.runs.protocol import Protocol
from ltbench.runs.protocols import PROTOCOLS

EVERY = [(family, name) for family, own in PROTOCOLS.items() for name in own]


@pytest.mark.parametrize(("family", "name"), EVERY)
def test_every_entry_is_a_protocol(family, name):
    found = Protocol(specification=name, **PROTOCOLS[family][name])
    assert found.recipe().epochs == found.epochs
    if name == "smoke":
        assert found.epochs == 2
        assert found.fraction < 1


@pytest.mark.parametrize(
    ("family", "facts"),
    [
        ("cifar", (200, 128, 0.1, 2e-4)),  # Cao et al. 2019
        ("imagenet_lt", (90, 256, 0.1, 5e-4)),  # Zhu et al. 2022
        ("inaturalist2018", (100, 256, 0.2, 1e-4)),
        ("places_lt", (30, 128, 0.1, 5e-4)),  # Liu et al. 2019
    ],
)
def test_papers_recipes(family, facts):
    paper = PROTOCOLS[family]["paper"]
    names = ("epochs", "batch_size", "learning_rate", "weight_decay")
    assert tuple(paper[name] for name in names) == facts


def test_every_family_can_be_tried_out():
    assert all({"fast", "smoke"} <= set(own) for own in PROTOCOLS.values())
