"""Runs of CLIP from a file of weights to a comparison, and what is said where one cannot begin."""

import hashlib
import json
import sys

import pytest
import torch
from made_clip import their_clip

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
