"""Predictions by class: counts that add up, calibration against an oracle, noise floors."""

import numpy as np
import pytest
import torch
from made_runs import Linear, data, resnet, run_of
from scipy.stats import linregress

from ltbench.analysis.class_predictions import (
    Predictions,
    against_counts,
    calibrated,
    class_quantities,
    noise_floor,
    spread,
)


def logits(count=400, classes=5, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(count, classes, generator=draw), torch.arange(count) % classes


def test_counts_of_a_hand_made_confusion_matrix():
    predicted = torch.tensor([0, 0, 0, 1, 1, 0])
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    found = class_quantities(10 * torch.nn.functional.one_hot(predicted, 3).float(), labels)
    assert found["positives"].tolist() == [4, 2, 0]
    assert found["accuracy"].tolist() == [100, 50, 0]
    assert found["precision"].tolist()[:2] == [50, 50]
    assert found["precision"][2].isnan()
    assert found["relative_positives"].tolist() == [2, 1, 0]
    assert found["false_positives"].tolist() == [2, 1, 0]


def test_hard_and_soft_counts_are_all_images():
    found = class_quantities(*logits())
    assert found["positives"].sum() == 400
    assert found["soft_positives"].sum().item() == pytest.approx(400)


def test_the_spread_of_predictions():
    assert spread(torch.tensor([10.0, 10, 10, 10])) == {"total_variation": 0, "gini": 0}
    alone = spread(torch.tensor([40.0, 0, 0, 0]))
    assert alone == {"total_variation": 0.75, "gini": 0.75}


def test_slope_and_rank_against_counts_are_those_of_scipy():
    counts = torch.tensor([500, 120, 37, 9, 5])
    values = torch.tensor([90.0, 70, 75, 20, 10], dtype=torch.float64)
    found = against_counts(values, counts)
    slope = linregress(np.log10(counts.numpy()), values.numpy()).slope
    assert found["slope_per_decade"] == pytest.approx(slope)
    assert found["spearman"] == pytest.approx(0.9)
    assert against_counts(values, torch.full((5,), 10)) == {}


@pytest.mark.parametrize(("images", "floor"), [(50, 16.4), (1000, 3.7)])
def test_the_noise_floor_of_a_perfectly_calibrated_model(images, floor):
    draw = torch.Generator().manual_seed(0)
    found = noise_floor(1.5 * torch.randn(images, 10, generator=draw), 15, seed=0)
    assert found == pytest.approx(floor, rel=0.35)


def test_labels_drawn_from_the_predictions_have_an_error_near_the_floor():
    scores, _ = logits(20_000, 10)
    draw = torch.Generator().manual_seed(1)
    labels = torch.multinomial(scores.double().softmax(1), 1, generator=draw)[:, 0]
    found = calibrated(scores, labels, 15, 0)
    assert found["calibration_error"] < 2 * found["calibration_error_floor"] + 0.2
    sharper = calibrated(scores / 0.5, labels, 15, 0)
    assert sharper["calibration_error"] > 10
    assert sharper["confidence_gap"] > 10


def test_rows_cover_classes_groups_and_all():
    network = resnet()
    run, analysis = run_of(network), Predictions()
    (part,) = analysis.parts(run, data())
    rows = analysis.analyse(run, network, data(), part)
    norms = [row["value"] for row in rows if row["quantity"] == "weight_norm"]
    assert norms == pytest.approx(network.classifier.weight.double().norm(dim=1).tolist())
    errors = {row["shots"] for row in rows if row["quantity"] == "confidence_gap"}
    assert errors == {"all", "many", "medium", "few"}


def test_adjusted_logits_are_what_is_scored():
    network = Linear(192, 5, torch.float32)
    first = torch.tensor([100.0, 0, 0, 0, 0])
    run = run_of(network, adjust=lambda logits: logits + first)
    (part,) = Predictions().parts(run, data())
    rows = Predictions().analyse(run, network, data(), part)
    assert [r["value"] for r in rows if r["quantity"] == "positives"] == [30, 0, 0, 0, 0]
