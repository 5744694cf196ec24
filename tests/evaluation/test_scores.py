"""The scores of a record: strict, and consistent with themselves."""

import pytest
from pydantic import ValidationError

from ltbench.evaluation.scores import Scores

FINE = {
    "epoch": 3, "top1": 50.0, "many": 75.0, "medium": None, "few": 25.0,
    "calibration_error": 4.5, "correct": (3, 1), "total": (4, 4),
}  # fmt: skip


def test_consistent_scores_are_accepted_and_survive_their_own_dump():
    scores = Scores(**FINE)
    assert Scores(**scores.model_dump()) == scores
    assert Scores.model_validate_json(scores.model_dump_json()) == scores


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"correct": (3,)}, "one entry per class"),
        ({"correct": (), "total": ()}, "one entry per class"),
        ({"correct": (5, 1)}, "between 0 and total"),
        ({"correct": (-1, 5)}, "between 0 and total"),
        ({"top1": 50.1}, "top1 does not follow"),
        ({"epoch": 0}, "greater than or equal to 1"),
        ({"calibration_error": float("nan")}, "finite number"),
        ({"many": float("inf")}, "finite number"),
        ({"top1": "50"}, "valid number"),
        ({"accuracy": 50.0}, "not permitted"),
    ],
)
def test_scores_that_contradict_themselves_are_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        Scores(**{**FINE, **change})


@pytest.mark.parametrize("name", FINE)
def test_no_score_may_be_missing(name):
    with pytest.raises(ValidationError, match="Field required"):
        Scores(**{key: value for key, value in FINE.items() if key != name})


def test_scores_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Scores(**FINE).top1 = 60.0
