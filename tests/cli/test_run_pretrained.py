"""Runs that begin from weights of one's own: named, recorded by hash, never fetched."""

import hashlib
import json

import pytest
import torch

from ltbench.networks import create

RUN = ("run", "--dataset", "digits_lt", "--protocol", "smoke(pretrained=True)", "--quiet")


@pytest.fixture
def weights(home):
    """Two files of other trainings' weights."""
    paths = []
    for seed in range(2):
        torch.manual_seed(seed)
        state = create("resnet8", 1, 4).state_dict()
        names = [name.removeprefix("backbone.") for name in state]
        for stage in range(3):
            names = [name.replace(f"stages.{stage}.", f"layer{stage + 1}.") for name in names]
        path = home / f"weights{seed}.pth"
        torch.save(dict(zip(names, state.values(), strict=True)), path)
        paths.append(path)
    return paths


def records(home):
    paths = sorted((home / "results" / "runs").rglob("seed*.json"))
    return [json.loads(path.read_text()) for path in paths]


def test_a_run_begins_from_the_file_that_is_named_and_says_which(ltbench, home, weights):
    done = ltbench(*RUN, "--methods", "ce,crt", "--seed", "0", "--pretrained", weights[0])
    assert done.code == 0, done.err
    digest = hashlib.sha256(weights[0].read_bytes()).hexdigest()
    assert [each["pretrained_sha256"] for each in records(home)] == [digest] * 2
    assert {each["protocol"] for each in records(home)} == {"smoke(pretrained=True)"}
    plain = ltbench("run", "--dataset", "digits_lt", "--protocol", "smoke", "--methods", "ce",
                    "--seed", "0", "--quiet")  # fmt: skip
    assert plain.code == 0
    found = {each["pretrained_sha256"]: each["last"]["top1"] for each in records(home)}
    assert set(found) == {digest, ""}


def test_seeds_from_other_weights_have_no_mean(ltbench, home, weights):
    for seed, path in enumerate(weights):
        ltbench(*RUN, "--methods", "ce", "--seed", seed, "--pretrained", path)
    done = ltbench(*RUN, "--methods", "ce", "--seeds", "2")
    assert "seed 0 and seed 1 from other pretrained weights" in done.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "none are ever downloaded; name their file with --pretrained"),
        (("--pretrained", "none.pth"), "there is no none.pth; give the file of a state dict"),
        (("--pretrained", "weights0.pth", "--network", "resnet20"), "pretrained weights lack"),
        (("--pretrained", "weights0.pth", "--protocol", "smoke"), "begins from random weights"),
    ],
)
@pytest.mark.usefixtures("weights")
def test_what_cannot_be_begun_from_is_said_before_training(ltbench, home, words, sentence):
    answer = ltbench(*RUN, "--methods", "ce", "--seed", "0", *words)
    assert answer.code
    assert sentence in answer.err
    assert answer.err.count("\n") == 1
    assert not (home / "results" / "runs").exists()


def test_another_file_does_not_go_on_from_a_checkpoint(tmp_path, weights, home):
    from ltbench.data.catalog import dataset
    from ltbench.errors import LtbenchError
    from ltbench.runs.plan import make
    from ltbench.runs.store import Store
    from ltbench.runs.training import training_of
    from ltbench.runs.workspace import Workspace

    (job,) = make([dataset("digits_lt")], ["ce"], [0], Store(home), protocol_name=RUN[4]).jobs
    workspace = Workspace(home, home, pretrained=weights[0])
    training = training_of(job, workspace)
    assert torch.equal(
        training.network.backbone.conv1.weight.cpu(), torch.load(weights[0])["conv1.weight"]
    )
    training.run(lambda event: None)
    training_of(job, workspace)
    with pytest.raises(LtbenchError, match="began from other pretrained weights than"):
        training_of(job, Workspace(home, home, pretrained=weights[1]))
