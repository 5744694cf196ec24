"""Confusion, precision, recall and F1 against counting by hand."""

import math

import numpy as np
import pytest

from ltbench.analysis.predictions import by_class, by_confidence, by_image, confusion
from ltbench.figures.confusion import draw_confusion, shares
from ltbench.figures.reliability import as_csv, draw_reliability

# Classes 0 to 2; nothing is ever predicted as 2.
LABELS = np.array([0, 0, 0, 1, 1, 2, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 0, 1])


@pytest.fixture
def logits():
    scores = np.full((7, 3), -1.0, dtype=np.float32)
    scores[np.arange(7), PREDICTED] = 1.0
    return scores, LABELS


@pytest.fixture
def record(make_record):
    record = make_record("ce", 0, 50.0)
    data = record.data.model_copy(update={"class_counts": (500, 99, 4)})
    return record.model_copy(update={"data": data, "settings": {"validation": 2}})


def test_rows_are_true_classes_and_columns_predicted_ones(logits):
    counted = [[0] * 3 for _ in range(3)]
    for label, predicted in zip(LABELS, PREDICTED, strict=True):
        counted[label][predicted] += 1
    assert confusion(*logits).tolist() == counted == [[2, 1, 0], [1, 1, 0], [1, 1, 0]]


def test_precision_recall_and_f1_by_class(logits, record):
    table = by_class(record, confusion(*logits))
    assert table["shots"].tolist() == ["many", "many", "few"]  # 99 + 2 held-out images
    assert by_class(record, confusion(*logits), (200, 102))["shots"].tolist() == [
        "many", "few", "few",
    ]  # fmt: skip
    assert table["predicted"].tolist() == [4, 3, 0]
    assert table["recall"].tolist() == pytest.approx([200 / 3, 50, 0])
    assert table["precision"].tolist()[:2] == pytest.approx([50, 100 / 3])
    assert math.isnan(table["precision"][2])
    harmonic = [2 / (1 / p + 1 / r) for p, r in zip(table["precision"][:2], table["recall"][:2],
                                                    strict=True)]  # fmt: skip
    assert table["f1"].tolist() == pytest.approx([*harmonic, 0])


def test_every_image_is_there_with_its_confidence(logits):
    table = by_image(*logits)
    assert table["label"].tolist() == LABELS.tolist()
    assert table["predicted"].tolist() == PREDICTED.tolist()
    sure = math.exp(1) / (math.exp(1) + 2 * math.exp(-1))
    assert table["confidence"].tolist() == pytest.approx([sure] * 7)


def test_the_figure_has_the_mean_of_runs_from_head_to_tail(logits, record):
    first, second = confusion(*logits), np.diag([3, 2, 2])
    mean = shares([first, second])
    assert mean.sum(1).tolist() == pytest.approx([100] * 3)
    assert mean[0].tolist() == pytest.approx([(200 / 3 + 100) / 2, 100 / 6, 0])
    data = record.data.model_copy(update={"class_counts": (4, 99, 500)})
    turned = record.model_copy(update={"data": data})
    (image,) = draw_confusion([turned, turned], [first, second]).axes[0].images
    assert np.allclose(image.get_array(), mean[::-1, ::-1])


def test_the_reliability_diagram_has_the_images_of_all_runs(logits, record):
    sure = math.exp(1) / (math.exp(1) + 2 * math.exp(-1))  # 0.787, of all seven; three are right
    table, other = by_confidence(*logits, 10), np.zeros((3, 10))
    other[:, 2], other[:, 7] = (2, 1, 0.5), (1, 1, 0.75)
    upper, lower = draw_reliability([record, record], [table, other]).axes
    assert [(bar.get_x(), bar.get_height()) for bar in upper.patches] == [(20, 50), (70, 50)]
    assert [bar.get_height() for bar in lower.patches] == [0, 0, 20, 0, 0, 0, 0, 80, 0, 0]
    assert upper.lines[1].get_xdata().tolist() == pytest.approx([25, 100 * (7 * sure + 0.75) / 8])
    lines = as_csv([table, other]).splitlines()
    assert lines[0] == "above,up_to,images,confidence,accuracy"
    assert lines[1] == "0.0000,10.0000,0,,"
    assert lines[3] == "20.0000,30.0000,2,25.0000,50.0000"
    assert len(lines) == 11
