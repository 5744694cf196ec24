import dataclasses
import json

import pytest
from consoles import printed

from ltbench.cli.views.comparison import print_comparison
from ltbench.runs.record import TRANSDUCTIVE
from ltbench.statistics.estimates import mean_interval
from ltbench.tables.comparison import compare
from ltbench.tables.write.comparison import comparison_table


def test_lines_keep_the_order_and_compare_with_the_first(make_record):
    ours, base = {0: 42.0, 1: 43.5, 3: 90.0}, {0: 38.0, 1: 39.0, 2: 40.0}
    records = [make_record("zz", s, v, seconds=10.0) for s, v in base.items()]
    records += [make_record("aa", s, v, seconds=25.0) for s, v in ours.items()]
    (comparison,) = compare(records)
    assert comparison.protocol == "paper"
    first, second = comparison.lines
    assert (first.method, first.n, first.difference, first.time) == ("zz", 3, None, 1.0)
    assert first.headline == mean_interval([38.0, 39.0, 40.0])
    assert (first.many, first.medium, first.few) == (60.0, 40.0, 10.0)
    assert (second.method, second.n, second.time) == ("aa", 3, 2.5)
    assert second.difference.n == 2
    assert second.difference.mean == pytest.approx(4.25)
    assert second.difference.half_width is None  # of two seeds an interval says nothing


def test_a_difference_over_fewer_seeds_than_the_method_has_says_over_how_many(make_record):
    records = [make_record("ce", seed, 38.0) for seed in (0, 1, 2)]
    records += [make_record("sam", seed, 40.4) for seed in (2, 3, 4)]
    records += [make_record("focal", seed, 39.0) for seed in (0, 1)]
    (comparison,) = compare(records)
    assert "+2.4 (n = 1)" in screen(comparison, 100)
    assert "+2.4 (n = 1)" in comparison_table(comparison)
    assert "(n = 2)" not in screen(comparison, 100)  # both of the two that it has
    assert "over the seeds both have (2);" in " ".join(screen(comparison, 200).split())
    alike = [make_record(method, seed, 40.0) for method in ("ce", "sam") for seed in range(4)]
    assert "over the seeds both have (4);" in " ".join(screen(compare(alike)[0], 200).split())
    alike += [make_record("focal", seed, 39.0) for seed in range(2)]
    said = " ".join(screen(compare(alike)[0], 200).split())
    assert "over the seeds both have (n of the line);" in said


def test_nothing_is_compared_with_the_next_where_the_first_has_no_record(make_record):
    records = [make_record("sam", 0, 40.0), make_record("focal", 0, 38.0)]
    (comparison,) = compare(records, "ce")
    assert [(line.difference, line.time) for line in comparison.lines] == [(None, None)] * 2
    said = " ".join(screen(comparison, 80).split())
    assert "no difference and no time, for ce has no record" in said
    assert "for ce has no record" in comparison_table(comparison)
    (whole,) = compare([*records, make_record("ce", 0, 30.0)], "ce")
    assert [line.difference and line.difference.mean for line in whole.lines] == [10.0, 8.0, None]
    assert "no record" not in screen(whole, 80)


def test_one_seed_has_no_interval(make_record):
    (comparison,) = compare([make_record("a", 0, 38.0), make_record("b", 0, 40.0)])
    text = screen(comparison, 80)
    assert "±" not in text
    assert "+2.0" in text


def test_groups_without_classes_and_without_common_seeds(make_record):
    records = [
        make_record("a", 0, 38.0, shots=(38.0, None, None), seconds=0.0),
        make_record("b", 1, 40.0, shots=(40.0, None, None), seconds=5.0),
    ]
    (comparison,) = compare(records)
    line = comparison.lines[1]
    assert (line.few, line.difference, line.time) == (None, None, None)
    assert screen(comparison, 80).count("--") == 2 + 1 + 1 + 2 + 1 + 1


def test_times_of_two_machines_are_never_compared(make_record):
    def on(device, *given, threads=1, processes=1, **more):
        record = make_record(*given, **more)
        there = {"device": device, "threads": threads, "processes": processes}
        environment = record.environment.model_copy(update=there)
        return record.model_copy(update={"environment": environment})

    first = [on("fast", "ce", seed, 38.0, seconds=10.0) for seed in (0, 1)]
    other = [on("slow", "sam", seed, 40.0, seconds=400.0) for seed in (0, 1)]
    threads = [on("fast", "bcl", seed, 40.0, seconds=5.0, threads=2) for seed in (0, 1)]
    shared = [on("fast", "drw", seed, 40.0, seconds=5.0, processes=2) for seed in (0, 1)]
    (comparison,) = compare([*first, *other, *threads, *shared])
    assert [line.time for line in comparison.lines] == [1.0, None, None, None]
    slow = [on("slow", "ce", seed, 38.0, seconds=160.0 + seed) for seed in (0, 10, 20)]
    (comparison,) = compare([*first, *slow, *other, *threads])
    assert [line.time for line in comparison.lines] == [1.0, 2.5, None]


def test_every_data_set_network_and_protocol_apart(make_record):
    records = [
        make_record("a", 0, 38.0),
        make_record("a", 0, 38.0, protocol="fast"),
        make_record("a", 0, 38.0, network="resnet8"),
        make_record("a", 0, 38.0, dataset="digits_lt(imbalance=20)"),
        make_record("b", 0, 38.0, protocol="fast"),
    ]
    assert [len(comparison.lines) for comparison in compare(records)] == [1, 2, 1, 1]
    assert compare([]) == []


def test_a_comparison_is_written_as_json(make_record):
    (comparison,) = compare([make_record("a", 0, 38.0), make_record("b", 0, 40.0)])
    plain = json.loads(json.dumps(dataclasses.asdict(comparison)))
    assert plain["lines"][1]["difference"] == {"mean": 2.0, "half_width": None, "n": 1}


@pytest.mark.parametrize("width", [60, 80, 140])
def test_fits_and_says_what_it_shows(make_record, width):
    long = "ldam_drw+sam(rho=0.8)+posthoc_logit_adjustment(tau=1.5)"
    records = [make_record(m, s, 38.0 + s) for m in ("ce", long) for s in range(3)]
    (comparison,) = compare(records)
    lines = screen(comparison, width).splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "last epoch, 95 % t-interval over seeds" in text
    assert "39.0 ± 2.5" in text
    assert "+0.0 ± 0.0" in text


def test_without_an_interval_none_is_spoken_of(make_record):
    (one,) = compare([make_record("a", 0, 38.0), make_record("b", 0, 40.0)])
    assert "interval" not in one.caption
    assert "last epoch, mean over seeds" in one.caption


def screen(comparison, width: int) -> str:
    return printed(print_comparison, comparison, width=width)


def test_markdown_has_places_and_given_costs_where_there_are_costs(make_record):
    means = {"ce": 50.0, "sam": 60.0, "rebalance": 70.0}
    records = [make_record(name, seed, mean) for name, mean in means.items() for seed in range(3)]
    reads_all = [f"{TRANSDUCTIVE}: all at once"]
    records[-1] = records[-1].model_copy(update={"deviations": reads_all})
    records += [make_record("focal", seed, 80.0) for seed in range(2)]
    (comparison,) = compare(records)
    assert comparison.places == {"sam": 1, "ce": 2}
    plain, placed = comparison_table(comparison), comparison_table(comparison, {"sam": "2.05"})
    assert plain.splitlines()[0].startswith("| method | n | top-1 |")
    assert "cost" not in plain
    rows = [line.strip("| ").split(" | ") for line in placed.splitlines()[:6]]
    assert [(row[0], row[1], row[-1]) for row in rows if row[0] != "--:"] == [
        ("place", "method", "cost"), ("2", "ce", "--"), ("1", "sam", "2.05"),
        ("--", "rebalance", "--"), ("--", "focal", "--"),
    ]  # fmt: skip
    assert rows[4][3] == "70.0 ± 0.0 T"
    assert "T: transductive, its predictions depend on all test images at once" in placed
    assert "transductive" not in compare(records[:3])[0].caption


def test_who_brings_a_recipe_of_its_own_is_marked(make_record):
    settings = {"epochs": 200, "batch_size": 128, "schedule": "step", "decay": 0.01}

    def trained(method, **own):
        recipe = {"epochs": 80, "batch_size": 128, "schedule": "step", "momentum": 0.9} | own
        record = make_record(method, 0, 50.0)
        return record.model_copy(update={"settings": settings, "stages": [{"recipe": recipe}]})

    later = trained("crt")
    later.stages.append({"recipe": {"batch_size": 512}})  # a second stage is the method itself
    records = [trained("ce"), later, trained("bcl", batch_size=256), trained("cos", schedule="x")]
    (comparison,) = compare(records)
    marks = {line.method: line.marks for line in comparison.lines}
    assert marks == {"ce": "", "crt": "", "bcl": " R", "cos": " R"}
    assert "50.0 R" in comparison_table(comparison)
    assert "R: trained by its own batch" in comparison.caption
    assert "R: " not in compare(records[:2])[0].caption
    assert compare([make_record("old", 0, 50.0)])[0].lines[0].marks == ""  # it says no recipe


def test_places_are_of_the_usual_number_of_seeds_and_equal_means_share_one(make_record):
    def of(method, mean, seeds):
        return [make_record(method, seed, mean) for seed in range(seeds)]

    records = [*of("ce", 50.0, 3), *of("sam", 50.0, 3), *of("bcl", 40.0, 3), *of("gala", 60.0, 5)]
    (comparison,) = compare([*records, *of("focal", 70.0, 2)])
    assert comparison.places == {"ce": 1, "sam": 1, "bcl": 3}
    (few,) = compare([*of("ce", 50.0, 2), *of("focal", 70.0, 2)])
    assert few.places == {}
