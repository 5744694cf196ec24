"""Scores: accuracy after one epoch. Imports nothing heavy, so tables can read them."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Model(BaseModel):
    """Strict and immutable: an unknown or missing field is an error, not a guess."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Scores(Model):
    """Accuracy after one epoch, in percent; a shot group without classes is null.

    `correct` and `total` are images per class, so any other grouping can be recomputed.
    """

    epoch: int = Field(ge=1)  # one-based, counted over all stages
    top1: float = Field(ge=0, le=100)
    many: float | None = Field(ge=0, le=100)
    medium: float | None = Field(ge=0, le=100)
    few: float | None = Field(ge=0, le=100)
    calibration_error: float = Field(
        ge=0, le=100
    )  # expected calibration error, 15 equal-width bins, percent
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
