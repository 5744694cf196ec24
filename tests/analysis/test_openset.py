"""Open-set numbers: the toy, the identities, scikit-learn, separated and shuffled scores."""

import csv
from pathlib import Path

import pytest
import torch
from made_runs import Linear, data, resnet, run_of, sample
from sklearn.metrics import f1_score

from ltbench.analysis.openset import (
    Decisions,
    OpenSet,
    perfect,
    scores_from,
    threshold_free,
)
from ltbench.analysis.subject import RunImages
from ltbench.errors import LtbenchError
from ltbench.evaluation.open_set import floor_of, never_rejecting


def decisions(right, accepted, unknown):
    return Decisions(*(torch.tensor(each, dtype=torch.bool) for each in (right, accepted, unknown)))


TOY = decisions([1] * 5 + [0] * 3, [1] * 7 + [0], [1, 1, 0, 0])


def test_the_three_formulas_on_the_toy():
    """8 known: 5 right, 2 wrong, 1 rejected; 4 unknown, 2 of them accepted."""
    assert TOY.f_measure("new") == pytest.approx(10 / 15)
    assert TOY.f_measure("old") == pytest.approx(10 / 14)
    assert TOY.f_measure("micro") == pytest.approx(10 / 17)


def random_decisions(seed):
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.rand(n, generator=draw) < share for n, share in ((200, 0.6), (200, 0.8), (70, 0.4))
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_new_formula_is_its_identity(seed):
    right, accepted, unknown = random_decisions(seed)
    made = Decisions(right, accepted, unknown)
    after = float((right & accepted).double().mean())
    rejected, ratio = 1 - float(unknown.double().mean()), 70 / 200
    exact = 2 * after / (1 + after + (1 - rejected) * ratio)
    assert made.f_measure("new") == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_micro_is_scikit_learns(seed):
    right, accepted, unknown = random_decisions(seed)
    truth = torch.arange(200) % 4
    guess = torch.where(right, truth, (truth + 1) % 4)
    told = torch.cat([torch.where(accepted, guess, -1), torch.where(unknown, 2, -1)])
    labels = torch.cat([truth, torch.full((70,), -1)])
    oracle = f1_score(labels, told, labels=[0, 1, 2, 3], average="micro")
    assert Decisions(right, accepted, unknown).f_measure("micro") == pytest.approx(oracle)


def test_who_never_rejects_scores_f_zero_and_who_is_perfect_its_own():
    right = torch.tensor([1] * 6 + [0] * 4, dtype=torch.bool)
    all_known, no_unknown = torch.ones(10, dtype=torch.bool), torch.zeros(5, dtype=torch.bool)
    never = Decisions(right, all_known, torch.ones(5, dtype=torch.bool))
    for formula in ("new", "old"):
        assert never.f_measure(formula) == pytest.approx(never_rejecting(0.6, 0.5))
    assert Decisions(right, all_known, no_unknown).f_measure("new") == pytest.approx(perfect(0.6))


def test_the_printed_places_value_is_that_of_never_rejecting():
    """43.7 / 40.2 / 28.0 of 131, 163 and 71 classes, as the release was measured again."""
    accuracy = (43.7 * 131 + 40.2 * 163 + 28.0 * 71) / 36500
    assert never_rejecting(accuracy, 6600 / 36500) == pytest.approx(0.497, abs=0.001)


def test_the_old_formula_tends_to_one_as_the_threshold_rises():
    right = torch.tensor([1] * 60 + [0] * 40, dtype=torch.bool)
    confident = torch.tensor([1] * 5 + [0] * 95, dtype=torch.bool)
    made = Decisions(right, confident, torch.zeros(50, dtype=torch.bool))
    assert made.f_measure("old") == 1
    assert made.f_measure("new") == pytest.approx(10 / (10 + 95))


def test_separated_scores_and_shuffled_ones():
    draw = torch.Generator().manual_seed(0)
    known, unknown = torch.rand(3000, generator=draw), torch.rand(2000, generator=draw)
    right = torch.ones(3000, dtype=torch.bool)
    apart = threshold_free(known + 1, unknown, right)
    assert apart == {"auroc": 1, "aupr_known": 1, "aupr_unknown": 1, "fpr95": 0, "oscr": 1}
    mixed = threshold_free(known, unknown, right)
    assert mixed["auroc"] == pytest.approx(0.5, abs=0.02)
    assert mixed["fpr95"] == pytest.approx(0.95, abs=0.02)
    assert mixed["aupr_known"] == pytest.approx(0.6, abs=0.02)


def test_oscr_of_separated_scores_is_the_closed_accuracy_and_of_ties_half_of_it():
    right = torch.tensor([1] * 70 + [0] * 30, dtype=torch.bool)
    apart = threshold_free(torch.ones(100), torch.zeros(40), right)
    assert apart["oscr"] == pytest.approx(0.7)
    assert threshold_free(torch.ones(100), torch.ones(40), right)["oscr"] == pytest.approx(0.35)


def test_scores_are_higher_for_what_is_known():
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(30, 4, generator=draw) + 5 * torch.eye(4)[torch.arange(30) % 3]
    scores = scores_from(features, torch.arange(30) % 3, 4)  # class 3 has no images
    near, far = 5 * torch.eye(4)[:1], -5 * torch.eye(4)[3:]
    for name in ("proto_cos", "proto_euclid"):
        assert scores[name](near, near) > scores[name](far, far)
    logits = torch.tensor([[2.0, 1.0], [0.5, 0.4]])
    assert scores["energy"](logits, logits)[0].item() == pytest.approx(
        logits[0].double().exp().sum().log().item()
    )


def test_rows_have_f_zero_beside_every_f_and_rejections_by_shot_group():
    network = resnet()
    unknown = {"noise": lambda: sample(seed=9)}
    given = RunImages(data().train, data().test, sample(seed=4), unknown)
    run = run_of(network)
    (part,) = OpenSet().parts(run, given)
    rows = OpenSet().analyse(run, network, given, part)
    quantities = {row["quantity"] for row in rows}
    assert {"f_new", "f_old", "f_micro", "f_above_never_rejecting", "auroc", "oscr"} <= quantities
    assert {row["decision"] for row in rows if row["score"] == "msp"} == {
        "",
        "official",
        "held-out",
    }
    assert {row["decision"] for row in rows if row["score"] == "energy"} == {"", "held-out"}
    rejected = {row["shots"] for row in rows if row["quantity"] == "known_rejected"}
    assert rejected == {"all", "many", "medium", "few"}
    value = {(r["decision"], r["quantity"]): r["value"] for r in rows if r["score"] in ("msp", "")}
    gap = value["official", "f_new"] - value["", "f_never_rejecting"]
    assert value["official", "f_above_never_rejecting"] == pytest.approx(gap)


def test_images_are_predicted_by_the_adjusted_logits_known_and_unknown_at_once():
    """All are told to be class 0, by what sees six known images a class beside twelve unknown."""
    network, seen = resnet(), []

    def adjust(logits):
        seen.append(len(logits))
        return logits + 100.0 * torch.eye(5)[0]

    given = RunImages(
        data().train, data().test, sample(seed=4), {"x": lambda: sample(seed=9).of([0, 1])}
    )
    run = run_of(network, adjust=adjust)
    (part,) = OpenSet().parts(run, given)
    rows = OpenSet().analyse(run, network, given, part)
    value = {(r["score"], r["decision"], r["quantity"]): r["value"] for r in rows}
    assert value["", "", "closed_accuracy"] == pytest.approx(0.2)
    assert value["", "", "f_never_rejecting"] == pytest.approx(0.4 / (1.2 + 12 / 30))
    assert value["msp", "official", "f_new"] == pytest.approx(0.4 / (1.2 + 12 / 30))
    assert (seen[0], set(seen[1:])) == (30 + 12, {30})


def test_a_data_set_without_unknown_images_is_refused():
    with pytest.raises(LtbenchError, match="no images of other classes"):
        OpenSet().parts(run_of(Linear(192, 5)), data())


# F_0 of the accuracies that CC-SAM's Table 4 prints, worked out apart from this code.
PRINTED = {
    "CE": (0.262, 0.367), "Lifted Loss": (0.360, 0.458), "Focal Loss": (0.360, 0.453),
    "Range Loss": (0.359, 0.457), "OpenMax": (0.367, 0.458), "OLTR": (0.407, 0.480),
    "IEM": (0.461, 0.525), "LUNA": (0.482, 0.520), "CC-SAM": (0.556, 0.511),
}  # fmt: skip


def test_every_printed_row_has_its_f_zero():
    path = Path(__file__).parents[2] / "tables" / "reported" / "cc_sam_table4.csv"
    found = {}
    for row in csv.DictReader(path.read_text().splitlines()):
        if row["metric"] == "top1_acc_pct":
            name = row["dataset"].lower().replace("-", "_")
            found.setdefault((row["method"], name), {})[row["split"]] = float(row["value"])
    for label, floors in PRINTED.items():
        for name, floor in zip(("imagenet_lt", "places_lt"), floors, strict=True):
            assert floor_of(name, found[label, name]) == pytest.approx(floor, abs=6e-4)


def test_what_never_rejects_on_the_published_sets_follows_from_the_accuracies_by_shot_group():
    """CC-SAM's on Places-LT: (131 x 41.2 + 163 x 41.8 + 71 x 36.4) / 365 of 100, M / N 0.1808."""
    accuracy = (131 * 0.412 + 163 * 0.418 + 71 * 0.364) / 365
    shots = {"many": 41.2, "medium": 41.8, "few": 36.4}
    found = floor_of("places_lt", shots)
    assert found == pytest.approx(2 * accuracy / (1 + accuracy + 6600 / 36500))
    assert found == pytest.approx(0.511, abs=5e-4)
    assert floor_of("places_lt", {**shots, "few": None}) is None
    assert floor_of("cifar10_lt", shots) is None
