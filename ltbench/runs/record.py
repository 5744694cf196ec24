"""The record of one run: everything needed to trust, recompute or redo its number."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from ltbench.data.profile import shot_groups
from ltbench.errors import LtbenchError
from ltbench.evaluation.scores import AnyScores, Headline, Model, Scores

__all__ = [
    "SCHEMA_VERSION", "Cost", "DataFacts", "Environment", "Failure", "FirstStage", "Model",
    "Record", "by_setting", "sharing",
]  # fmt: skip

SCHEMA_VERSION = 1
# Parts that the records of one laboratory's runs have in common
_REPEATED = (
    "parameters", "sources", "versions", "code", "settings", "stages", "data", "environment",
    "deviations",
)  # fmt: skip
SHORTEST = 1e-3  # seconds; nothing trains faster
# How the deviation ends of bfloat16 on a processor without instructions for it.
IN_FLOAT32 = ", multiplied in float32"
# Settings of a protocol that make a recipe; not the epochs, which several stages share.
_RECIPE = {
    "batch_size", "learning_rate", "weight_decay", "momentum", "nesterov", "warmup_epochs",
    "schedule", "milestones", "decay",
}  # fmt: skip
TRANSDUCTIVE = "transductive"  # how the deviation of a method that reads all test images begins


class DataFacts(Model):
    """The images of a run: how many of which classes, and hashes that tell other images apart."""

    class_counts: tuple[int, ...]
    indices_sha256: str  # over the kept training indices, little-endian int64
    pixels_sha256: str = ""  # over all images and labels; none in records from before
    many_above: int
    few_below: int
    test_images: int
    training_images: int | None = None  # of several labels each; else class_counts add up to it
    # Rows, in the packed training file, of images that were left out since they do not read
    skipped: tuple[int, ...] = ()
    names_sha256: str = ""  # over names of classes that the method read from a user's file

    def same_as(self, other: "DataFacts") -> bool:
        """Return whether two runs had the same images, as far as both records tell."""
        known = self.pixels_sha256 and other.pixels_sha256
        ours = self.model_copy(update={"pixels_sha256": other.pixels_sha256})
        return (self if known else ours) == other


class Cost(Model):
    """What the training took; a record of several sessions adds their seconds up."""

    train_seconds: float = Field(ge=0)
    # of `train_seconds`, those of a first stage that may serve other runs too
    first_stage_seconds: float = Field(default=0.0, ge=0)
    evaluate_seconds: float = Field(ge=0)
    # of `train_seconds`, those without images to train on: of a streamed set, too few decoders
    waited_seconds: float = Field(default=0.0, ge=0)
    steps: int = Field(ge=0)
    images_per_second: float = Field(ge=0)  # training images, all views of one image counted once
    # of the device, or of the whole process on a CPU; null where the system does not count it
    peak_memory_mib: float | None
    # of training and evaluations, all that the GPU or the processors did meanwhile; null where they
    # cannot be read, and in records from before
    joules: float | None = Field(default=None, ge=0)
    # of `joules`, those of a first stage that may serve other runs too
    first_stage_joules: float | None = Field(default=None, ge=0)
    parameters: int  # of the network that predicts


class FirstStage(Model):
    """A first stage that is another method's whole training, taken up when that was finished."""

    of: str  # the canonical specification of that method
    fingerprint: str  # of that training


class Environment(Model):
    """Where it ran; holds no host name and no path."""

    ltbench: str
    commit: str | None
    dirty: bool | None
    python: str
    torch: str
    torchvision: str
    cuda: str | None
    device: str
    threads: int
    platform: str
    processes: int = Field(default=1, ge=1)  # that shared each batch, by torchrun


class Record(Model):
    """One finished run of one cell."""

    schema_version: Literal[1] = 1
    dataset: str
    network: str
    method: str
    trained: str  # the part of `method` that was trained; differs when post-hoc parts follow
    protocol: str
    seed: int = Field(ge=0)
    fingerprint: str  # of everything resolved that determines the result; see `fingerprint_of`
    parameters: dict[str, dict[str, Any]]  # of every part of the method, defaults included
    # SHA-256 of the files of those parts that are not ltbench's own, by part
    sources: dict[str, str] = Field(default_factory=dict)
    # Versions that parts of the method declare beyond the first, by part
    versions: dict[str, int] = Field(default_factory=dict)
    # Hashes of what of ltbench computed the run, by folder or method; none in records from before
    code: dict[str, str] = Field(default_factory=dict)
    settings: dict[str, Any]  # the protocol, every field
    stages: list[dict[str, Any]]  # name, recipe, sampler … of each stage as trained
    first_stage: FirstStage | None = None
    data: DataFacts
    pretrained_sha256: str = ""  # of the file of weights that the encoder began from
    last: AnyScores  # whose headline metric is the record's
    best: AnyScores | None  # best epoch on the test set: optimistic; null when only last was seen
    selected: AnyScores | None  # best epoch on held-out training images, when there were any
    cost: Cost
    environment: Environment
    deviations: list[str]  # where the method departs from its paper
    # SHA-256 of the files beside it, by kind; see `runs/unit.py`. None in records from before
    files: dict[str, str] = Field(default_factory=dict)
    finished: str  # UTC, ISO 8601

    @model_validator(mode="after")
    def _one_metric(self) -> "Record":
        others = [each for each in (self.best, self.selected) if each is not None]
        if any(each.metric != self.last.metric for each in others):
            raise ValueError("its scores are of images with one label, and with several")
        return self

    @property
    def metric(self) -> Headline:
        """Return the metric that the run is compared by: `top1`, or `mAP` of several labels."""
        return self.last.metric

    @property
    def transductive(self) -> bool:
        """Return whether the method read all test images at once."""
        return any(each.startswith(TRANSDUCTIVE) for each in self.deviations)

    @property
    def own_recipe(self) -> bool:
        """Return whether the method began to train by another recipe than its protocol's."""
        recipe = dict(self.stages[0].get("recipe", {})) if self.stages else {}
        if "milestones" in recipe:
            recipe["milestones"] = ",".join(map(str, recipe["milestones"]))  # as settings have it
        known = recipe.keys() & self.settings.keys() & _RECIPE  # older records have fewer
        return any(recipe[name] != self.settings[name] for name in known)

    @property
    def headline(self) -> float:
        """Return that metric at the last epoch, in percent."""
        return self.last.headline

    def shots(self, thresholds: tuple[int, int] | None = None) -> tuple[str, ...]:
        """Return the shot group of each class, as the run's own scores have them.

        By other `thresholds`, many above and few below, where some are given.
        """
        bounds = thresholds or (self.data.many_above, self.data.few_below)
        held_out = self.settings.get("validation", 0)
        return tuple(shot_groups(self.data.class_counts, held_out, *bounds))


def one_label(record: Record) -> Scores:
    """Return the last scores of a run on images with one label each; raises LtbenchError."""
    if isinstance(record.last, Scores):
        return record.last
    raise LtbenchError(
        f"images of {record.dataset} have several labels each, and this is of predicted classes; "
        "choose runs on another data set."
    )


def same_result(one: Record, other: Record) -> bool:
    """Return whether two runs of a cell give the same: when and how fast may differ."""
    return _result(one) == _result(other) and one.data.same_as(other.data)


def _result(record: Record) -> tuple[object, ...]:
    return record.fingerprint, record.pretrained_sha256, record.last, record.best, record.selected


class Failure(Model):
    """A run that stopped; written instead of a record, and replaced by the next try."""

    schema_version: Literal[1] = 1
    dataset: str
    network: str
    method: str
    protocol: str
    seed: int
    error: str
    epoch: int | None
    step: int | None
    environment: Environment
    finished: str


def fingerprint_of(resolved: dict[str, Any]) -> str:
    """Return 16 hexadecimal digits of the SHA-256 over a canonical JSON of `resolved`."""
    text = json.dumps(resolved, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sharing(records: Iterable[Record]) -> Iterator[Record]:
    """Yield records of which equal parts are one object: thousands else fill the memory."""
    seen: dict[tuple[str, str], Any] = {}
    for record in records:
        parts = {name: getattr(record, name) for name in _REPEATED}
        yield record.model_copy(
            update={name: seen.setdefault((name, repr(part)), part) for name, part in parts.items()}
        )


def by_setting(records: Iterable[Record]) -> dict[tuple[str, str, str], dict[str, list[Record]]]:
    """Group records by data set, network and protocol, then by method, in order of appearance."""
    found: dict[tuple[str, str, str], dict[str, list[Record]]] = {}
    for record in records:
        methods = found.setdefault((record.dataset, record.network, record.protocol), {})
        methods.setdefault(record.method, []).append(record)
    return found
