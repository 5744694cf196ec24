"""VOC-LT on a made-up VOC tree, from the folder of images to a record and a table of mAP."""

import json
import re

import numpy as np
import pytest
import torch
from made_annotated import COUNTS, made_up, voc_tree
from safetensors.torch import load_file
from sklearn.metrics import average_precision_score
from torchvision import models

from ltbench.exchange.soundness import check_record
from ltbench.runs.artifacts import read_logits
from ltbench.runs.identity import fingerprint_in
from ltbench.runs.store import Store
from ltbench.runs.unit import file_of

SMOKE = ("--protocol", "smoke(fraction=1.0)", "--seeds", "1", "--quiet")
RUN = ("run", "--dataset", "voc_lt", "--network", "resnet8", *SMOKE)


@pytest.fixture
def voc(home, monkeypatch):
    made_up(monkeypatch)
    voc_tree(home / "images")
    return home


@pytest.mark.slow
def test_voc_lt_is_prepared_trained_on_and_shown(ltbench, voc):
    before = ltbench("data", "check", "voc_lt")
    assert before.code == 1
    assert "`ltbench data prepare voc_lt --images FOLDER` packs it there, where FOLDER has" in (
        before.err
    )
    assert "VOCdevkit/VOC2012/JPEGImages, VOCdevkit/VOC2007/JPEGImages, VOCdevkit" in before.err
    assert ltbench(*RUN, "--methods", "bce").code == 1
    prepared = ltbench("data", "prepare", "voc_lt", "--images", "images")
    assert prepared.code == 0, prepared.err
    assert "13 training images in 4 classes (9 to 1; 2 many, 1 medium, 1 few), 8 test" in (
        prepared.out
    )
    assert ltbench("data", "check", "voc_lt").code == 0
    shown = ltbench("data", "describe", "voc_lt")
    assert shown.code == 0, shown.err
    assert "augmentation: random boxes of most of it, flip" in shown.out
    assert "labels an image: 1.46" in shown.out
    run = ltbench(*RUN, "--methods", "bce,asl,db")
    assert run.code == 0, run.err
    assert "mAP" in run.out
    store = Store(voc / "results")
    records = list(store.records())
    assert len(records) == 3
    for record in records:
        logits, labels = read_logits(file_of(store, record, "logits")).test
        own = [100 * average_precision_score(labels[:, c], logits[:, c]) for c in range(4)]
        last = record.last
        assert last.average_precision == pytest.approx(own, abs=1e-3)
        assert last.mAP == pytest.approx(np.mean(own), abs=1e-3)
        means = [np.mean(own[:2]), own[2], own[3]]  # nine and five images are many; one is few
        assert [last.many, last.medium, last.few] == pytest.approx(means, abs=1e-3)
        assert record.data.class_counts == COUNTS
        assert (record.data.training_images, record.data.test_images) == (13, 8)
        assert check_record(record, {}) == ""
    other = last.model_copy(update={"images": 9})
    other = records[-1].model_copy(update={"last": other, "best": None})
    with pytest.raises(ValueError, match="8 test images, not 9"):
        check_record(other.model_copy(update={"fingerprint": fingerprint_in(other)}), {})


@pytest.mark.slow
def test_a_smaller_copy_has_the_labels_too(ltbench, voc):
    assert ltbench("data", "prepare", "voc_lt", "--images", "images").code == 0
    short = ltbench("data", "prepare", "voc_lt", "--short", "32")
    assert short.code == 0, short.err
    done = ltbench("run", "--dataset", "voc_lt", "--network", "resnet8", "--methods", "bce",
                   "--protocol", "smoke(fraction=1.0, stored_side=32)", "--seeds", "1",
                   "--quiet")  # fmt: skip
    assert done.code == 0, done.err


@pytest.mark.slow
def test_the_papers_protocol_trains_to_the_end_from_pretrained_weights(ltbench, voc):
    assert ltbench("data", "prepare", "voc_lt", "--images", "images").code == 0
    run = ("run", "--dataset", "voc_lt", "--seeds", "1", "--quiet", "--protocol", "paper(side=32)")
    without = ltbench(*run, "--methods", "db")
    assert without.code == 2
    assert "none are ever downloaded; name their file with --pretrained" in without.err
    torch.manual_seed(0)
    weights = models.resnet50(weights=None).state_dict()
    torch.save(weights, voc / "resnet50.pth")
    done = ltbench(*run, "--methods", "bce,db@voc,bce+more,bce+sam", "--pretrained", "resnet50.pth",
                   "--keep", "weights")  # fmt: skip
    assert done.code == 0, done.err
    store = Store(voc / "results")
    records = {record.method: record for record in store.records()}
    assert len(records) == 4
    for record in records.values():
        assert record.network == "resnet50_neck"
        assert record.pretrained_sha256
        assert any(each.startswith("images are cut and scaled") for each in record.deviations)
        recipe = record.stages[0]["recipe"]
        assert (recipe["warmup_steps"], recipe["clip_norm"]) == (500, 35.0)
        assert (recipe["frozen_stages"], recipe["drop_last"]) == (1, True)
    kept = load_file(file_of(store, records["bce"], "weights"))
    assert any(name.endswith("neck.0.weight") for name in kept)
    for name, value in kept.items():
        other = (
            name.removeprefix("epoch8.network.backbone.")
            .replace("stem.0", "conv1")
            .replace("stem.1", "bn1")
        )
        other = re.sub(r"stages\.(\d)", lambda found: f"layer{int(found[1]) + 1}", other)
        frozen = other.startswith(("conv1", "bn1", "layer1")) or "running" in other
        frozen &= "num_batches" not in other
        if frozen and "neck" not in other:
            assert torch.equal(value, weights[other]), name


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("--lists", "images"), "the lists of voc_lt come with ltbench; leave --lists out"),
        (("--lists", "images", "--images", "images"), "leave --lists out"),
    ],
)
def test_lists_of_ones_own_are_refused(ltbench, voc, words, answer):
    refused = ltbench("data", "prepare", "voc_lt", *words)
    assert refused.code == 2
    assert answer in refused.err


def test_a_method_of_one_label_is_refused_before_anything_is_read(ltbench, voc):
    refused = ltbench(*RUN, "--methods", "ce")
    assert refused.code == 2
    assert "one label an image" in refused.err


def test_the_sets_are_listed_and_shown_without_their_images(ltbench, home):
    listed = ltbench("list", "datasets")
    assert "voc_lt" in listed.out
    assert "coco_lt" in listed.out
    facts = json.loads(ltbench("show", "coco_lt", "--json").out)
    assert facts["training images"] == 1909
    assert facts["test images"] == 5000
    assert facts["many / medium / few classes"] == [22, 33, 25]
    assert facts["protocol"] == "paper"
    assert "Deviation: images are cut and scaled" in ltbench("show", "voc_lt").out
