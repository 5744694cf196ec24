"""Feature quality in its three forms after every epoch of a training, on training images.

python docs/quality.py bcl cifar100_lt 40 FOLDER

FOLDER/quality.csv gets one line an epoch, form and shot group: the curves of docs/readings.md,
seed 0 under `fast(epochs=..., warmup_epochs=2)`; FOLDER/epoch001.pt and so on the weights, which
docs/measure_readings.py looks at. Data lie where LTBENCH_DATA says.
"""

import csv
import sys
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor, nn

from ltbench import Clock, TrainingImages, build
from ltbench.blocks.class_groups import spread_out
from ltbench.blocks.feature_quality import Form, feature_quality, resized_crops
from ltbench.data.catalog import dataset
from ltbench.data.readers import load
from ltbench.data.root import data_root
from ltbench.engine.fit import Settings, Training
from ltbench.runs.protocol import protocol_of

PER_CLASS = 16  # training images at most


def features_of(
    network: nn.Module, images: TrainingImages, clock: Clock, class_counts: Tensor
) -> tuple[Tensor, Tensor]:
    """Return raw features [N, D] and labels [N] of chosen training images under a fresh crop."""
    crops, found = clock.generator("quality"), []
    chosen = spread_out(images.targets, class_counts, PER_CLASS)
    with torch.no_grad():
        for batch in images():
            own = chosen[batch.indices]
            view = resized_crops(batch.images[own], crops)
            found.append((network(view)["features"], batch.targets[own]))
    features, labels = (torch.cat(part) for part in zip(*found, strict=True))
    return features, labels


def main(method_name: str, data_name: str, epochs: int, folder: Path) -> None:
    """Train, and write quality, distance, variance and the weights as the training goes."""
    data = dataset(data_name)
    protocol = protocol_of(f"fast(epochs={epochs}, warmup_epochs=2)", data.info)
    settings = Settings(
        data.info, data.info.network, protocol.recipe(), protocol.precision, epochs, 0,
        torch.device("cpu"),
    )  # fmt: skip
    method = build(method_name)
    training = Training(method, load(data, data_root(None)), settings)
    task, after_epoch = training.task, method.after_epoch
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "quality.csv").open("w", newline="", buffering=1) as file:
        rows = csv.writer(file)
        rows.writerow(["epoch", "form", "group", "quality", "distance", "variance"])

        def observed(network: nn.Module, images: TrainingImages, clock: Clock) -> None:
            after_epoch(network, images, clock)
            torch.save(network.state_dict(), folder / f"epoch{clock.epoch + 1:03d}.pt")
            features, labels = features_of(network, images, clock, task.class_counts)
            for form in get_args(Form):
                terms = feature_quality(features, labels, task.num_classes, form=form)
                for name, member in task.shots.items():
                    if member.any():
                        means = [f"{term[member].nanmean():.5g}" for term in terms]
                        rows.writerow([clock.epoch + 1, form, name, *means])

        method.after_epoch = observed  # type: ignore[method-assign]
        training.run(lambda event: None)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(given[0], given[1], int(given[2]), Path(given[3]))
