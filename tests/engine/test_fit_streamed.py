"""Every method trains to the end on streamed images, or says in one sentence why it does not."""

import itertools
from dataclasses import replace

import pytest
import torch
from every_method import specification_of, takes_one_label, trains_any_network
from made_images import encoded, pixels
from PIL import Image

from ltbench.data import listed
from ltbench.data import published_lists as published
from ltbench.data.catalog import CATALOG, Dataset
from ltbench.data.loading import load
from ltbench.engine.fit import Training
from ltbench.engine.settings import Settings
from ltbench.errors import UsageError
from ltbench.registry.kinds import check_kind
from ltbench.registry.methods import build
from ltbench.registry.signatures import names
from ltbench.runs.protocol import protocol_of

COUNTS = (12, 8, 6, 4, 3, 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A large set in small, packed: its facts, and the split that its smoke protocol trains on."""
    home = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LTBENCH_WORKERS", "0")
        parts = {"train": COUNTS, "val": (1,) * 6, "test": (2,) * 6}
        patch.setitem(
            published.LISTS,
            "made",
            {
                part: published.PublishedList(f"{part}.txt", None if part == "train" else counts[0])
                for part, counts in parts.items()
            },
        )
        patch.setattr(published, "published_counts", lambda name: COUNTS)
        (home / "lists").mkdir()
        for part, counts in parts.items():
            lines = []
            for label, count in enumerate(counts):
                for number in range(count):
                    name = f"{part}/{label}/{number}.jpg"
                    path = home / "images" / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    seed = 1000 * len(part) + 100 * label + number
                    path.write_bytes(encoded(Image.fromarray(pixels(seed, 40, 50)), "JPEG"))
                    lines.append(f"{name} {label}")
            (home / "lists" / f"{part}.txt").write_text("\n".join(lines))
        info = replace(
            CATALOG["imagenet_lt"], name="made", classes=6, head_count=12, test_count=2,
            counts=COUNTS, network="resnet8", many_above=8, few_below=4,
        )  # fmt: skip
        listed.prepare(info, home / "data", home / "images", home / "lists")
        yield info, load(Dataset(info, 6.0), home / "data")


def trained(specification, made):
    info, split = made
    protocol = protocol_of("smoke(batch_size=8)", info)
    settings = Settings(
        protocol.sized(info), "resnet8", protocol.recipe(), "float32", 1, 0, torch.device("cpu")
    )
    training = Training(build(specification), split, settings)
    training.run(lambda event: None)
    return training


@pytest.mark.slow
@pytest.mark.parametrize("name", [*filter(trains_any_network, filter(takes_one_label, names()))])
def test_every_method_trains_to_the_end(made, monkeypatch, name):
    monkeypatch.setenv("LTBENCH_WORKERS", "0")
    progress = trained(specification_of(name), made).progress
    assert progress.finished
    assert sum(progress.last["total"]) == 12
    assert progress.epochs_done == len(progress.curves) >= 2


@pytest.mark.parametrize("name", [*itertools.filterfalse(takes_one_label, names())])
def test_a_method_of_several_labels_says_why_not(made, name):
    info, _ = made
    with pytest.raises(UsageError, match="takes several labels an image, and"):
        check_kind(build(specification_of(name)), Dataset(info, 6.0))
