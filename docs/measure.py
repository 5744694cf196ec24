"""Measure what every method costs, relative to plain training, in one run.

    OMP_NUM_THREADS=1 python docs/measure.py

Whole trainings of three epochs, all stages included, as the methods' own recipes have them, on
1,000 made-up images of CIFAR's size and class proportions (imbalance 100) with ResNet-8, in seconds
of processor time, which other work on the machine changes least; plain training is the least of
four, before, among and after the others.
`docs/rebuild.py` puts the result beside the accuracies in docs/short_runs.md.
"""

import time
from dataclasses import replace
from pathlib import Path

import torch
from rich.progress import track

from ltbench.data.catalog import dataset
from ltbench.data.profile import class_counts
from ltbench.data.readers import Split, Subset
from ltbench.engine.fit import Training
from ltbench.engine.settings import Settings
from ltbench.registry.kinds import kinds_of
from ltbench.registry.methods import baseline, build, find, role
from ltbench.registry.signatures import names
from ltbench.runs.files import csv_text, write_text
from ltbench.runs.protocol import protocol_of
from ltbench.runs.store import Store
from ltbench.tables.relative_cost import TrainingTime, relative_cost

HEAD, EPOCHS = 403, 3
HERE = ("cpu", torch.get_num_threads())
ROOT = Path(__file__).resolve().parent.parent
COSTS = ROOT / "results" / "costs.csv"


def specifications() -> list[str]:
    """Return plain training, then every method of one label that there is or that has records."""
    every = {name: role(find(name)) for name in names()}
    single = [name if kind == "method" else f"{baseline()}+{name}" for name, kind in every.items()]
    recorded = sorted({record.method for record in Store(ROOT / "results").records()})
    chosen = dict.fromkeys([baseline(), *single, *recorded])
    return [each for each in chosen if "single" in kinds_of(build(each))]


def seconds(specification: str) -> float:
    """Return the seconds of processor time that one run takes."""
    info = dataset("cifar10_lt", None).info
    protocol = protocol_of("fast", info)
    counts = torch.tensor(class_counts(HEAD, info.classes, 100))
    draw = torch.Generator().manual_seed(0)
    train, test = (
        Subset.noise(sizes, info.shape, draw) for sizes in (counts, torch.ones_like(counts))
    )
    data = Split(train, test, None, tuple(counts.tolist()), "made up")
    recipe = replace(protocol.recipe(), epochs=EPOCHS, warmup_epochs=1)
    settings = Settings(info, "resnet8", recipe, protocol.precision, EPOCHS, 0, torch.device("cpu"))
    work = Training(build(specification), data, settings)
    started = time.process_time()
    work.run(lambda report: None)
    return time.process_time() - started


if __name__ == "__main__":
    chosen = specifications()
    plainly = [seconds(chosen[0]) for _ in range(3)][1:]  # the first finds everything cold
    took = {name: seconds(name) for name in track(chosen, "trainings")}
    took[chosen[0]] = min(*plainly, took[chosen[0]], seconds(chosen[0]))
    base = [TrainingTime(HERE, took[chosen[0]])]
    costs = {name: relative_cost([TrainingTime(HERE, took[name])], base) for name in chosen}
    rows = [(name, f"{cost:.2f}") for name, cost in costs.items()]
    write_text(COSTS, csv_text([("method", "cost"), *rows]))
