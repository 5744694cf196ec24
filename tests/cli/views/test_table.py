import pytest
from consoles import printed

from ltbench.cli.views import table as module
from ltbench.cli.views.table import print_table
from ltbench.tables.definition import load
from ltbench.tables.grid import grid_of

OURS = ["53.2", "57.6", "68.7", "86.3", "88.2", "92.5", "67.3", "54.9", "34.9"]


def screen(grid, width: int) -> list[str]:
    return printed(print_table, grid, width=width).splitlines()


@pytest.mark.parametrize("width", [80, 100, 140, 200])
def test_table1_fits_side_by_side(store, width):
    lines = screen(grid_of(load("1"), store), width)
    table = lines[: next(i for i, line in enumerate(lines) if line.startswith("First line"))]
    assert max(map(len, table)) <= width
    (row,) = [line for line in table if line.startswith("GKP+GSA")]
    assert row.split()[2:] == OURS
    assert any("r=100 " in line and line.rstrip().endswith("few") for line in table)


def test_wide_and_narrow_show_the_same(store, make_record):
    for seed, top1 in enumerate((38.0, 39.0, 41.0)):
        store.write(make_record("ce", seed, top1))
    grid = grid_of(load("1"), store)
    wide, narrow = screen(grid, 140), screen(grid, 80)
    index = next(i for i, line in enumerate(wide) if line.startswith("CE"))
    assert wide[index + 1].split()[:4] == ["reproduced", "39.3", "±", "3.8"]
    assert wide[index + 2].split()[:2] == ["difference", "+1.0"]
    index = next(i for i, line in enumerate(narrow) if line.startswith("CE"))
    assert narrow[index + 1].split()[:2] == ["reproduced", "39.3"]
    assert narrow[index + 2].split()[:4] == ["95", "%", "interval", "±3.8"]
    assert narrow[index + 3].split()[:2] == ["difference", "+1.0"]


def test_another_number_of_seeds_is_shown(table, store, make_record):
    store.write(make_record("ce", 1, 38.0))
    lines = screen(grid_of(table, store), 80)
    assert any("38.0 (1)" in line for line in lines)
    assert not any("±" in line for line in lines if line.lstrip().startswith("reproduced"))


@pytest.mark.parametrize("width", [42, 45, 52, 56, 57, 58, 64, 72])
def test_columns_that_do_not_fit_go_beneath(store, width):
    lines = screen(grid_of(load("1"), store), width)
    end = next(i for i, line in enumerate(lines) if line.startswith("First line"))
    assert max(map(len, lines[2:end])) <= width
    rows = [line.split() for line in lines[:end] if line.startswith("GKP+GSA")]
    assert len(rows) > 1
    values = [value for row in rows for value in row[2:]]
    assert values == OURS


def test_commands_stay_on_one_line(store):
    lines = screen(grid_of(load("1"), store), 80)
    commands = [line for line in lines if line.startswith("  ltbench run ")]
    assert len(commands) == 6
    assert all("--imbalance" in line and "--results" in line for line in commands)
    assert any("does not have: " in line and "gkp_gsa" in line for line in lines) == (
        "gkp_gsa" not in module.names()
    )


def test_many_commands_are_cut_short(store, monkeypatch):
    monkeypatch.setattr(module, "SHOWN", 2)
    lines = screen(grid_of(load("1"), store), 80)
    assert sum(line.startswith("  ltbench run ") for line in lines) == 2
    assert "  and 4 others" in lines


def test_where_verdicts_stand_it_is_said_by_which_interval(store, make_record):
    told = "A verdict is by the interval that `ltbench ledger` shows"
    assert told not in " ".join(printed(print_table, grid_of(load("1"), store), width=200).split())
    for seed in range(3):
        store.write(make_record("ce", seed, 38.0 + seed))
    assert told in " ".join(printed(print_table, grid_of(load("1"), store), width=200).split())


def test_full_table_has_no_commands(table, store, make_record):
    for method in ("ce", "ce+sam(rho=0.1)", "not_written"):
        for dataset in ("cifar100_lt(imbalance=100)", "cifar10_lt(imbalance=50)"):
            for seed in range(3):
                store.write(make_record(method, seed, 38.0, dataset=dataset))
    lines = screen(grid_of(table, store), 80)
    assert "Cells: 9 complete, 3 not implemented." in lines
    assert not any("ltbench run" in line or "does not have" in line for line in lines)


def test_what_is_not_implemented_is_told_without_colour(table, store):
    lines = screen(grid_of(table, store), 80)
    assert any(line.startswith("Never *") for line in lines)
    assert "* not implemented, hence reported only." in lines
    assert not any(line.startswith("Later *") for line in lines)


def test_the_paper_is_named(store):
    assert screen(grid_of(load("5"), store), 80)[1] == "Reported by GKP+GSA (CVPR 2026)"


def test_without_reported_values_a_method_has_one_line(mine, store, make_record):
    mine.write_text(mine.read_text().replace("reported: reported/mine.csv\n", ""))
    for seed in range(3):
        store.write(make_record("ce", seed, 38.0 + seed))
    lines = screen(grid_of(load(str(mine)), store), 80)
    (line,) = [line for line in lines if line.startswith("[CE]")]
    assert line.split()[1:4] == ["39.0", "±", "2.5"]
    assert not any("reproduced" in line or "First line" in line for line in lines)


def test_texts_of_the_table_are_not_markup(table, store):
    text = "\n".join(screen(grid_of(table, store), 80))
    assert "[CE]" in text
    assert "A table of 100 % my own_" in text


def test_problems_are_shown(table, store, make_record):
    path = store.write(make_record("ce", 0, 38.0))
    path.write_text("")
    assert any(f"{path} does not read" in line for line in screen(grid_of(table, store), 80))
