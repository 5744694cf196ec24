"""Scores after one epoch, of either task kind. Imports nothing heavy, so tables can read them."""

from collections.abc import Sequence
from statistics import fmean
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, model_validator

from ltbench.data.kind import Kind
from ltbench.data.profile import SHOTS

Headline = Literal["top1", "mAP"]
HEADLINES: dict[Kind, Headline] = {"single": "top1", "multi": "mAP"}
"""The metric that methods are compared by, of each task kind."""
TITLES: dict[Headline, str] = {"top1": "top-1", "mAP": "mAP"}
"""The headline metrics as papers print them."""

Percent = Annotated[float, Field(ge=0, le=100)]


class Model(BaseModel):
    """Strict and immutable: an unknown or missing field is an error, not a guess."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Scores(Model):
    """Accuracy after one epoch, in percent; a shot group without classes is null.

    `correct` and `total` are images per class, so any other grouping can be recomputed.
    """

    metric: ClassVar[Headline] = "top1"
    numbers: ClassVar[tuple[str, ...]] = ("top1", *SHOTS, "calibration_error")  # of all classes

    epoch: int = Field(ge=1)  # one-based, counted over all stages
    top1: Percent
    many: Percent | None
    medium: Percent | None
    few: Percent | None
    calibration_error: Percent  # expected calibration error, 15 equal-width bins, percent
    correct: tuple[int, ...]
    total: tuple[int, ...]

    @model_validator(mode="after")
    def _consistent(self) -> "Scores":
        if len(self.correct) != len(self.total) or not self.total:
            raise ValueError("correct and total must have one entry per class")
        if not any(self.total):
            raise ValueError("there are no test images")
        if any(not 0 <= hit <= seen for hit, seen in zip(self.correct, self.total, strict=True)):
            raise ValueError("correct must lie between 0 and total for every class")
        if abs(self.top1 - 100 * sum(self.correct) / sum(self.total)) > 1e-6:
            raise ValueError("top1 does not follow from correct and total")
        return self

    @property
    def headline(self) -> float:
        """Return the top-1 accuracy in percent."""
        return self.top1

    @property
    def per_class(self) -> tuple[float | None, ...]:
        """Return the accuracy of each class in percent; None for one without test images."""
        pairs = zip(self.correct, self.total, strict=True)
        return tuple(100 * hit / seen if seen else None for hit, seen in pairs)


class LabelScores(Model):
    """Average precision after one epoch, in percent, of images with several labels each.

    A label's average precision is null where no test image has the label, and means leave it out;
    `total` counts the test images with each label. `predicted` counts those with a positive logit
    and `correct` those with both, from which F1 follows.
    """

    metric: ClassVar[Headline] = "mAP"
    numbers: ClassVar[tuple[str, ...]] = ("mAP", *SHOTS, "micro_f1", "macro_f1")  # of all labels

    epoch: int = Field(ge=1)  # one-based, counted over all stages
    mAP: Percent  # noqa: N815  (the field's name of it)
    many: Percent | None
    medium: Percent | None
    few: Percent | None
    micro_f1: Percent
    macro_f1: Percent
    average_precision: tuple[Percent | None, ...]
    correct: tuple[int, ...]
    predicted: tuple[int, ...]
    total: tuple[int, ...]
    images: int = Field(ge=1)  # tested

    @model_validator(mode="after")
    def _consistent(self) -> "LabelScores":
        each = self.average_precision, self.correct, self.predicted, self.total
        if len(set(map(len, each))) > 1 or not self.total:
            raise ValueError("every count and average precision must have one entry per label")
        for value, right, predicted, seen in zip(*each, strict=True):
            if not 0 <= right <= min(predicted, seen) or max(predicted, seen) > self.images:
                raise ValueError("correct, predicted and total are no counts of the images")
            if (value is None) != (seen == 0):
                raise ValueError("average precision must be null where total is 0, and only there")
        present = [value for value in self.average_precision if value is not None]
        if not present:
            raise ValueError("no test image has a label")
        if abs(self.mAP - fmean(present)) > 1e-6:
            raise ValueError("mAP does not follow from average_precision")
        both = f1(self.correct, self.predicted, self.total)
        stated = self.micro_f1, self.macro_f1
        if any(abs(a - b) > 1e-6 for a, b in zip(stated, both, strict=True)):
            raise ValueError("micro_f1 or macro_f1 does not follow from the counts")
        return self

    @property
    def headline(self) -> float:
        """Return the mean average precision in percent."""
        return self.mAP

    @property
    def per_class(self) -> tuple[float | None, ...]:
        """Return the average precision of each label in percent."""
        return self.average_precision


def f1(
    correct: Sequence[int], predicted: Sequence[int], total: Sequence[int]
) -> tuple[float, float]:
    """Return micro and macro F1 in percent from counts by label, each [C].

    F1 = 2 correct / (predicted + total): of the sums, and the mean over the labels, in which a
    label that no test image has and none is given counts as 0.
    """

    def share(right: int, both: int) -> float:
        return 200 * right / both if both else 0.0

    rows = list(zip(correct, predicted, total, strict=True))
    macro = fmean(share(right, predicted + seen) for right, predicted, seen in rows)
    return share(sum(correct), sum(predicted) + sum(total)), macro


def _metric(value: Any) -> str:
    """Return the headline metric of scores, or of the plain data that they are read from."""
    if isinstance(value, dict):
        return "mAP" if "mAP" in value else "top1"
    return str(getattr(value, "metric", "top1"))


AnyScores = Annotated[
    Annotated[Scores, Tag("top1")] | Annotated[LabelScores, Tag("mAP")], Discriminator(_metric)
]
"""Scores of either kind; which, its headline metric says."""

_ADAPTER: TypeAdapter[Scores | LabelScores] = TypeAdapter(AnyScores)


def scores_from(plain: dict[str, Any]) -> AnyScores:
    """Return the scores that `model_dump` gave as plain data."""
    return _ADAPTER.validate_python(plain)
