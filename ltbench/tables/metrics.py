"""What a column may show: how papers' CSV files call it, and what a record says of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from ltbench.data.catalog import known
from ltbench.evaluation.scores import HEADLINES, TITLES, AnyScores
from ltbench.evaluation.selection import Selection
from ltbench.runs.record import Record

Metric = Literal[
    "top1", "mAP", "many", "medium", "few", "open_set_f", "open_set_gain", "hours", "cost"
]
_Read = Callable[[Record, Selection], float | None]


@dataclass(frozen=True)
class Quantity:
    """One metric; `reported` and `split` are its columns in a CSV of reported values."""

    reported: str
    split: str
    read: _Read
    decimals: int = 1
    ranked: bool = True  # whether the highest of a column is the best of it
    comparable: bool = True  # whether a difference to another laboratory's value means something
    tolerance: float | None = None  # within which a reported value holds; None: never judged
    over: Metric | None = None  # what it is made from: as a ratio to the first row, or as F - F_0


def scores_at(record: Record, select: Selection) -> AnyScores | None:
    """Return a record's scores at the epoch that a rule chooses; None where it chose none."""
    scores: AnyScores | None = getattr(record, select.field)
    return scores


def _score(name: str) -> _Read:
    def read(record: Record, select: Selection) -> float | None:
        scores = scores_at(record, select)
        value: float | None = getattr(scores, name, None)
        return value

    return read


def _hours(record: Record, select: Selection) -> float:
    return record.cost.train_seconds / 3600


def _unrecorded(record: Record, select: Selection) -> None:
    """Return nothing: no record holds this metric."""


ACCURACY, PRECISION, _HOURS = "top1_acc_pct", "mAP_pct", "train_wall_clock_hours"

METRICS: dict[Metric, Quantity] = {
    "top1": Quantity(ACCURACY, "all", _score("top1"), tolerance=1.0),
    "mAP": Quantity(PRECISION, "all", _score("mAP"), tolerance=1.0),
    "many": Quantity(ACCURACY, "many", _score("many"), tolerance=2.0),
    "medium": Quantity(ACCURACY, "medium", _score("medium"), tolerance=2.0),
    "few": Quantity(ACCURACY, "few", _score("few"), tolerance=2.0),
    "open_set_f": Quantity("open_set_f_measure", "all", _unrecorded, decimals=3),
    "open_set_gain": Quantity(
        "open_set_f_measure", "all", _unrecorded, decimals=3, over="open_set_f"
    ),
    "hours": Quantity(_HOURS, "", _hours, 2, ranked=False, comparable=False),
    "cost": Quantity(_HOURS, "", _hours, 2, ranked=False, over="hours"),
}
REPORTED: dict[tuple[str, str], Metric] = {
    (each.reported, each.split): name for name, each in METRICS.items() if each.over is None
}
# Of a data set with several labels an image, a group's value is the mean of average precisions.
REPORTED[PRECISION, "many"] = "many"
REPORTED[PRECISION, "medium"] = "medium"
REPORTED[PRECISION, "few"] = "few"
# Off a plot, to about 0.05: far within every tolerance.
REPORTED["top1_acc_pct_read_off_plot", "all"] = "top1"


def suiting(metric: Metric, info: ValidationInfo) -> Metric:
    """Return a column's metric; raises ValueError where its data set is scored by another."""
    data = known(info.data["dataset"]).info if "dataset" in info.data else None
    if data is not None and metric in TITLES and metric != HEADLINES[data.kind]:
        wanted = HEADLINES[data.kind]
        raise PydanticCustomError(
            "metric", "{name} is scored by {wanted}; write metric: {wanted}",
            {"name": data.name, "wanted": wanted},
        )  # fmt: skip
    return metric
