"""Feature quality in its three forms after every epoch of a training.

python docs/quality.py bcl cifar100_lt 40 FOLDER

FOLDER/epoch001.pt and so on get the weights after each epoch of a training of seed 0 under
`fast(epochs=..., warmup_epochs=2)`; where there are some already, nothing is trained.
FOLDER/quality.csv gets the curves of docs/readings.md from them, on training images under a fresh
crop and on test images: one line an epoch, kind of images, form and shot group. Data lie where
LTBENCH_DATA says.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import torch
from torch import Generator, Tensor, nn

from ltbench import Batch, Clock, TrainingImages, build
from ltbench.blocks.class_groups import spread_out
from ltbench.blocks.feature_quality import Form, feature_quality, resized_crops
from ltbench.data.catalog import dataset
from ltbench.data.readers import load
from ltbench.data.root import data_root
from ltbench.engine.fit import Training
from ltbench.engine.settings import Settings
from ltbench.runs.files import csv_text
from ltbench.runs.protocol import protocol_of

PER_CLASS = {"crop": 16, "test": 20}  # images at most
COLUMNS = ["epoch", "images", "form", "group", "quality", "distance", "variance"]


def features_of(
    network: nn.Module, batches: Iterable[Batch], chosen: Tensor, crops: Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Return raw features [n, D] and labels [n] of the chosen images [N], under fresh crops."""
    found = []
    with torch.no_grad():
        for batch in batches:
            own = chosen[batch.indices]
            images = batch.images[own]
            view = images if crops is None else resized_crops(images, crops)
            found.append((network(view)["features"], batch.targets[own]))
    features, labels = (torch.cat(part) for part in zip(*found, strict=True))
    return features, labels


def train(training: Training, folder: Path) -> None:
    """Train, and leave the weights after each epoch in the folder."""
    method, after_epoch = training.method, training.method.after_epoch

    def observed(network: nn.Module, images: TrainingImages, clock: Clock) -> None:
        after_epoch(network, images, clock)
        torch.save(network.state_dict(), folder / f"epoch{clock.epoch + 1:03d}.pt")

    method.after_epoch = observed  # type: ignore[method-assign]
    training.run(lambda event: None)


def main(method: str, data_name: str, epochs: int, folder: Path) -> None:
    """Train where there are no weights, then write the curves."""
    data = dataset(data_name)
    protocol = protocol_of(f"fast(epochs={epochs}, warmup_epochs=2)", data.info)
    settings = Settings(
        data.info, data.info.network, protocol.recipe(), protocol.precision, epochs, 0,
        torch.device("cpu"),
    )  # fmt: skip
    work = Training(build(method), load(data, data_root(None)), settings)
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("epoch*.pt")):
        train(work, folder)
    classes, network = work.task.num_classes, work.network.eval()
    with (folder / "quality.csv").open("w", newline="", buffering=1) as file:
        file.write(csv_text([COLUMNS]))
        for path in sorted(folder.glob("epoch*.pt")):
            epoch = int(path.stem.removeprefix("epoch"))
            network.load_state_dict(torch.load(path, weights_only=True))
            crops = Clock("train", epoch - 1, epochs).generator("quality")
            for kind, feed in (("crop", work.train), ("test", work.test)):
                targets = feed.subset.labels
                counts = targets.bincount(minlength=classes)
                chosen = spread_out(targets, counts, PER_CLASS[kind])
                features, labels = features_of(
                    network, feed.clean(), chosen, crops if kind == "crop" else None
                )
                for form in get_args(Form):
                    terms = feature_quality(features, labels, classes, form=form)
                    for name, member in work.task.shots.items():
                        if member.any():
                            means = [f"{term[member].nanmean():.5g}" for term in terms]
                            file.write(csv_text([(epoch, kind, form, name, *means)]))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(given[0], given[1], int(given[2]), Path(given[3]))
