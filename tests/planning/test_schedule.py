"""What to run first: most decided values a second, within a budget, nothing paid for twice."""

import dataclasses
from types import SimpleNamespace

import pytest

from ltbench.data.catalog import dataset
from ltbench.planning.candidates import Candidate
from ltbench.planning.planner import commands
from ltbench.planning.schedule import order, seed_counts
from ltbench.planning.targets import Judgement, Target
from ltbench.runs import plan as runs_plan
from ltbench.runs.cost import PaidTrainings
from ltbench.runs.recorded_cost import CostEstimate
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace
from ltbench.statistics.pooling import Deviation
from ltbench.statistics.power import OtherSeeds
from ltbench.statistics.verdict import decided, value
from ltbench.tables.definition import Column

SEEDS = (0, 1, 2)


@pytest.fixture
def empty(tmp_path):
    return Store(tmp_path / "none")


def candidate(
    store, method, *, values=1, deviation=0.3, scores=(), now=None, seeds=SEEDS,
    imbalance=20.0,
):  # fmt: skip
    sets = [dataset("digits_lt", imbalance)]
    jobs = tuple(
        runs_plan.make(sets, [method], [seed], store).jobs if index >= len(scores) else ()
        for index, seed in enumerate(seeds)
    )
    column = Column(header="all", dataset=str(sets[0]))
    by_seed = (*scores, *[None] * (len(seeds) - len(scores)))
    target = Target(column, 50.0, 1.0, by_seed, deviation, 1, 1, 0, now or Judgement())
    return Candidate(
        method, sets[0], "resnet8", "fast", (method,), {column: by_seed}, (target,) * values, jobs
    )


def costed(**by_method):
    """Costs by the trained method; None is no known cost."""

    def cost(job):
        seconds = by_method[job.trained]
        basis = "unknown" if seconds is None else "timed steps"
        return CostEstimate(seconds, basis, "no data" if seconds is None else "")

    return SimpleNamespace(cost=cost)


def steps(made, costs, budget=None, seeds=SEEDS):
    chosen, beyond = order(made, seeds, PaidTrainings(costs, set()), budget)
    return [[(step.candidate.method, step.seeds, step.seconds) for step in part]
            for part in (chosen, beyond)]  # fmt: skip


def test_the_cheap_and_the_telling_come_first(empty):
    made = [
        candidate(empty, "ce"),
        candidate(empty, "focal"),
        candidate(empty, "ldam_drw", values=4),
        candidate(empty, "balanced_softmax", values=0),
    ]
    costs = costed(ce=10.0, focal=5.0, ldam_drw=15.0, balanced_softmax=0.1)
    chosen, beyond = steps(made, costs)
    assert [step[0] for step in chosen] == ["ldam_drw", "focal", "ce", "balanced_softmax"]
    assert all(step[1] == SEEDS for step in chosen)
    assert [step[2] for step in chosen] == pytest.approx([45.0, 15.0, 30.0, 0.3])
    assert beyond == []


def test_a_budget_is_kept_and_what_still_fits_is_taken(empty):
    made = [
        candidate(empty, "ce"),
        candidate(empty, "focal", values=9),
        candidate(empty, "ldam_drw"),
    ]
    costs = costed(ce=10.0, focal=50.0, ldam_drw=11.0)
    chosen, beyond = steps(made, costs, budget=65.0)
    assert [step[0] for step in chosen] == ["ce", "ldam_drw"]
    assert [step[0] for step in beyond] == ["focal"]
    assert sum(step[2] for step in chosen) <= 65.0


def test_a_budget_for_nothing_buys_nothing(empty):
    chosen, beyond = steps([candidate(empty, "ce")], costed(ce=10.0), budget=1.0)
    assert chosen == []
    assert len(beyond) == 1


def test_what_has_no_price_fits_no_budget(empty):
    chosen, beyond = steps([candidate(empty, "ce", values=9)], costed(ce=None))
    assert chosen == []
    assert beyond == [("ce", SEEDS, None)]


def test_the_number_of_seeds_is_chosen_where_more_are_worth_less(empty):
    seeds = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    made = [candidate(empty, "ce", deviation=0.2, seeds=seeds)]
    chosen, _ = steps(made, costed(ce=1.0), seeds=seeds)
    assert chosen[0][1] == (0, 1, 2)
    assert [seed for step in chosen for seed in step[1]] == list(seeds)


def test_a_post_hoc_part_costs_nothing_once_its_training_is_bought(empty):
    made = [candidate(empty, "ce+posthoc_logit_adjustment"), candidate(empty, "ce")]
    chosen, _ = steps(made, costed(ce=10.0))
    assert sorted(step[2] for step in chosen) == [0.0, 30.0]


def test_a_first_stage_is_paid_for_once(empty):
    made = [candidate(empty, "crt", values=2), candidate(empty, "ce")]
    chosen, _ = steps(made, costed(ce=10.0, crt=11.0))
    costs = {step[0]: step[2] for step in chosen}
    assert costs["ce"] + costs["crt"] == pytest.approx(33.0)


def test_two_finished_seeds_say_whether_a_third_decides(empty):
    sure = candidate(empty, "ce", scores=(50.0, 50.1))
    open_ = candidate(empty, "focal", scores=(51.0, 51.4))
    chosen, _ = order([open_, sure], SEEDS, PaidTrainings(costed(ce=10.0, focal=1.0), set()), None)
    assert [(step.candidate.method, step.seeds) for step in chosen] == [
        ("ce", (2,)),
        ("focal", (2,)),
    ]
    assert chosen[0].decided > 0.9
    assert chosen[1].decided < 0.1


def test_with_fewer_seeds_than_the_table_names_nothing_is_decided(empty):
    some = candidate(empty, "ce")
    whole = dataclasses.replace(
        some, targets=tuple(dataclasses.replace(each, wanted=4) for each in some.targets)
    )
    assert some.chance(3) > 0.5
    assert whole.chance(3) == 0
    assert whole.chance(4) > 0.5


def test_worth_counts_what_is_decided_already_and_adds_up(empty):
    done = candidate(empty, "ce", scores=(50.0, 50.1, 49.9), now=Judgement(decided=True))
    made = [done, candidate(empty, "focal")]
    one, two, three = seed_counts(made, PaidTrainings(costed(ce=10.0, focal=4.0), set()))
    assert (one.seconds, two.seconds, three.seconds) == (4.0, 8.0, 12.0)
    assert (one.decided, two.decided) == (0.0, 0.0)
    assert 1.5 < three.decided < 2.0
    open_ = dataclasses.replace(done.targets[0], now=Judgement())
    assert [open_.chance(n) for n in (1, 2, 3)] == [0.0] * 3  # the ledger's word, at today's seeds
    assert open_.chance(4) > 0.9
    (*_, without) = seed_counts(made, PaidTrainings(costed(ce=10.0, focal=None), set()))
    assert without.more
    assert without.seconds == 0.0


def whole(store, points):
    """A row with all its seeds, 0.4 from the reported value, its deviation of 4 degrees shared."""
    scores = (50.0, 50.4, 50.8)
    evidence = value(50.0, scores, 1.0, 3, Deviation(points, 4))
    now = Judgement(decided(evidence) is not None, evidence)
    return candidate(store, "ce", scores=scores, now=now)


def bought(made, **costs):
    """The steps without a budget, by method."""
    chosen, _ = order(made, SEEDS, PaidTrainings(costed(**costs), set()), None)
    return {step.candidate.method: step.decided for step in chosen}


def test_a_row_is_worth_what_its_deviation_decides_of_rows_that_are_whole(empty):
    made = [
        whole(empty, 0.4), candidate(empty, "focal", values=0),
        candidate(empty, "ldam_drw", values=0),
        candidate(empty, "balanced_softmax", values=0, imbalance=10.0),
    ]  # fmt: skip
    costs = {"focal": 10.0, "ldam_drw": 20.0, "balanced_softmax": 1.0}
    worth = bought(made, **costs)
    assert list(worth) == ["focal", "ldam_drw", "balanced_softmax"]  # that of another column last
    assert worth["balanced_softmax"] == 0
    target = made[0].targets[0]
    assert not target.now.decided
    assert worth["focal"] == pytest.approx(target.chance(3, OtherSeeds(coming=2)))
    both = target.chance(3, OtherSeeds(coming=4))
    assert 0.2 < worth["focal"] < 0.9
    assert worth["focal"] + worth["ldam_drw"] == pytest.approx(both)
    (*_, three) = seed_counts(made, PaidTrainings(costed(**costs), set()))
    assert three.decided == pytest.approx(both)


def test_what_may_undo_a_verdict_comes_after_what_does_nothing_the_cheap_first(empty):
    made = [
        whole(empty, 0.36), candidate(empty, "ldam_drw", values=0),
        candidate(empty, "focal", values=0),
    ]  # fmt: skip
    assert made[0].targets[0].now.decided
    worth = bought(made, focal=10.0, ldam_drw=20.0)
    assert list(worth) == ["focal", "ldam_drw"]
    assert -0.9 < worth["focal"] < -0.05


def test_seeds_that_are_there_already_count_as_what_they_measure(empty):
    alike, apart, none = (
        bought([whole(empty, 0.4), candidate(empty, "focal", values=0, scores=scores)], focal=1.0)
        for scores in ((60.0, 60.1), (60.0, 61.5), (60.0,))
    )
    assert apart["focal"] < 0.01 < none["focal"] < alike["focal"]


def test_what_is_short_of_all_seeds_measures_nothing(empty):
    made = [whole(empty, 0.4), candidate(empty, "focal", values=0)]
    costs = PaidTrainings(costed(focal=10.0), set())
    chosen, beyond = order(made, SEEDS, costs, 25.0)
    assert chosen == []
    assert [step.seeds for step in beyond] == [SEEDS]


def test_a_later_seed_is_not_one_of_the_first_n(empty):
    seeds = (0, 1, 2, 3)
    made = candidate(empty, "ce", seeds=seeds, scores=(50.0, 50.1))
    (target,) = made.targets
    target = dataclasses.replace(target, by_seed=(50.0, 50.1, None, 50.2))
    (job,) = candidate(empty, "ce", seeds=(2,)).jobs
    made = dataclasses.replace(made, targets=(target,), jobs=((), (), job, ()))
    counts = seed_counts([made], PaidTrainings(costed(ce=10.0), set()))
    assert [count.seconds for count in counts] == [0, 0, 10, 10]
    assert counts[1].decided == 0
    assert counts[2].decided > 0.9


def test_neighbours_that_differ_in_method_share_a_command(empty, tmp_path):
    made = [
        candidate(empty, "ce"),
        candidate(empty, "focal"),
        candidate(empty, "ce", imbalance=10.0),
    ]
    chosen, _ = order(made, SEEDS, PaidTrainings(costed(ce=10.0, focal=10.0), set()), None)
    chosen.sort(
        key=lambda step: (step.candidate.data.imbalance, step.candidate.method), reverse=True
    )
    assert commands(chosen, Workspace(tmp_path / "results", tmp_path)) == [
        f"ltbench run --methods focal,ce --dataset digits_lt --imbalance 20 --seeds 0,1,2 "
        f"--results {tmp_path}/results",
        f"ltbench run --methods ce --dataset digits_lt --imbalance 10 --seeds 0,1,2 "
        f"--results {tmp_path}/results",
    ]


def test_a_group_knows_which_seeds_are_missing(empty):
    half = candidate(empty, "ce", scores=(50.0,))
    assert (half.finished, half.missing()) == (1, [1, 2])
    assert dataclasses.replace(half, jobs=((), (), ())).missing() == []
