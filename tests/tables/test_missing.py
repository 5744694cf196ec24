import shlex
from pathlib import Path

import pytest

from ltbench.runs.store import Store
from ltbench.tables.definition import load
from ltbench.tables.grid import build
from ltbench.tables.missing import commands, unavailable

METHODS = {"ce", "sam"}


def test_one_command_a_data_set(table):
    assert commands(build(table, Store(Path("results"))), METHODS) == [
        "ltbench run --methods 'ce,ce+sam(rho=0.1)' --dataset cifar100_lt --imbalance 100 "
        "--seeds 0,1,2",
        "ltbench run --methods 'ce,ce+sam(rho=0.1)' --dataset cifar10_lt --imbalance 50 "
        "--seeds 0,1,2",
    ]


def test_plain_names_need_no_quotes(mine):
    mine.write_text(mine.read_text().replace("ce + sam(rho=0.10)", "ce+sam"))
    first, _ = commands(build(load(str(mine)), Store(Path("results"))), METHODS)
    assert first.startswith("ltbench run --methods ce,ce+sam --dataset")


def test_what_cannot_run_has_no_command(table):
    grid = build(table, Store(Path("results")))
    assert unavailable(grid, METHODS) == ["not_written"]
    assert [shlex.split(line)[3] for line in commands(grid, {"ce"})] == ["ce", "ce"]
    assert commands(grid, {"sam"}) == []


def test_only_what_lacks_is_run(table, tmp_path, monkeypatch, make_record):
    monkeypatch.chdir(tmp_path)
    store = Store(Path("results"))
    for seed in range(3):
        store.write(make_record("ce", seed, 38.0))
    first, second = commands(build(table, store), METHODS)
    assert shlex.split(first)[3] == "ce+sam(rho=0.1)"
    assert shlex.split(second)[3] == "ce,ce+sam(rho=0.1)"
    for seed in range(3):
        store.write(make_record("ce", seed, 38.0, dataset="cifar10_lt(imbalance=50)"))
    assert not any("ce," in line for line in commands(build(table, store), METHODS))


def test_full_table_needs_nothing(table, store, make_record):
    for method in ("ce", "ce+sam(rho=0.1)", "not_written"):
        for dataset in ("cifar100_lt(imbalance=100)", "cifar10_lt(imbalance=50)"):
            for seed in range(3):
                store.write(make_record(method, seed, 38.0, dataset=dataset))
    grid = build(table, store)
    assert commands(grid, METHODS) == []
    assert unavailable(grid, METHODS) == []


@pytest.mark.parametrize(
    ("old", "new", "protocol", "words"),
    [
        ("title", "title", "fast", "--protocol fast"),
        ("title", "title", "fast(epochs=3)", "--protocol 'fast(epochs=3)'"),
        ("protocol: paper", "network: resnet8", None, "--network resnet8"),
        ("[0, 1, 2]", "[4]", None, "--seeds 4,"),
        ("[0, 1, 2]", "[4, 0]", None, "--seeds 4,0"),
        ("imbalance=50", "imbalance=2.5", None, "--dataset cifar10_lt --imbalance 2.5"),
    ],
)
def test_options_that_differ_from_the_defaults(mine, old, new, protocol, words):
    mine.write_text(mine.read_text().replace(old, new))
    grid = build(load(str(mine)), Store(Path("results")), protocol)
    assert words in "\n".join(commands(grid, METHODS))


def test_another_results_folder_is_named(table):
    for line in commands(build(table, Store(Path("my results"))), METHODS):
        assert line.endswith("--results 'my results'")
