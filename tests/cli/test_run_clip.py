"""Runs of CLIP from a file of weights to a comparison, and what is said where one cannot begin."""

import hashlib
import json
import sys
from dataclasses import replace

import pytest
import torch
from made_clip import their_clip
from made_images import encoded, pixels
from PIL import Image

from ltbench.data import published_lists as published
from ltbench.data.catalog import CATALOG, KNOWN
from ltbench.data.category_names import names_sha256

RUN = ("run", "--dataset", "digits_lt", "--quiet")
CLIP = (*RUN, "--network", "clip:tiny", "--protocol", "clip(epochs=2, fraction=0.3)")


@pytest.fixture
def weights(home):
    """open_clip's own file of a model of random weights."""
    path = home / "open_clip_model.bin"
    torch.save(their_clip().state_dict(), path)
    return path


def records(home):
    paths = sorted((home / "results" / "runs").rglob("seed*.json"))
    return [json.loads(path.read_text()) for path in paths]


@pytest.mark.slow
def test_zero_shot_fine_tuning_ensembling_and_more_stand_in_one_comparison(ltbench, home, weights):
    methods = "zero_shot,lift,lift@tte,lift+more"
    done = ltbench(*CLIP, "--methods", methods, "--seed", "0", "--pretrained", weights)
    assert done.code == 0, done.err
    for name in methods.split(","):
        assert f"\n{name} " in done.out
    found = {record["method"]: record for record in records(home)}
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert len(found) == 4
    for record in found.values():
        assert record["pretrained_sha256"] == digest
        assert record["network"] == "clip:tiny"
        assert record["protocol"] == "clip(epochs=2, fraction=0.3)"


def test_zero_shot_rows_of_two_seeds_are_the_same(ltbench, home, weights):
    done = ltbench(*CLIP, "--methods", "zero_shot", "--seeds", "2", "--pretrained", weights)
    assert done.code == 0, done.err
    first, second = (record["last"] for record in records(home))
    assert first == second


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--protocol", "clip"), "none are ever downloaded; name their file with --pretrained"),
        (("--protocol", "smoke"), "cannot be trained on digits_lt"),
    ],
)
def test_what_is_missing_is_one_sentence_before_training(ltbench, home, words, sentence):
    network = ("--network", "clip:tiny") if words[1] == "clip" else ()
    answer = ltbench(*RUN, "--methods", "lift", "--seed", "0", *words, *network)
    assert answer.code
    assert sentence in answer.err
    assert answer.err.count("\n") == 1
    assert not (home / "results" / "runs").exists()


@pytest.mark.parametrize("network", [(), ("--network", "clip:tiny")])
def test_without_open_clip_the_extra_is_named(ltbench, home, network, monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    answer = ltbench(*RUN, "--protocol", "smoke", "--methods", "lift", "--seed", "0", *network)
    assert answer.code
    assert "`python -m pip install 'ltbench[clip]'`" in answer.err
    assert answer.err.count("\n") == 1
    plain = ltbench("show", "lift")
    assert plain.code == 0
    assert "ensembled" in plain.out


@pytest.fixture
def species(home, monkeypatch):
    """iNaturalist 2018 in small: two classes, its lists and its images."""
    name, counts = "inaturalist2018", (6, 4)
    info = replace(CATALOG[name], classes=2, head_count=6, test_count=3, counts=counts)
    monkeypatch.setitem(CATALOG, name, info)
    monkeypatch.setitem(KNOWN, name, info)
    parts = {
        "train": published.PublishedList("train.txt", None),
        "test": published.PublishedList("val.txt", 3),
    }
    monkeypatch.setitem(published.LISTS, name, parts)
    monkeypatch.setattr(published, "published_counts", lambda name: counts)
    monkeypatch.setenv("LTBENCH_WORKERS", "0")
    for file, sizes in (("train", counts), ("val", (3, 3))):
        lines = []
        for label in (0, 1):
            for number in range(sizes[label]):
                path = home / "images" / f"{file}{label}_{number}.jpg"
                path.parent.mkdir(exist_ok=True)
                image = Image.fromarray(pixels(number * 7 + label + 100 * (file == "val")))
                path.write_bytes(encoded(image, "JPEG"))
                lines.append(f"{path.name} {label}")
        (home / f"{file}.txt").write_text("\n".join(lines))
    return home


@pytest.mark.slow
def test_names_of_inaturalist_come_from_the_competitions_file(ltbench, species):
    prepare = ("data", "prepare", "inaturalist2018", "--images", "images", "--lists", ".")
    run = ("run", "--dataset", "inaturalist2018", "--network", "clip:tiny", "--seeds", "1",
           "--methods", "lift", "--quiet", "--protocol",
           "clip(epochs=1, pretrained=False, side=32)")  # fmt: skip
    bare = ltbench(*prepare)
    assert bare.code == 0, bare.err
    assert "categories.json or train2018.json is not beside the lists" in bare.out
    refused = ltbench(*run)
    assert refused.code == 2
    assert "prepare iNaturalist 2018 with the competition's categories.json" in refused.err
    names = ("Bellis perennis", "Turdus merula")
    rows = [{"id": label, "name": name} for label, name in enumerate(names)]
    (species / "categories.json").write_text(json.dumps(rows))
    assert "is not beside the lists" not in ltbench(*prepare).out
    done = ltbench(*run[:-1], "clip(epochs=1, pretrained=False, side=32, fraction=0.9)")
    assert done.code == 0, done.err
    (found,) = records(species)
    assert found["data"]["names_sha256"] == names_sha256(names)
    assert found["settings"]["epochs"] == 1
