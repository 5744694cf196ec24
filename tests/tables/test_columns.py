"""The deviation of a column's methods: of rows that are complete, and never moved by others."""

import numpy as np
import pytest

from ltbench.statistics.pooling import pool
from ltbench.tables.cells import ResolvedColumn
from ltbench.tables.columns import ColumnScores
from ltbench.tables.definition import load

EXACT = ResolvedColumn(load("1").definition.columns[0], "resnet32", "paper")

WHOLE = {
    "ce": {0: 41.1, 1: 41.3, 2: 41.5}, "focal": {0: 38.4, 1: 38.6, 2: 38.1},
    "ldam_drw": {0: 42.0, 1: 42.2, 2: 41.8},
}  # fmt: skip


def column(**more):
    return ColumnScores(None, 3, {**WHOLE, **more})


def test_a_row_that_is_not_complete_changes_no_other_rows_deviation():
    partial = column(crt={0: 42.0, 1: 44.5})
    for method in WHOLE:
        assert partial.deviation(method) == column().deviation(method)
    assert partial.deviations.shared
    assert partial.gain("focal", "ce") == column().gain("focal", "ce")


def test_it_has_the_deviation_that_it_would_have_among_them():
    samples = [list(each.values()) for each in WHOLE.values()]
    expected = pool([*samples, [42.0, 44.5]]).each[-1]
    assert column(crt={0: 42.0, 1: 44.5}).deviation("crt") == expected
    assert column(crt={0: 42.0, 1: 42.1}).deviation("crt").freedom == 7  # pooled: 3 times 2, and 1


def test_a_gain_is_known_by_blocks_where_methods_deviate_alike_and_by_its_pairs_where_not():
    shared = column().gain("focal", "ce")
    rows = np.array([list(each.values()) for each in WHOLE.values()])
    residual = rows - rows.mean(1, keepdims=True) - rows.mean(0) + rows.mean()
    assert shared.freedom == 4
    assert shared.deviation == pytest.approx(np.sqrt(2 * (residual**2).sum() / 4))
    wild = column(crt={0: 30.0, 1: 50.0, 2: 41.0})
    assert not wild.deviations.shared
    own = np.std([WHOLE["focal"][seed] - WHOLE["ce"][seed] for seed in range(3)], ddof=1)
    found = wild.gain("focal", "ce")
    assert found.freedom == 2
    assert found.deviation > 10 * own  # none below what all rows leave


def test_a_row_that_does_not_vary_is_no_part_of_the_blocks():
    floor = column(ce_floor={0: 0.0, 1: 0.0, 2: 0.0})
    assert floor.gain("focal", "ce") == column().gain("focal", "ce")


def test_a_reported_gain_has_the_noise_of_a_seed_of_either_method():
    found = ColumnScores(EXACT, 3, WHOLE)
    evidence = found.gain_evidence("focal", "ce", -3.0, 1.0)
    assert evidence.noise == pytest.approx(np.sqrt(2) * found.deviation("ce").points)
    assert evidence.noise > found.gain("focal", "ce").deviation
    post_hoc = {"ce": WHOLE["ce"], "ce+tau": {0: 42.0, 1: 42.6, 2: 42.5}}
    pair = ColumnScores(EXACT, 3, post_hoc, {"ce": "ce", "ce+tau": "ce"})
    evidence = pair.gain_evidence("ce+tau", "ce", 1.0, 0.5)
    assert evidence.noise == evidence.deviation


def test_methods_read_off_one_training_are_one_measurement():
    post_hoc = {seed: score + 5 for seed, score in WHOLE["ce"].items()}
    both = ColumnScores(None, 3, {**WHOLE, "ce+tau": post_hoc}, {"ce": "ce", "ce+tau": "ce"})
    assert both.deviation("focal") == column().deviation("focal")
    assert both.deviation("ce+tau").freedom == 6
    assert both.deviation("ce+tau").points == pytest.approx(both.deviation("ce").points)
    assert both.gain("ldam_drw", "ce+tau").freedom == column().gain("ldam_drw", "ce").freedom == 4
    pair = both.gain("ce+tau", "ce")
    assert (pair.mean, pair.freedom) == (pytest.approx(5), 2)  # a pair alone, whose gain is exact
    assert pair.deviation == pytest.approx(0, abs=1e-9)


def test_rows_that_are_all_partial_have_their_own():
    alone = ColumnScores(None, 3, {"ce": {0: 1.0, 1: 3.0}})
    assert alone.deviation("ce").points == pytest.approx(2**0.5)
