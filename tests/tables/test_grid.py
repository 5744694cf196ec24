import pytest

from ltbench.errors import UsageError
from ltbench.registry.methods import build, describe
from ltbench.runs.store import Cell, Store
from ltbench.statistics.estimates import mean_interval
from ltbench.tables.definition import load
from ltbench.tables.grid import grid_of


def test_mean_interval_and_difference(table, store, make_record):
    for seed, top1 in enumerate((38.0, 39.0, 41.0)):
        store.write(make_record("ce", seed, top1, shots=(60.0, 40.0, 8.0 + seed)))
    everything, few, other = grid_of(table, store).lines[0]
    assert everything.reproduced == mean_interval([38.0, 39.0, 41.0])
    assert everything.difference == pytest.approx(118 / 3 - 38.3)
    assert (everything.seeds, everything.status) == ((0, 1, 2), "complete")
    assert few.reproduced.mean == 9.0  # from the same three records
    assert few.difference == pytest.approx(-0.1)
    assert (other.reproduced, other.status, other.absent) == (None, "not run", True)


def test_other_cells_do_not_count(table, store, make_record):
    store.write(make_record("ce", 0, 38.0))
    for stranger in (
        make_record("ce", 3, 90.0),
        make_record("ce", 1, 90.0, protocol="paper(epochs=10)"),
        make_record("ce", 1, 90.0, network="resnet8"),
        make_record("ce", 1, 90.0, dataset="cifar100_lt(imbalance=50)"),
        make_record("ce+sam", 1, 90.0),
    ):
        store.write(stranger)
    entry = grid_of(table, store).lines[0][0]
    assert entry.reproduced == mean_interval([38.0])
    assert (entry.status, entry.absent) == ("partial (1 of 3 seeds)", True)
    assert str(entry) == "38.0 (1)"


def test_a_method_that_reads_all_test_images_is_marked_in_its_cell(table, store, make_record):
    said = ["transductive: it reads all test images"]
    store.write(make_record("ce", 0, 38.0).model_copy(update={"deviations": said}))
    store.write(make_record("ce+sam(rho=0.1)", 0, 38.0))
    found = grid_of(table, store)
    (marked, *_), (plain, *_) = found.lines[0], found.lines[1]
    assert (str(marked), str(plain)) == ("38.0 T (1)", "38.0 (1)")
    assert "T: transductive" in found.caption
    store.write(make_record("ce", 0, 38.0))
    assert "transductive" not in grid_of(table, store).caption


@pytest.mark.parametrize(
    ("written", "filed"),
    [
        ("ce+sam(rho=1)", "ce+sam(rho=1.0)"),
        ("ce+sam(rho=0.05)", "ce+sam"),
        ("ldam_drw(scale=20.0, max_margin=0.3)", "ldam_drw(max_margin=0.3, scale=20.0)"),
        ("gkp_gsa(cap=0.05, groups=4)", "gkp_gsa"),
    ],
)
def test_a_row_finds_its_records_however_its_method_is_written(
    mine, store, make_record, written, filed
):
    mine.write_text(mine.read_text().replace("ce + sam(rho=0.10)", written))
    store.write(make_record(describe(build(written)), 0, 38.0))
    table = load(str(mine))
    assert table.definition.rows[1].method == filed
    assert grid_of(table, store).lines[1][0].reproduced == mean_interval([38.0])


def test_other_protocol_is_a_proxy(table, store, make_record):
    for seed in range(3):
        store.write(make_record("ce", seed, 30.0, protocol="fast(epochs=20)"))
    grid = grid_of(table, store, "fast( epochs = 20 )")
    assert grid.lines[0][0].status == "proxy"
    assert grid.lines[0][2].status == "not run"
    assert "Proxy: protocol fast(epochs=20) can neither confirm nor contradict" in grid.caption
    assert grid.name.startswith("mine_fast-epochs=20")
    assert "Proxy" not in grid_of(table, store).caption
    assert grid_of(table, store, "paper").name == "mine"


def test_protocol_that_a_data_set_lacks(table, store):
    with pytest.raises(UsageError, match="unknown protocol for cifar100_lt 'long'"):
        grid_of(table, store, "long")


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("last", ((0, 1), mean_interval([38.0, 39.0]), "partial (2 of 3 seeds)")),
        ("best_test", ((1,), mean_interval([44.0]), "partial (1 of 3 seeds)")),
        ("validation", ((), None, "no score")),
    ],
)
def test_scores_are_of_the_epoch_that_the_table_selects(mine, store, make_record, select, expected):
    mine.write_text(mine.read_text() + f"select: {select}\n")
    store.write(make_record("ce", 0, 38.0))
    store.write(make_record("ce", 1, 39.0, best=44.0))
    grid = grid_of(load(str(mine)), store)
    entry = grid.lines[0][0]
    assert (entry.seeds, entry.reproduced, entry.status) == expected
    assert ("optimistic" in grid.caption) == (select == "best_test")


def test_group_without_classes_is_not_missing(table, store, make_record):
    for seed in range(3):
        store.write(make_record("ce", seed, 38.0, shots=(38.0, None, None)))
    entry = grid_of(table, store).lines[0][1]
    assert (entry.reproduced, entry.status, entry.absent) == (None, "no score", False)


def test_spoilt_records_are_named_and_left_out(table, store, make_record):
    paths = [store.write(make_record("ce", seed, 38.0)) for seed in range(3)]
    paths[0].write_text("{")
    paths[1].write_text(paths[2].read_text())
    grid = grid_of(table, store)
    assert grid.lines[0][0].seeds == (2,)
    assert grid.lines[0][0].absent
    first, second = grid.problems
    assert str(paths[0]) in first
    assert "delete it and run again" in first
    assert second == f"{paths[1]} holds the record of another cell; move or delete it."


def test_each_record_is_read_once(table, store, make_record, monkeypatch):
    for seed in range(3):
        store.write(make_record("ce", seed, 38.0))
    read: list[Cell] = []
    honest = Store.read
    monkeypatch.setattr(Store, "read", lambda self, cell: read.append(cell) or honest(self, cell))
    grid_of(table, store)
    assert len(read) == len(set(read)) == 3 * 2 * 3  # methods, data sets, seeds


def test_reported_value_without_a_place_is_a_problem(mine, store):
    path = mine.parent / "reported" / "mine.csv"
    path.write_text(path.read_text().replace("[CE],CIFAR-10-LT", "CE,CIFAR-10-LT"))
    grid = grid_of(load(str(mine)), store)
    assert grid.lines[0][2].reported is None
    assert grid.problems == (
        "1 of 4 reported values belong to no row and column, such as 'CE' on 'CIFAR-10-LT', "
        "r = 50, resnet32, 'top1'; the cell most like it is '[CE]' on 'CIFAR-10-LT', r = 50, "
        "resnet32, 'top1'.",
    )


def test_reported_value_of_another_network_is_not_ours(mine, store):
    mine.write_text(mine.read_text() + "network: resnet8\n")
    grid = grid_of(load(str(mine)), store)
    assert all(entry.reported is None for line in grid.lines for entry in line)


def test_best_is_marked_where_the_interval_sets_it_apart(table, store, make_record):
    for seed, (low, high) in enumerate([(38.0, 45.0), (38.2, 45.2), (38.4, 45.4)]):
        store.write(make_record("ce", seed, low, shots=(60.0, 40.0, 10.0 + seed)))
        store.write(make_record("ce+sam(rho=0.1)", seed, high, shots=(60.0, 40.0, 11.0 + seed)))
    lines = grid_of(table, store).lines
    assert [[entry.best for entry in line] for line in lines[:2]] == [
        [False, False, False],
        [True, False, False],
    ]


@pytest.mark.usefixtures("places_unread")
def test_a_data_set_that_only_papers_have(mine, store):
    text = mine.read_text().replace("cifar10_lt(imbalance=50)}", "places_lt, network: resnet152}")
    mine.write_text(text)
    path = mine.parent / "reported" / "mine.csv"
    path.write_text(path.read_text() + "Later,Places-LT,ResNet-152,,all,top1_acc_pct,44.4\n")
    grid = grid_of(load(str(mine)), store)
    resolved, entry = grid.columns[2], grid.lines[2][2]
    assert (resolved.network, resolved.protocol) == ("resnet152", "paper")
    assert (entry.reported, entry.reproduced) == (44.4, None)
    assert (entry.status, entry.absent) == ("data set not available", False)
    assert grid_of(load(str(mine)), store, "fast").columns[2].protocol == "fast"


def test_a_row_may_need_another_method_on_one_data_set(mine, store, make_record):
    text = mine.read_text().replace(
        "method: ce}", "method: ce, by_dataset: {cifar10_lt: sam(rho=0.5)}}"
    )
    mine.write_text(text)
    cifar10 = "cifar10_lt(imbalance=50)"
    store.write(make_record("ce", 0, 38.0))
    store.write(make_record("ce", 0, 70.0, dataset=cifar10))
    store.write(make_record("sam(rho=0.5)", 0, 75.0, dataset=cifar10))
    first, _, last = grid_of(load(str(mine)), store).lines[0]
    assert (first.reproduced.mean, last.reproduced.mean) == (38.0, 75.0)
    mine.write_text(
        mine.read_text().replace("{cifar10_lt: sam", '{"cifar10_lt(imbalance=50)": sam')
    )
    assert grid_of(load(str(mine)), store).lines[0][2] == last


def test_a_column_may_have_its_own_network(mine, store, make_record):
    mine.write_text(mine.read_text().replace("metric: few}", "metric: few, network: resnet8}"))
    store.write(make_record("ce", 0, 38.0, network="resnet8", shots=(60.0, 40.0, 7.0)))
    every, few, _ = grid_of(load(str(mine)), store).lines[0]
    assert every.reproduced is None
    assert few.reproduced.mean == 7.0
    assert (every.reported, few.reported) == (38.3, None)  # the paper's is of ResNet-32


def test_values_that_the_paper_describes_loosely_are_found(mine, store):
    path = mine.parent / "reported" / "mine.csv"
    path.write_text(path.read_text().replace("[CE],CIFAR-100-LT,ResNet-32", "[CE],CIFAR-100-LT,"))
    grid = grid_of(load(str(mine)), store)
    assert grid.lines[0][0].reported == 38.3
    assert grid.problems == ()


def test_verdicts_stand_beside_the_values(table, store, make_record):
    for seed, top1 in enumerate((38.2, 38.3, 38.4)):
        store.write(make_record("ce", seed, top1, shots=(60.0, 40.0, 19.0 + seed / 10)))
        store.write(make_record("ce", seed, top1, protocol="fast"))
    everything, few, other = grid_of(table, store).lines[0]
    assert (str(everything.verdict), str(few.verdict), other.verdict) == ("holds", "differs", None)
    assert grid_of(table, store, "fast").lines[0][0].verdict is None


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ([0], "mean over n = 1 seed ("),
        ([0, 1], "mean over n = 2 seeds ("),
        ([0, 1, 2], "t-interval"),
    ],
)
def test_the_caption_speaks_of_an_interval_where_the_seeds_have_one(mine, store, seeds, words):
    mine.write_text(mine.read_text().replace("seeds: [0, 1, 2]", f"seeds: {seeds}"))
    caption = grid_of(load(str(mine)), store).caption
    assert words in caption
    assert ("interval over" in caption) == (len(seeds) > 2)


OWN = """
title: Mine
seeds: [0, 1, 2]
columns:
  - {header: a, dataset: cifar100_lt}
  - {header: b, dataset: digits_lt}
rows:
  - {label: CE, method: ce}
"""


def test_an_own_table_names_protocols_by_data_set_and_no_paper(tmp_path, store, make_record):
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    table = load(str(path))
    caption = grid_of(table, store).caption
    assert (
        "protocols paper (cifar100_lt(imbalance=100)), fast (digits_lt(imbalance=20))." in caption
    )
    assert "paper." not in caption
    for seed in range(3):
        store.write(make_record("ce", seed, 30.0, protocol="fast"))
    own = grid_of(table, store, "fast")
    assert "protocol fast." in own.caption
    assert own.lines[0][0].status == "complete"
