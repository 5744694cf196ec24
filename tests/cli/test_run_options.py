"""What options of a run mean together."""

import pytest

from ltbench.cli.run_options import ALL, forced, table_of
from ltbench.errors import UsageError


def test_force_alone_means_every_method_and_names_mean_those():
    assert forced(None, ["ce"]) is False
    assert forced(ALL, ["ce"]) is True
    assert forced("sam, ce", ["ce+sam", "ce"]) == ["sam", "ce"]
    with pytest.raises(UsageError, match="--force focal: that is none of the methods"):
        forced("focal", ["ce"])


def test_a_table_stands_instead_of_methods_and_data_sets():
    assert table_of(None, beside=True, whole=True) is None
    assert table_of("1", beside=False, whole=False).name == "table1"
    with pytest.raises(UsageError, match="--table says what to run"):
        table_of("1", beside=True, whole=True)
    with pytest.raises(UsageError, match="nothing to run"):
        table_of(None, beside=True, whole=False)
