"""A plan as a whole: what its parts say of a table together."""

from ltbench.planning.planner import plan
from ltbench.runs.timing import StepTimer
from ltbench.runs.workspace import Workspace
from ltbench.tables.cells import ResolvedColumn
from ltbench.tables.columns import judged_rows
from ltbench.tables.definition import load


def test_a_data_sets_spread_is_told_for_the_largest_family_of_its_columns(tmp_path):
    """Table 1's rows report CIFAR-100-LT at r = 100 more often than at 50 and 10."""
    table = load("1")
    timer = StepTimer(Workspace(tmp_path, tmp_path / "none"), str)
    found = plan(table, (0, 1, 2), None, None, at_least=3, timer=timer)
    families, ordered = {}, {}
    for column in table.definition.columns:
        key = (column.data.info.title, column.metric)
        size = len(judged_rows(table, ResolvedColumn.of(table, column)))
        families.setdefault(key, []).append(size)
        # Table 1 has no other columns than top-1 where a row's top-1 is not reported.
        alike = [each for each in table.definition.columns if each.data == column.data]
        rows = [row for row in table.definition.rows if row.method and any(
            table.value(row, each) is not None for each in alike
        )]  # fmt: skip
        ordered.setdefault(key, []).append(len(rows))
    assert any(len(set(sizes)) > 1 for sizes in families.values())
    assert {key: each.family for key, each in found.spread.items()} == {
        key: max(sizes) for key, sizes in families.items()
    }
    assert {key: each.methods for key, each in found.spread.items()} == {
        key: min(sizes) for key, sizes in ordered.items()
    }
    assert max(ordered["CIFAR-10-LT", "top1"]) < 12  # what the paper leaves out measures nothing
