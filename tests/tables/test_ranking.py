import pytest
from consoles import printed

from ltbench.cli.views.ranking import print_ranking
from ltbench.errors import LtbenchError
from ltbench.statistics.ranks import rank
from ltbench.tables.ranking import ranking

PLACES = ("cifar10_lt(imbalance=100)", "digits_lt(imbalance=20)", "cifar100_lt(imbalance=100)")


@pytest.fixture
def records(make_record):
    means = {"a": (80.0, 95.0), "b": (82.0, 96.0), "c": (70.0, 97.0)}
    return [
        make_record(method, seed, each + spread, dataset=dataset, protocol="fast")
        for method, values in means.items()
        for dataset, each in zip(PLACES, values, strict=False)
        for seed, spread in enumerate((-0.2, 0.2))
    ]


def test_ranks_by_the_means_of_the_seeds(records):
    found = ranking(records, "fast")
    assert found.settings == tuple((dataset, "resnet32") for dataset in PLACES[:2])
    assert found.means["b"] == pytest.approx([82.0, 96.0])
    assert found.ranks == rank(found.means)
    assert found.ranks.ranks == {"a": 2.5, "b": 1.5, "c": 2.0}
    assert found.left_out == ()


def test_what_did_not_run_everywhere_is_left_out_and_named(records, make_record):
    lonely = make_record("d", 0, 99.0, dataset=PLACES[0], protocol="fast")
    elsewhere = make_record("a", 0, 50.0, dataset=PLACES[2], protocol="fast")
    other = make_record("a", 0, 99.0, dataset=PLACES[0])  # another protocol
    found = ranking([*records, lonely, elsewhere, other], "fast")
    assert found.left_out == ("d",)
    assert found.others == ((PLACES[2], "resnet32"),)
    assert found.ranks.ranks == {"a": 2.5, "b": 1.5, "c": 2.0}
    text = printed(print_ranking, found)
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["b", "c", "a"]
    assert "Not on all of these data sets: d." in text
    assert "Mean rank over 2 data sets" in text


def test_seeds_of_different_code_are_told_and_those_of_different_versions_left_out(records):
    def changed(method, **fields):
        return [
            each.model_copy(update=fields) if (each.method, each.seed) == (method, 1) else each
            for each in records
        ]

    found = ranking(changed("a", code={"engine": "1"}), "fast")
    assert found.ranks == ranking(records, "fast").ranks
    assert found.remarks == ()  # of one commit, and seed 0 has no hashes
    both = [each.model_copy(update={"code": {"engine": str(each.seed)}}) for each in records]
    assert len(ranking(both, "fast").remarks) == 6
    assert "seed 0 and seed 1 were computed by different code" in ranking(both, "fast").remarks[0]
    two = ranking(changed("a", versions={"a": 2}), "fast")  # a is in no mean
    assert set(two.means) == {"b", "c"}
    assert two.ranks is None
    assert "by version 2 of a" in two.problems[0]


def test_one_data_set_is_ordered_by_its_means(records):
    found = ranking([each for each in records if each.dataset == PLACES[1]], "fast")
    assert found.ranks is None
    assert found.order == ["c", "b", "a"]
    text = printed(print_ranking, found, width=200)
    assert "need 3 methods that ran on the same 2 data sets" in text
    assert "rank" not in text.splitlines()[0]


def test_a_data_set_that_shares_too_few_methods_is_named_and_spoils_nothing(records, make_record):
    apart = [
        make_record(method, 0, 50.0, dataset=PLACES[2], protocol="fast") for method in ("a", *"xyz")
    ]
    found = ranking([*apart, *records], "fast")
    assert found.ranks.ranks == {"a": 2.5, "b": 1.5, "c": 2.0}
    assert found.others == ((PLACES[2], "resnet32"),)
    assert set(found.left_out) == set("xyz")
    text = printed(print_ranking, found, width=200)
    assert f"With too few of the same methods: {PLACES[2]} (resnet32)." in text


def test_three_data_sets_come_before_two_with_more_methods(records, make_record):
    third = [make_record(method, 0, 50.0, dataset=PLACES[2], protocol="fast") for method in "abc"]
    lonely = [make_record("d", 0, 99.0, dataset=each, protocol="fast") for each in PLACES[:2]]
    found = ranking([*records, *third, *lonely], "fast")
    assert found.ranks.datasets == 3
    assert found.left_out == ("d",)


def test_a_protocol_without_records_names_those_that_have(records):
    with pytest.raises(LtbenchError, match="paper; protocols that have records: fast"):
        ranking(records, "paper")
