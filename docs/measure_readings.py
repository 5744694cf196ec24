"""Measure what docs/readings.md says of the mechanisms; rows go to docs/readings.csv.

    OMP_NUM_THREADS=1 python docs/measure_readings.py STUDY [SNAPSHOTS]

A study's rows replace those it had. SNAPSHOTS is where docs/quality.py left the weights of the BCL
run, which groups, fisher, balance, held, averages, drift and precision look at. Data lie where
LTBENCH_DATA says. All on the CPU, seed 0 where no seed is said; cost is processor time.
"""

import copy
import csv
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import torch
from ltbench.methods.cc_sam import Radius, class_segments
from ltbench.methods.gkp import Quadratic
from torch import Tensor
from torch.nn.functional import cosine_similarity

from ltbench import Clock, Method, Step, TrainingImages, build
from ltbench.api.compose import leaves
from ltbench.api.perturb import Perturbation, Segments
from ltbench.blocks.class_groups import Grouped
from ltbench.blocks.group_gradients import exact_gradients, owned_gradients
from ltbench.blocks.partition import by_size, renumbered
from ltbench.data.catalog import dataset
from ltbench.data.readers import Split, load
from ltbench.data.root import data_root
from ltbench.engine.fit import Training
from ltbench.engine.settings import Settings
from ltbench.engine.train import optimiser_for
from ltbench.runs.files import csv_text
from ltbench.runs.protocol import protocol_of

TABLE = Path(__file__).resolve().parent / "readings.csv"
COLUMNS = ["study", "setting", "epoch", "quantity", "value"]
BCL = ("cifar100_lt", "resnet32", "fast(epochs=40, warmup_epochs=2)")
DIGITS = ("digits_lt", "resnet8", "fast(epochs=30)")
Row = tuple[str, int, str, float]  # setting, epoch from one, quantity, value


def training(
    specification: str, data_name: str, network: str, protocol: str, *, seed: int = 0
) -> Training:
    """Return a training of one seed, not begun."""
    data = dataset(data_name)
    rules = protocol_of(protocol, data.info)
    recipe, device = rules.recipe(), torch.device("cpu")
    settings = Settings(data.info, network, recipe, rules.precision, recipe.epochs, seed, device)
    return Training(build(specification), images(data_name), settings)


@cache
def images(data_name: str) -> Split:
    """Return a data set, read once."""
    return load(dataset(data_name), data_root(None))


def curves(specification: str, *place: str, seed: int = 0) -> list[dict[str, float]]:
    """Return the curves of a whole training."""
    work = training(specification, *place, seed=seed)
    work.run(lambda event: None)
    return work.progress.curves


def rule_of(method: Method) -> Any:
    """Return the last part, which brings the gradient rule or the penalty."""
    return leaves(method)[-1]


def flat(tensors: Perturbation) -> Tensor:
    """Return the entries of all tensors in one vector."""
    return torch.cat([tensor.flatten() for tensor in tensors.values()])


def cosine(left: Tensor, right: Tensor) -> float:
    """Return the cosine between two vectors."""
    return float(cosine_similarity(left.double(), right.double(), dim=0))


def gradient(step: Step, **changed: Any) -> Tensor:
    """Return the whole gradient of a step on a copy of its network, some parameters changed."""
    network, rule = copy.deepcopy(step.network), rule_of(step.method)
    network.zero_grad()
    kept = {name: getattr(rule, name) for name in changed}
    vars(rule).update(changed)
    type(step.method).backward(step.method, again(step, network))
    vars(rule).update(kept)
    return flat({name: p.grad for name, p in network.named_parameters() if p.grad is not None})


def again(step: Step, network: Any = None) -> Step:
    """Return the same step once more, on a copy of the network where none is given."""
    network = copy.deepcopy(step.network) if network is None else network
    return Step(step.method, network, step.batch, step.clock, step.autocast)


# Owned gradients against exact ones


def owned_against_exact(step: Step) -> Iterator[tuple[str, float]]:
    """Yield cosines of owned to exact: displacements (mean), their change of the step, the step."""
    rule = rule_of(step.method)
    grouped = isinstance(rule, Grouped)
    targets = step.batch.targets
    members = rule.class_groups[targets] if grouped else targets
    shares = (members.bincount() / len(members)).tolist()
    found = []
    for take in (exact_gradients, owned_gradients):
        own = again(step)
        gradients = take(own, members)[1]
        if grouped:
            every = rule.perturbations(own, gradients, shares)
            gradients = {number: part for number, part in enumerate(every) if part}
        found.append(gradients)
    exact, owned = found
    between = [cosine(flat(exact[group]), flat(owned[group])) for group in exact]
    yield "displacement", sum(between) / len(between)
    plain = gradient(step, **({"scale": 0.0} if grouped else {"s": 0.0}))
    steps = [gradient(step, gradients=form) for form in ("exact", "owned")]
    changes = [each - plain for each in steps]
    yield "change", cosine(*changes)
    yield "step", cosine(*steps)
    yield "size of change", float(changes[0].norm() / steps[0].norm())


def followed(specification: str) -> list[Row]:
    """Return owned against exact at the first step of every epoch of a training on digits."""
    work, rows = training(specification, *DIGITS), list[Row]()
    method, backward = work.method, work.method.backward

    def watched(step: Step) -> None:
        if step.clock.step == 0 and getattr(rule_of(method), "class_groups", True) is not None:
            for name, value in owned_against_exact(step):
                rows.append((specification, step.clock.epoch + 1, name, value))
        backward(step)

    method.backward = watched  # type: ignore[method-assign]
    work.run(lambda event: None)
    return rows


def owned() -> Iterator[Row]:
    """Yield owned against exact over whole trainings."""
    for specification in ("ce+gsa", "bcl+gsa", "cc_sam"):
        yield from followed(specification)


# Penalty and amplitude over whole trainings


def penalty() -> Iterator[Row]:
    """Yield the share of the penalty's gradient in every epoch on digits, and what is removed."""
    for specification in ("ce+gkp", "bcl+gkp"):
        for row in curves(specification, *DIGITS[:2], "fast(epochs=10)"):
            for name in ("gkp_gradient", "gkp_removed"):
                if name in row:
                    yield specification, int(row["epoch"]), name, row[name]


def amplitude() -> Iterator[Row]:
    """Yield the discrepancies of MORE by shot group, by its amplitude and seed."""
    hundred = ("cifar100_lt", "resnet8", "fast(epochs=4, warmup_epochs=1)")
    for where, place, values, seeds, epochs in (
        ("digits, 30 epochs", DIGITS, (0.0, 0.001, 0.005, 0.02, 0.2, 2.0), 8, (18, 24, 30)),
        ("digits, 12 epochs", (*DIGITS[:2], "fast(epochs=12)"), (0.0, 0.001), 8, (12,)),
        ("cifar100_lt, 4 epochs", hundred, (0.0, 0.001), 3, (4,)),
    ):
        for value, seed in product(values, range(seeds)):
            rows = curves(f"more(amplitude={value})", *place, seed=seed)
            for epoch in epochs:
                for name in ("discrepancy_many", "discrepancy_few"):
                    setting = f"{where}, amplitude {value}, seed {seed}"
                    yield setting, epoch, name, rows[epoch - 1][name]


# At weights of the BCL run


class Snapshots:
    """The BCL run, replayed without training it: groups and anchors as they were then."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.epochs = folder, len(list(folder.glob("epoch*.pt")))

    def at(self, specification: str, epoch: int, groups: dict[str, Any] | None = None) -> Training:
        """Return a training at the weights after an epoch, with a state of groups."""
        work = training(specification, *BCL)
        rule_of(work.method).state |= groups or {}
        self.move(work, epoch)
        return work

    def move(self, work: Training, epoch: int) -> None:
        """Put a training's network at the weights after an epoch."""
        path = self.folder / f"epoch{epoch:03d}.pt"
        work.network.load_state_dict(torch.load(path, weights_only=True))

    def close(self, work: Training, epoch: int) -> None:
        """Call what follows an epoch."""
        work.network.eval()
        images = TrainingImages(work.train, "standard", work.method.predict, work.autocast)
        work.method.after_epoch(work.network, images, self.clock(work, epoch - 1))
        work.network.train()

    def clock(self, work: Training, epoch: int) -> Clock:
        """Return the clock of an epoch, counted from zero."""
        return Clock("train", epoch, 40, 0, 42, 0, work.stages[0].recipe)

    def groups(self, part: str = "gsa") -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield every epoch before the freeze with the state of the groups after it."""
        work = training(f"bcl+{part}", *BCL)
        for epoch in range(1, min(self.epochs, 31) + 1):
            self.move(work, epoch)
            self.close(work, epoch)
            yield epoch, dict(rule_of(work.method).state)

    def groups_after(self, last: int) -> dict[str, Any]:
        """Return the state of the groups after an epoch."""
        return next(state for epoch, state in self.groups() if epoch == last)

    def step(self, work: Training, epoch: int, seed: int = 5) -> Step:
        """Return the first step after an epoch."""
        work.network.train()
        size = work.stages[0].recipe.batch_size
        batch = next(work.train.epoch(work.method.views, "instance_balanced", size, True, seed))
        return Step(work.method, work.network, batch, self.clock(work, epoch), work.autocast)


def groups(run: Snapshots) -> Iterator[Row]:
    """Yield how many partitions before the freeze are by similarity, and where classes refer to."""
    for part in ("gsa", "gsa(quality='normalised')"):
        states = list(run.groups(part))
        last, state = states[-1]
        first = [s for (_, b), (_, s) in pairwise(states) if s["regrouped"] > b["regrouped"]]
        similar = [int(each["by_similarity"]) for each in first]
        kept = state["bank"]["snapshot_of_class"] + 1
        yield part, last, "partitions", len(similar)
        yield part, last, "by similarity", sum(similar)
        yield part, last, "most common epoch", int(kept.mode().values)
        yield part, last, "classes at it", int((kept == kept.mode().values).sum())


def fisher(run: Snapshots) -> Iterator[Row]:
    """Yield the pull of each group's anchor and the penalty's share, at weights never held."""
    state = run.groups_after(11)
    for form in ("mean", "printed"):
        work = run.at(f"bcl+gkp(fisher='{form}')", 12, state)
        pulls = pulls_of(lambda work=work: run.close(work, 12))
        images = rule_of(work.method).group_images.tolist()
        for group, pull in enumerate(pulls):
            yield form, 12, f"images of group {group}", images[group]
            yield form, 12, f"pull of group {group}", pull / sum(pulls)
        step = run.step(work, 12)
        work.method.backward(step)
        work.method.after_step(step)
        for name in ("gkp_gradient", "gkp_removed"):
            yield form, 12, name, float(step.logged[name])


def balance(run: Snapshots) -> Iterator[Row]:
    """Yield the share of the pull of four groups by size, by what a Fisher is divided by."""
    sizes = run.groups_after(12) | {"groups": by_size_of_run()}
    work = run.at("bcl+gkp", 13, sizes)
    pulls = pulls_of(lambda: run.close(work, 13))
    images = rule_of(work.method).group_images.tolist()
    printed = [pull / count for pull, count in zip(pulls, images, strict=True)]
    for group, count in enumerate(images):
        yield "by size", 13, f"images of group {group}", count
        yield "mean", 13, f"pull of group {group}", pulls[group] / sum(pulls)
        yield "printed", 13, f"pull of group {group}", printed[group] / sum(printed)


def by_size_of_run() -> Tensor:
    """Return four groups of classes by their size."""
    counts = training("ce", *BCL).task.class_counts
    return renumbered(by_size(counts, 4), counts)


def pulls_of(anchoring: Callable[[], None]) -> list[float]:
    """Return the sum of c_j F_j over the weights for each anchor that a call takes."""
    pulls, plus = list[float](), Quadratic.plus

    def watched(self: Quadratic, curvature: Tensor, anchor: Tensor) -> Quadratic:
        pulls.append(float(curvature.sum()))
        return plus(self, curvature, anchor)

    Quadratic.plus = watched  # type: ignore[method-assign]
    anchoring()
    Quadratic.plus = plus  # type: ignore[method-assign]
    return pulls


def held(run: Snapshots) -> Iterator[Row]:
    """Yield loss, penalty and its share over twelve steps under it, from epoch 16 on."""
    state = run.groups_after(15)
    for form in ("mean", "printed"):
        work = run.at(f"bcl+gkp(fisher='{form}')", 16, state)
        run.close(work, 16)
        stage, clock = work.stages[0], run.clock(work, 16)
        optimiser, size = optimiser_for(work.network, stage), stage.recipe.batch_size
        batches = work.train.epoch(work.method.views, "instance_balanced", size, True, 5)
        for number, batch in zip(range(1, 13), batches, strict=False):
            step = Step(work.method, work.network, batch, clock, work.autocast)
            optimiser.zero_grad()
            work.method.backward(step)
            optimiser.step()
            work.method.after_step(step)
            assert step.loss is not None
            yield f"{form}, step {number}", 17, "loss", float(step.loss)
            for name in ("gkp_penalty", "gkp_gradient", "gkp_removed"):
                yield f"{form}, step {number}", 17, name, float(step.logged[name])


def averages(run: Snapshots) -> Iterator[Row]:
    """Yield norm and cosine of gsa's step to its base's, by groups and how they are averaged."""
    similar = run.groups_after(12)
    sizes = similar | {"groups": by_size_of_run()}
    for kind, state in (("similar", similar), ("by size", sizes)):
        work = run.at("bcl+gsa", 12, state)
        for group, images in enumerate(rule_of(work.method).group_images.tolist()):
            yield kind, 12, f"images of group {group}", images
        step = run.step(work, 12)
        base = gradient(step, scale=0.0, average="image")
        for scale in (0.0, 0.01):
            for average in ("image", "group", "sum"):
                own, setting = gradient(step, scale=scale, average=average), f"{kind}, {average}"
                yield f"{setting}, Z = {scale}", 12, "norm", float(own.norm() / base.norm())
                yield f"{setting}, Z = {scale}", 12, "cosine", cosine(own, base)


def drift(run: Snapshots) -> Iterator[Row]:
    """Yield owned against exact on one batch, at weights from the start to the end of the run."""
    for epoch, state in run.groups():
        if epoch in (3, 10, 20, 30):
            step = run.step(run.at("bcl+gsa", epoch, state), epoch)
            for name, value in owned_against_exact(step):
                yield "bcl+gsa", epoch, name, value


def precision(run: Snapshots) -> Iterator[Row]:
    """Yield the cosine of bfloat16's change of the step to float32's, by the scale Z."""
    state = run.groups_after(3)
    for scale in (1e-2, 1e-3, 1e-4, 1e-5):
        changes = []
        step = run.step(run.at(f"bcl+gsa(scale={scale})", 3, state), 3)
        for autocast in (step.autocast, nullcontext):
            step.autocast = autocast
            changes.append(gradient(step) - gradient(step, scale=0.0))
        yield f"Z = {scale}", 3, "cosine", cosine(*changes)


# Cost


def ratio(function: Callable[[], object], base: Callable[[], object], pairs: int = 4) -> float:
    """Return the least processor time of some calls over that of the base's between them."""
    times: list[list[float]] = [[], []]
    for _ in range(pairs):
        for called, found in zip((base, function), times, strict=True):
            started = time.process_time()
            called()
            found.append(time.process_time() - started)
    return min(times[1]) / min(times[0])


def cost() -> Iterator[Row]:
    """Yield what steps take in steps of the base: gsa's with four groups, cc_sam's by class."""
    torch.set_num_threads(1)
    yield from cost_of_groups()
    for data_name in ("cifar10_lt", "cifar100_lt"):
        yield from cost_of_classes(data_name)


def cost_of_groups() -> Iterator[Row]:
    """Yield the parts of a step of bcl+gsa, ResNet-32, batch 256, in bfloat16."""
    work = training("bcl+gsa", "cifar100_lt", "resnet32", "fast")
    method, rule = work.method, rule_of(work.method)
    rule.state["groups"] = torch.arange(100) * 4 // 100
    batch = next(work.train.epoch(method.views, "instance_balanced", 256, True, 5))
    clock = Clock("train", 3, 30, 1, 42, 0, work.stages[0].recipe)
    step = Step(method, work.network.train(), batch, clock, work.autocast)
    members = rule.class_groups[batch.targets]
    gradients = exact_gradients(step, members)[1]
    shares = (members.bincount() / len(members)).tolist()
    moved = Segments(rule.perturbations(step, gradients, shares), members)
    parts: dict[str, Callable[[], object]] = {
        "forward pass": lambda: step.losses(step.forward()),
        "displacements": lambda: rule.perturbations(step, gradients, shares),
        "segmented forward pass": lambda: step.losses(step.forward(moved)),
        "segmented step": lambda: step.descend(step.losses(step.forward(moved)).mean()),
        "owned gradients": lambda: owned_gradients(step, members),
        "exact step": lambda: whole(step, "exact"),
        "owned step": lambda: whole(step, "owned"),
    }
    for name, function in parts.items():
        yield "bcl+gsa", 0, name, ratio(function, lambda: plain(step))


def cost_of_classes(data_name: str) -> Iterator[Row]:
    """Yield the steps of cc_sam, ResNet-32, batch 64, in bfloat16."""
    step = step_of_classes(data_name)
    batch = step.batch
    yield f"cc_sam, {data_name}", 0, "classes in the batch", len(batch.targets.unique())
    for form in ("owned", "exact"):
        cost = ratio(lambda form=form: whole(step, form), lambda: plain(step))
        yield f"cc_sam, {data_name}", 0, f"{form} step", cost


def step_of_classes(data_name: str) -> Any:
    """Return a step of cc_sam: ResNet-32, batch 64, in bfloat16."""
    work = training("cc_sam", data_name, "resnet32", "fast")
    batch = next(work.train.epoch(work.method.views, "instance_balanced", 64, True, 5))
    clock = Clock("representation", 3, 30, 1, 169, 0, work.stages[0].recipe)
    return Step(work.method, work.network.train(), batch, clock, work.autocast)


def classes() -> Iterator[Row]:
    """Yield the parts of a step of cc_sam, class by class, in steps of the base."""
    torch.set_num_threads(1)
    for data_name in ("cifar10_lt", "cifar100_lt"):
        yield from parts_of_classes(data_name)


def parts_of_classes(data_name: str) -> Iterator[Row]:
    """Yield the parts of a step on one data set."""
    step = step_of_classes(data_name)
    method, targets = step.method, step.batch.targets
    gradients = exact_gradients(step, targets)[1]
    radius = Radius(method.s, method.cap, method.task.class_counts)
    moved = class_segments(step, gradients, radius)
    parts: dict[str, Callable[[], object]] = {
        "class gradients": lambda: exact_gradients(step, targets),
        "displacements": lambda: class_segments(step, gradients, radius),
        "displaced forward pass": lambda: step.losses(step.forward(moved)),
        "displaced step": lambda: step.descend(step.losses(step.forward(moved)).mean()),
    }
    yield data_name, 0, "classes in the batch", len(targets.unique())
    for name, function in parts.items():
        yield data_name, 0, name, ratio(function, lambda: plain(step), 3)


def plain(step: Step) -> None:
    """Take the gradients of the base's step."""
    step.descend(step.losses(step.forward()).mean())


def whole(step: Step, form: str) -> None:
    """Take the gradients of a step with exact or owned ones of its groups."""
    rule_of(step.method).gradients = form
    step.method.backward(step)


SHORT = (owned, penalty, amplitude, cost, classes)
OF_THE_RUN = (groups, fisher, balance, held, averages, drift, precision)
STUDIES: dict[str, Callable[..., Iterator[Row]]] = {
    study.__name__: study for study in (*SHORT, *OF_THE_RUN)
}


def write(study: str, rows: Iterator[Row]) -> None:
    """Put a study's rows in the place of those it had."""
    new = [[study, setting, epoch, name, f"{value:.4g}"] for setting, epoch, name, value in rows]
    old = list(csv.reader(TABLE.read_text().splitlines()))[1:] if TABLE.exists() else []
    table = sorted([*(row for row in old if row[0] != study), *new], key=lambda row: row[0])
    TABLE.write_text(csv_text([COLUMNS, *table]))


if __name__ == "__main__":
    name, *given = sys.argv[1:]
    write(name, STUDIES[name](*(Snapshots(Path(folder)) for folder in given)))
