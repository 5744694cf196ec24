"""Checkpoints: what goes in comes out, and a damaged file says what to do."""

import io
from dataclasses import asdict

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltbench.engine.checkpoint import Checkpoint, Progress
from ltbench.errors import LtbenchError
from ltbench.runs.files import write_file

CONTENT = {
    "network": {"weight": torch.arange(6.0).view(2, 3), "steps": torch.tensor(4)},
    "optimiser": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]},
    "states": [{"0": {"mean": torch.tensor([1.5, float("inf")]), "count": 3}, "1": {}}, {}],
    "progress": asdict(Progress(epoch=2, curves=[{"epoch": 1, "loss": 0.25}], best={"top1": 1.0})),
}


def packed(content=CONTENT):
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def same(left, right):
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and torch.equal(left, right)
    return left == right


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", write_file)
    checkpoint.save(CONTENT)
    assert same(checkpoint.load(), CONTENT)
    assert Progress(**checkpoint.load()["progress"]).curves == [{"epoch": 1, "loss": 0.25}]


def test_saving_replaces_what_was_there(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", write_file)
    checkpoint.save({**CONTENT, "states": [{}, {}]})
    checkpoint.save(CONTENT)
    assert same(checkpoint.load(), CONTENT)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_no_file_is_no_checkpoint(tmp_path):
    assert Checkpoint(tmp_path / "none.pt", write_file).load() is None


def test_a_checkpoint_is_read_without_running_code_of_the_file(tmp_path):
    class Trap:
        def __reduce__(self):
            return (print, ("sprung",))

    path = tmp_path / "checkpoint.pt"
    path.write_bytes(packed({**CONTENT, "states": [Trap()]}))
    with pytest.raises(LtbenchError, match="does not read"):
        Checkpoint(path, write_file).load()


def refused(path):
    with pytest.raises(LtbenchError) as caught:
        Checkpoint(path, write_file).load()
    text = str(caught.value)
    return (
        text.startswith(f"checkpoint {path} does not read (")
        and text.endswith("; delete it to train this run from the start.")
        and "\n" not in text
    )


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(packed()[:-100], id="cut at the end"),
        pytest.param(packed()[:100], id="cut at the start"),
        pytest.param(bytes(2000), id="zeros"),
        pytest.param(b"<html>404 Not Found</html>", id="a web page"),
        pytest.param(b"an error message", id="a text"),
        pytest.param(b"2024", id="a number"),
        pytest.param(packed([1, 2]), id="a list"),
        pytest.param(packed({"network": {}}), id="no progress"),
        pytest.param(packed({"progress": asdict(Progress())}), id="nothing but progress"),
    ],
)
def test_a_damaged_checkpoint_says_to_delete_it(tmp_path, content):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content)
    assert refused(path)


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_checkpoint_cut_anywhere_is_refused(tmp_path, share):
    path, whole = tmp_path / "checkpoint.pt", packed()
    path.write_bytes(whole[: int(share * len(whole))])
    assert refused(path)


def test_one_changed_byte_of_a_weight_is_noticed(tmp_path):
    path, whole = tmp_path / "checkpoint.pt", bytearray(packed())
    weight = CONTENT["network"]["weight"].numpy().tobytes()
    assert whole.count(weight) == 1
    whole[whole.index(weight) + 5] ^= 1
    path.write_bytes(whole)
    assert refused(path)


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path):
    assert refused(tmp_path)
