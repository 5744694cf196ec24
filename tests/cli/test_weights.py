"""`ltbench weights` and `evaluate --weights`: out of a run and in again, of the same accuracy."""

import json

import pytest

RUN = (
    "run", "--methods", "ce", "--dataset", "digits_lt", "--protocol",
    "smoke(fraction=1.0)", "--seeds", "1", "--quiet", "--keep", "weights",
)  # fmt: skip
IMPORTED = ("--dataset", "digits_lt", "--network", "resnet8")


@pytest.mark.slow
def test_exported_weights_come_in_again_with_the_records_accuracy(ltbench, home):
    assert ltbench(*RUN).code == 0
    (path,) = home.glob("results/runs/**/seed0.json")
    assert ltbench("weights", "export", path, "--output", "net.pt").code == 0
    assert ltbench("weights", "import", "net.pt", *IMPORTED).code == 0
    shown = ltbench("evaluate", "--weights", "results/weights/net.safetensors")
    assert shown.code == 0
    assert "digits_lt(imbalance=20), resnet8" in shown.out
    (row,) = (line.split() for line in shown.out.splitlines() if line.startswith("net "))
    scores = json.loads(path.read_text())["last"]
    assert row[1:5] == [f"{scores[name]:.1f}" for name in ("top1", "many", "medium", "few")]


@pytest.mark.parametrize(
    ("name", "words"), [("none.pt", "there is no none.pt; give"), ("text.pt", "damaged")]
)
def test_what_does_not_read_is_one_sentence_without_advice_to_execute_it(
    ltbench, home, name, words
):
    (home / "text.pt").write_text("{}")
    answer = ltbench("weights", "import", name, *IMPORTED)
    assert answer.code == 1
    assert words in answer.err
    assert "weights_only" not in answer.err
