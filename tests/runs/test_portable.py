"""State dicts for others and from others: plain torch loads them, strange ones are named."""

import copy

import pytest
import torch
import torch.nn.functional as F
from made_trainings import INFO, split, training
from torch import nn

from ltbench import build
from ltbench.engine.evaluate import finalised
from ltbench.errors import LtbenchError, UsageError
from ltbench.networks import CosineClassifier, create
from ltbench.runs.portable import (
    bring_in,
    brought,
    check_suffix,
    network_from,
    plain,
    published,
    save,
)


class Block(nn.Module):
    """A basic block of a stranger, who has no ltbench."""

    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.pad = stride, (width - before) // 2

    def forward(self, x):
        short = x if self.stride == 1 else x[:, :, ::2, ::2]
        short = F.pad(short, (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + short)


class Stranger(nn.Module):
    """A ResNet-8 by torchvision's names."""

    def __init__(self, classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2))
        self.layer3 = nn.Sequential(Block(32, 64, 2))
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def trained(method):
    own = training(split(), build(method), epochs=2)
    own.run(lambda report: None)
    return finalised(own.method, own.network)


@pytest.mark.parametrize("method", ["ce", "more", "ce+swa(start=0.0)", "ce+spectral_norm"])
@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_an_exported_network_predicts_the_same_without_ltbench(method, ending, tmp_path):
    network, path = trained(method), tmp_path / f"net.{ending}"
    save(plain(network), path)
    if ending == "pt":
        state = torch.load(path, weights_only=True)
    else:
        from safetensors.torch import load_file

        state = load_file(path)
    stranger = Stranger(4).eval()
    stranger.load_state_dict(state)
    with torch.no_grad():
        torch.testing.assert_close(stranger(IMAGES), network(IMAGES)["logits"])


def test_a_cosine_head_is_its_scale_times_unit_rows():
    network = create("resnet8", 3, 4).eval()
    network.classifier = CosineClassifier(64, 4, 16.0)
    state = plain(network)
    outputs = network(IMAGES)
    unit = F.normalize(outputs["features"], dim=1)
    torch.testing.assert_close(unit @ state["fc.weight"].T, outputs["logits"])
    again = network_from(state, "resnet8", 3, 4, scale=16.0)
    torch.testing.assert_close(again(IMAGES)["logits"], outputs["logits"])


def test_networks_of_several_branches_are_refused():
    with pytest.raises(LtbenchError, match="several branches or heads"):
        plain(trained("ride"))


@pytest.mark.parametrize("form", ["plain", "parallel", "linear", "transposed"])
def test_published_forms_are_understood(form, tmp_path):
    stranger = Stranger(4).eval()
    state = stranger.state_dict()
    expected = stranger(IMAGES)
    if form == "parallel":
        state = {"state_dict": {f"module.{name}": t for name, t in state.items()}, "epoch": 3}
    if form == "linear":
        state = {name.replace("fc.", "linear."): t for name, t in state.items()}
    if form == "transposed":  # a cosine head as LDAM's code stores it
        state = {n: t for n, t in state.items() if not n.startswith("fc.")}
        rows = stranger.fc.weight.detach()
        state["linear.weight"] = rows.T.contiguous()
        features = (expected - stranger.fc.bias) @ torch.linalg.pinv(rows).T
        assert features.shape == (4, 64)
    torch.save(state, tmp_path / "net.pth")
    network = network_from(published(tmp_path / "net.pth"), "resnet8", 3, 4, scale=30.0)
    found = network(IMAGES)
    if form == "transposed":
        unit = F.normalize(found["features"], dim=1)
        expected = 30 * unit @ F.normalize(rows, dim=1).T
    torch.testing.assert_close(found["logits"], expected)


def test_what_does_not_fit_is_named():
    state = Stranger(4).state_dict()
    for change, word in (
        (lambda s: s.pop("layer2.0.conv1.weight"), "lack layer2.0.conv1.weight"),
        (lambda s: s.update(extra=torch.ones(1)), "have extra"),
        (lambda s: s.update({"fc.weight": torch.ones(7, 64)}), r"fc.weight is \[7, 64\]"),
        (lambda s: s["conv1.weight"].fill_(torch.nan), "^conv1.weight of .* no number"),
    ):
        other = copy.deepcopy(state)
        change(other)
        with pytest.raises(LtbenchError, match=word):
            network_from(other, "resnet8", 3, 4, scale=30.0)


def test_files_that_are_no_state_dicts_are_said(tmp_path):
    path = tmp_path / "net.pth"
    with pytest.raises(LtbenchError, match=r"^there is no .*net\.pth; give the file of a state"):
        published(path)
    path.write_bytes(b"no weights")
    with pytest.raises(LtbenchError, match="does not read as weights"):
        published(path)
    torch.save([1, 2], path)
    with pytest.raises(LtbenchError, match="no state dict"):
        published(path)


def test_a_pickle_that_would_execute_is_refused(tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    path = tmp_path / "net.pt"
    path.write_bytes(pickle.dumps({"fc.weight": Evil()}))
    with pytest.raises(LtbenchError, match="does not read as weights"):
        published(path)
    assert not (tmp_path / "executed").exists()


def test_what_is_brought_in_says_where_it_is_from(tmp_path):
    source, target = tmp_path / "net.pth", tmp_path / "net.safetensors"
    torch.save(Stranger(4).state_dict(), source)
    network = network_from(published(source), "resnet8", 3, 4, scale=30.0)
    bring_in(source, target, network, {"dataset": INFO.name})
    state, told = brought(target)
    assert told["dataset"] == INFO.name
    assert len(told["source_sha256"]) == 64
    again = network_from(state, "resnet8", 3, 4, scale=30.0)
    assert torch.equal(again(IMAGES)["logits"], network(IMAGES)["logits"])
    save({"a": torch.ones(1)}, target)
    with pytest.raises(LtbenchError, match="ltbench weights import"):
        brought(target)


def test_files_that_were_not_imported_are_told_how(tmp_path):
    path = tmp_path / "net.pt"
    with pytest.raises(LtbenchError, match=r"there is no .*net.pt"):
        brought(path)
    torch.save({"a": torch.ones(1)}, path)
    with pytest.raises(LtbenchError, match="was not imported, or is damaged; bring it in with"):
        brought(path)


def test_weights_are_written_under_three_suffixes_and_no_other(tmp_path):
    for suffix in (".pt", ".pth", ".safetensors"):
        check_suffix(tmp_path / f"net{suffix}")
    with pytest.raises(UsageError, match="end the name so"):
        check_suffix(tmp_path / "net.onnx")
