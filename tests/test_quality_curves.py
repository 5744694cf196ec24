"""The script behind the curves of docs/readings.md."""

import csv
import runpy
from pathlib import Path

import pytest
import torch

from ltbench import Clock
from ltbench.blocks.class_groups import spread_out
from ltbench.blocks.feature_quality import feature_quality
from ltbench.testing.synthetic import training

SCRIPT = Path(__file__).resolve().parent.parent / "docs" / "quality.py"


def test_every_epoch_has_each_form_of_each_shot_group(tmp_path):
    script, path = runpy.run_path(str(SCRIPT)), tmp_path / "quality.csv"
    script["main"]("ce", "digits_lt", 3, tmp_path)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 3 * 2 * 3 * 3
    assert {row["images"] for row in rows} == {"crop", "test"}
    assert {row["form"] for row in rows} == {"plain", "normalised", "release"}
    for row in rows:
        quality, distance, variance = (
            float(row[name]) for name in ("quality", "distance", "variance")
        )
        assert distance > 0
        assert variance > 0
        if row["form"] == "normalised":
            assert quality > 0  # Eq. 19 on unit-norm features cannot be negative
        if row["form"] == "release":  # of means, so near -1 / Dis - log Var
            expected = -1 / distance - torch.tensor(variance).log().item()
            assert quality == pytest.approx(expected, abs=1.0)


def test_features_are_of_at_most_sixteen_images_a_class():
    script, work = runpy.run_path(str(SCRIPT)), training("ce")
    work.network.eval()
    counts = work.task.class_counts
    chosen = spread_out(work.train.subset.labels, counts, script["PER_CLASS"]["crop"])
    crops = Clock("train", 0, 2).generator("quality")
    features, labels = script["features_of"](work.network, work.train.clean(), chosen, crops)
    strides = (counts - 1) // 16 + 1
    assert labels.bincount().tolist() == ((counts - 1) // strides + 1).tolist()
    assert labels.bincount().max() <= 16
    assert features.shape == (len(labels), 64)
    assert feature_quality(features, labels, len(counts)).quality.isfinite().all()


def test_weights_that_are_there_are_not_trained_again(tmp_path):
    script = runpy.run_path(str(SCRIPT))
    script["main"]("ce", "digits_lt", 3, tmp_path)
    curves, weights = (tmp_path / "quality.csv").read_bytes(), tmp_path / "epoch003.pt"
    made = weights.stat().st_mtime_ns
    script["main"]("ce", "digits_lt", 3, tmp_path)
    assert (tmp_path / "quality.csv").read_bytes() == curves
    assert weights.stat().st_mtime_ns == made
