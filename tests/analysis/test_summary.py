"""What analyses say beside accuracy: means over classes and seeds, F beside F_0."""

import pytest

from ltbench.analysis.results import Result, as_csv, path_of
from ltbench.analysis.summary import flatness, open_set
from ltbench.runs.files import write_text
from ltbench.runs.store import Cell, Store
from ltbench.tables.definition import load
from ltbench.tables.write.analysed import as_csv as rows_csv
from ltbench.tables.write.analysed import markdown

DATA, PROTOCOL = "cifar10_lt(imbalance=100)", "fast(epochs=5, warmup_epochs=1)"


def place(store, analysis, rows, method, seed, data=DATA, protocol=PROTOCOL):
    cell = Cell(data, protocol, "resnet8", method, seed)
    header = {"analysis": analysis, "settings": "made up", "dataset": data, "method": method,
              "protocol": protocol, "network": "resnet8", "seed": str(seed)}  # fmt: skip
    write_text(path_of(store, cell, analysis), as_csv(Result(header, rows)))


def hessian(shift):
    return [
        {"group": label, "quantity": name, "value": value}
        for label in range(10)
        for name, value in (("lambda_max", 10.0 + label + shift), ("trace", 7.0), ("node", 1e6))
    ]


def openset(gain):
    rows = []
    for unknown, floor in (("noise", 0.5), ("cifar100", 0.3)):
        fixed = {"unknown": unknown, "shots": "all"}
        rows.append({**fixed, "quantity": "f_never_rejecting", "value": floor})
        rows.append({**fixed, "score": "msp", "quantity": "auroc", "value": 0.75})
        for decision in ("official", "held-out"):
            own = {**fixed, "score": "msp", "decision": decision}
            rows += [
                {**own, "quantity": name, "value": value}
                for name, value in (("f_new", floor + gain), ("f_old", 0.9), ("f_micro", 0.2),
                                    ("f_above_never_rejecting", gain))
            ]  # fmt: skip
            rows.append({**own, "shots": "few", "quantity": "known_rejected", "value": 1e6})
    return rows


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_flatness_is_the_mean_over_a_groups_classes_with_intervals_over_seeds(store):
    for seed in range(3):
        place(store, "hessian(probes=1)", hessian(shift=2.0 * seed), "ce", seed)
    place(store, "hessian(probes=1)", hessian(0.0), "not_in_the_table", 0)
    place(store, "hessian(probes=1)", hessian(0.0), "ce", 0, data="digits_lt(imbalance=20)")
    many, medium = flatness(load("1").cells(), store)
    assert (many.group, medium.group, many.method) == ("many", "medium", "ce")
    assert many.setting == f"{DATA}, resnet8, {PROTOCOL}; made up"
    assert many.values["lambda_max"].mean == pytest.approx(13.5 + 2)
    assert medium.values["lambda_max"].mean == pytest.approx(18.5 + 2)
    assert medium.values["lambda_max"].half_width == pytest.approx(4.303 * 2 / 3**0.5, abs=1e-3)
    assert set(medium.values) == {"lambda_max", "trace"}


def test_shot_groups_are_of_the_images_that_a_protocol_leaves(store):
    """Of a tenth of CIFAR-10-LT, classes 4 to 6 are medium and 7 to 9 few."""
    place(store, "hessian(probes=1)", hessian(0.0), "ce", 0, protocol="fast(fraction=0.1)")
    found = {
        each.group: each.values["lambda_max"].mean for each in flatness(load("1").cells(), store)
    }
    assert found == {"many": 11.5, "medium": 15.0, "few": 18.0}


def test_methods_stand_in_the_order_of_the_table(store):
    for method in ("bcl", "ce", "gkp_gsa"):
        place(store, "hessian", hessian(0.0), method, 0)
    assert [line.method for line in flatness(load("1").cells(), store)[::2]] == [
        "ce",
        "bcl",
        "gkp_gsa",
    ]


def test_open_set_has_three_formulas_and_what_is_beyond_never_rejecting(store):
    for seed, gain in enumerate((0.01, 0.03)):
        place(store, "openset", openset(gain), "ce", seed)
    lines = {line.group: line for line in open_set(store)}
    assert list(lines) == [
        f"{unknown}, msp, {decision} threshold"
        for unknown in ("noise", "cifar100") for decision in ("official", "held-out")
    ]  # fmt: skip
    found = lines["cifar100, msp, held-out threshold"]
    assert {name: round(each.mean, 6) for name, each in found.values.items()} == {
        "f_new": 0.32, "f_old": 0.9, "f_micro": 0.2, "f_never_rejecting": 0.3,
        "f_above_never_rejecting": 0.02, "auroc": 0.75,
    }  # fmt: skip
    assert found.seeds == (0, 1)


def test_files_have_every_value_and_the_seeds_it_is_of(store):
    for seed in (0, 1):
        place(store, "hessian", hessian(2.0 * seed), "ce", seed)
    lines = flatness(load("1").cells(), store)
    assert ",ce,medium,lambda_max,19.5,,2,0 1\n" in rows_csv(lines).replace('"', "")
    assert "| ce | medium | 19.5 | 7.0 | 2 |" in markdown(lines)
