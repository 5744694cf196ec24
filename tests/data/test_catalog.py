"""The catalogue: what a data set's specification gives, and what it refuses."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltbench.data import mosaic
from ltbench.data.catalog import CATALOG, KNOWN, Dataset, dataset, known
from ltbench.data.info import LISTS, DatasetInfo
from ltbench.data.readers import readers
from ltbench.errors import UsageError

names = st.sampled_from(sorted(name for name, info in CATALOG.items() if not info.listed))


def test_the_data_sets_of_the_first_release_are_known():
    assert set(CATALOG) >= {"cifar10_lt", "cifar100_lt", "fashion_mnist_lt", "digits_lt"}


def test_every_data_set_that_runs_has_a_reader():
    assert {info.reader for info in CATALOG.values()} <= {*readers(), LISTS, mosaic.READER}


@pytest.mark.parametrize("info", KNOWN.values(), ids=lambda info: info.name)
def test_every_entry_has_constants_for_each_of_its_channels(info):
    channels, height, width = info.shape
    assert len(info.mean) == len(info.std) == channels
    assert height == width
    assert all(0 < std < 1 for std in info.std)


def test_the_ratio_of_the_specification_beats_the_flag_and_the_flag_beats_the_default():
    assert dataset("cifar100_lt").imbalance == 100
    assert dataset("cifar100_lt", 50).imbalance == 50
    assert dataset("cifar100_lt(imbalance=10)", 50).imbalance == 10
    assert dataset("digits_lt").imbalance == 20


def test_a_data_set_says_its_canonical_specification_and_its_title():
    wanted = dataset("cifar100_lt(imbalance=50.0)")
    assert str(wanted) == "cifar100_lt(imbalance=50)"
    assert wanted.title == "CIFAR-100-LT, r = 50"


def test_a_step_profile_is_another_data_set_and_the_usual_one_is_not_said():
    step = dataset("cifar10_lt(profile='step')")
    assert str(step) == "cifar10_lt(imbalance=100, profile='step')"
    assert step.title == "CIFAR-10-LT, step, r = 100"
    assert step != dataset("cifar10_lt")
    assert dataset(str(step)) == known(str(step)) == step
    assert step.class_counts() == (5000,) * 5 + (50,) * 5
    assert step.class_counts(fraction=0.1, validation=2) == (498,) * 5 + (3,) * 5
    assert str(dataset("cifar10_lt(profile='exponential')", 50)) == "cifar10_lt(imbalance=50)"


@given(name=names, imbalance=st.floats(1, 1e6, exclude_max=True))
def test_the_canonical_specification_builds_the_same_data_set(name, imbalance):
    wanted = dataset(name, imbalance)
    assert dataset(str(wanted)) == wanted == Dataset(CATALOG[name], imbalance)


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("cifar10", r"unknown data set 'cifar10'; did you mean .*cifar10_lt.*\?"),
        ("imagenet", r"unknown data set 'imagenet'; did you mean imagenet_lt"),
        ("svhn", r"unknown data set 'svhn'; known: cifar100_lt, cifar10_lt, "),
        ("cifar10_lt(ratio=3)", "data set cifar10_lt has no parameter ratio; it takes imbalance"),
        ("cifar10_lt(profile='stap')", "unknown profile of cifar10_lt 'stap'; did you mean step"),
        ("cifar10_lt(profile=3)", "unknown profile of cifar10_lt .3.; known: balanced, exp"),
        ("cifar10_lt@x", "data set cifar10_lt has no parameter @x; it takes imbalance"),
        ("cifar10_lt+digits_lt", r"data set 'cifar10_lt\+digits_lt' must be one name"),
        ("cifar10_lt(imbalance=", "cannot read"),
    ],
)
def test_an_impossible_specification_is_refused_in_one_sentence(specification, message):
    with pytest.raises(UsageError, match=message) as caught:
        dataset(specification)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ratio", ["0.5", "-3", "0", "'many'", "True", "1e999", "1e6"])
def test_a_ratio_below_one_without_bound_or_not_a_number_is_refused(ratio):
    with pytest.raises(UsageError, match="must be a ratio n_max / n_min from 1"):
        dataset(f"digits_lt(imbalance={ratio})")


@pytest.mark.parametrize("flag", [0.99, float("nan"), float("inf")])
def test_a_flag_that_is_no_ratio_is_refused(flag):
    with pytest.raises(UsageError, match="must be a ratio"):
        dataset("digits_lt", flag)


def made_up(**changes):
    facts = {
        "name": "made_up", "title": "Made up", "classes": 3, "head_count": 500, "test_count": 50,
        "shape": (3, 8, 8), "mean": (0.5,) * 3, "std": (0.5,) * 3, "imbalance": 100.0,
        "network": "resnet8", "protocol": "fast", "family": "digits", "source": "here",
        "reader": None,
    }  # fmt: skip
    return DatasetInfo(**(facts | changes))


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({}, (500, 50, 5)),
        ({"fraction": 0.1}, (50, 5, 1)),  # 0.5 images are one
        ({"fraction": 0.25}, (125, 12, 1)),  # round to even: 12.5 and 1.25
        ({"validation": 2}, (498, 48, 3)),
        ({"fraction": 0.5, "validation": 1}, (249, 24, 1)),
    ],
)
def test_a_protocol_keeps_a_share_of_each_class_and_then_holds_images_out(settings, counts):
    drawn = Dataset(made_up(), 100.0)
    listed = Dataset(made_up(listed=True, counts=(500, 50, 5)), 100.0)
    assert drawn.class_counts(**settings) == listed.class_counts(**settings) == counts


def test_a_class_that_holding_out_would_empty_is_refused():
    with pytest.raises(UsageError, match="validation=5 leaves class 2 with no training image of"):
        Dataset(made_up(), 100.0).class_counts(validation=5)


def test_test_images_of_a_class_are_at_least_one():
    data = Dataset(made_up(), 100.0)
    assert [data.test_counts(share)[0] for share in (1.0, 0.5, 0.01)] == [50, 25, 1]


def test_a_list_has_one_ratio():
    listed = Dataset(made_up(listed=True, counts=(500, 50, 5)), 100.0)
    assert (str(listed), listed.ratio, listed.reported_imbalance) == ("made_up", "", None)


def test_facts_are_given_by_name():
    with pytest.raises(TypeError):
        DatasetInfo("made_up", "Made up", 3)


def test_the_catalogue_is_read_without_importing_torch():
    code = "import sys, ltbench.data.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_only_papers_have_is_known_and_never_run(monkeypatch):
    name = "somebodys_lt"
    made = replace(KNOWN["places_lt"], name=name, reader=None, classes=3, counts=(30, 20, 10))
    monkeypatch.setitem(KNOWN, name, made)
    data = known(f" {name} ")
    assert (str(data), data.ratio, data.reported_imbalance) == (name, "", None)
    assert data.available is False
    assert data.title == data.info.title
    assert sum(data.class_counts()) == 60
    assert data != dataset("cifar10_lt")
    with pytest.raises(UsageError, match="cannot be read by this version of ltbench; it has cifar"):
        dataset(name)
    with pytest.raises(UsageError, match=f"{name} takes no parameter"):
        known(f"{name}(imbalance=100)")


def test_what_can_run_is_known_too():
    assert known("cifar10_lt(imbalance=50)") == dataset("cifar10_lt", 50)
    assert known("cifar10_lt").available
    with pytest.raises(UsageError, match="unknown data set"):
        known("cifar_lt")
