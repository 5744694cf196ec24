"""Relative cost: on one machine, by its least disturbed runs."""

from hypothesis import given
from hypothesis import strategies as st

from ltbench.runs.record import IN_FLOAT32
from ltbench.tables.relative_cost import TrainingTime, relative_cost, repeated_cost, timing_of

A, B = ("cpu", 1), ("cpu", 2)
timings = st.lists(
    st.builds(TrainingTime, st.sampled_from([A, B]), st.sampled_from([0.0, 1.0, 3.0]))
)


def test_the_machine_with_most_runs_counts():
    ours = [TrainingTime(A, 6.0), TrainingTime(B, 9.0), TrainingTime(B, 8.0)]
    base = [TrainingTime(A, 1.0), TrainingTime(B, 4.0), TrainingTime(B, 5.0)]
    assert relative_cost(ours, base) == 2.0
    assert relative_cost(ours[:1], base) == 6.0


def test_without_a_common_machine_or_a_time_there_is_none():
    assert relative_cost([TrainingTime(A, 6.0)], [TrainingTime(B, 4.0)]) is None
    assert relative_cost([TrainingTime(A, 6.0)], [TrainingTime(A, 0.0)]) is None
    assert relative_cost([TrainingTime(A, 0.0)], [TrainingTime(A, 4.0)]) is None
    assert relative_cost([], []) is None


def test_a_time_that_cannot_be_spoils_no_other():
    assert (
        relative_cost([TrainingTime(A, 1e-320), TrainingTime(A, 6.0)], [TrainingTime(A, 3.0)])
        == 2.0
    )
    assert relative_cost([TrainingTime(A, 6.0)], [TrainingTime(A, 1e-320)]) is None


@given(ours=timings, base=timings)
def test_it_is_the_ratio_of_two_times_of_one_machine(ours, base):
    found = relative_cost(ours, base)
    possible = {a.seconds / b.seconds for a in ours for b in base
                if a.machine == b.machine and a.seconds and b.seconds}  # fmt: skip
    assert found in (possible or {None})
    assert relative_cost(base, base) in (1.0, None)


def test_a_time_that_does_not_repeat_says_nothing():
    def of(*seconds):
        return [TrainingTime(A, each) for each in seconds]

    assert repeated_cost(of(6.0, 30.0, 7.0), of(3.0, 3.3)) == 2.0
    assert repeated_cost(of(6.0, 30.0, 7.5), of(3.0, 3.3)) is None
    assert repeated_cost(of(6.0, 7.0), of(3.0)) is None
    assert repeated_cost(of(6.0), of(3.0, 3.0)) is None
    assert repeated_cost(of(6.0, 6.0), [TrainingTime(B, 3.0)] * 2) is None
    assert repeated_cost([*of(6.0, 6.0), TrainingTime(B, 6.0)], of(3.0, 3.0)) == 2.0
    there = [TrainingTime(B, 5.0)] * 2
    assert repeated_cost([*of(6.0, 30.0, 60.0), *there], [*of(3.0), *there]) == 1.0


def test_bfloat16_with_its_instructions_and_without_is_of_two_machines(make_record):
    way = "forward passes in bfloat16 autocast over float32 weights"
    record = make_record("ce", 0, 38.0)
    machines = {
        timing_of(record.model_copy(update={"deviations": [f"{way}{end}", "more"]})).machine
        for end in ("", IN_FLOAT32)
    }
    assert len(machines) == 2
