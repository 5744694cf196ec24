"""Imported weights, evaluated."""

from pathlib import Path

import torch

from ltbench.api.task import Task
from ltbench.cli.views.rows import print_rows
from ltbench.data.catalog import dataset as dataset_of
from ltbench.data.loading import load
from ltbench.data.stream import feed_of
from ltbench.engine.build import shown_to
from ltbench.evaluation.metrics import scores_of
from ltbench.runs.portable import brought, network_from


@torch.no_grad()
def print_scores(path: Path, root: Path) -> None:
    """Print the accuracy of imported weights on the test set, by shot group; nothing is kept."""
    state, told = brought(path)
    data = dataset_of(told["dataset"])
    split = load(data, root)
    network = network_from(
        state, told["network"], data.info.shape[0], data.info.classes, float(told["scale"])
    )
    feed = feed_of(shown_to(told["network"], data.info), split.test)
    logits = torch.cat([network(batch.images)["logits"].float() for batch in feed.clean()])
    scores = scores_of(logits, split.test.labels, Task.of(data.info, split), 1)
    row = {"weights": path.stem}
    for name in scores.numbers:
        value = getattr(scores, name)
        row[name] = "--" if value is None else f"{value:.1f}"
    print_rows([row], title=f"imported weights, {data}, {told['network']}, test set")
