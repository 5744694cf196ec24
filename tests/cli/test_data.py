"""`ltbench data` and `--data`: a folder of images described, drawn, trained on and told apart."""

import json

import pytest
from made_images import describe, folders, write

pytestmark = pytest.mark.usefixtures("known_again")

COUNTS = {"amsel": 12, "größe": 6, "ibis": 4}
RUN = ("run", "--methods", "ce", "--protocol", "smoke", "--seeds", "1", "--quiet")


@pytest.fixture
def made(home):
    folders(home / "photos", COUNTS)
    return describe(
        home / "made.yaml", images="photos", size=8, test=2, network="resnet8", many_above=5,
        few_below=3,
    )  # fmt: skip


def test_describe_says_the_counts_and_draws_tail_and_samples(ltbench, made, home):
    answer = ltbench("data", "describe", "made.yaml")
    assert answer.code == 0
    assert "amsel 10, größe 4, ibis 2" in answer.out
    assert "1 many, 1 medium, 1 few (many above 5, few below 3)" in answer.out
    (folder,) = (home / "results" / "data").iterdir()
    assert folder.name.startswith("made@h")
    assert {each.stem for each in folder.glob("*.png")} == {"counts", "samples"}
    assert '1,"größe",4' in (folder / "counts.csv").read_text("utf-8")


def test_describe_says_that_a_test_set_is_not_balanced(ltbench, home):
    folders(home / "photos" / "train", COUNTS)
    folders(home / "photos" / "test", {"amsel": 2, "größe": 1, "ibis": 1}, 50)
    describe(home / "made.yaml", images="photos", size=8)
    answer = ltbench("data", "describe", "made.yaml")
    assert "4, 1 to 2 each" in answer.out
    assert "the test set is not balanced" in answer.out


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("network", "resnt8", "did you mean resnet8"), ("protocol", "paper", "protocol for")],
)
def test_describe_refuses_what_no_run_could_use(ltbench, home, field, value, words):
    folders(home / "photos", {"a": 4, "b": 3})
    describe(home / "made.yaml", images="photos", size=8, test=1, **{field: value})
    answer = ltbench("data", "describe", "made.yaml")
    assert answer.code == 2
    assert words in answer.err


def test_describe_works_for_a_set_of_ltbenchs(ltbench):
    answer = ltbench("data", "describe", "digits_lt", "--imbalance", "10")
    assert answer.code == 0
    assert "digits_lt(imbalance=10)" in answer.out


def test_check_takes_a_description(ltbench, made):
    answer = ltbench("data", "check", "made.yaml")
    assert "16 training images in 3 classes (10 to 2; 1 many, 1 medium, 1 few)" in answer.out


def test_a_table_may_name_images_of_ones_own(ltbench, made, home):
    (home / "mine.yaml").write_text(
        "title: T\nseeds: [0]\nprotocol: smoke\ncolumns: [{header: all, dataset: made}]\n"
        "rows: [{label: CE, method: ce}]\n"
    )
    words = ("run", "--table", "mine.yaml", "--data", "made.yaml", "--dry-run", "--json")
    (row,) = json.loads(ltbench(*words).out)["to_train"]
    assert (row["dataset"].split("@")[0], row["method"], row["seed"]) == ("made", "ce", 0)


def test_a_run_fills_a_cell_of_its_images_and_of_no_others(ltbench, made, home):
    assert ltbench(*RUN, "--data", "made.yaml").code == 0
    (first,) = (home / "results" / "runs").iterdir()
    record = json.loads(next(first.rglob("seed0.json")).read_text())
    assert record["dataset"] == first.name
    assert (record["data"]["many_above"], record["data"]["few_below"]) == (5, 3)
    assert record["data"]["test_images"] == 3
    write(home / "photos" / "amsel" / "000.png", 9)
    assert ltbench(*RUN, "--data", "made.yaml").code == 0
    names = sorted(each.name for each in (home / "results" / "runs").iterdir())
    assert len(names) == 2
    fingerprints = {
        json.loads(path.read_text())["fingerprint"]
        for path in (home / "results" / "runs").rglob("seed0.json")
    }
    assert len(fingerprints) == 2


@pytest.mark.slow
def test_worker_processes_read_the_same_images(ltbench, made, home):
    assert ltbench(*RUN, "--data", "made.yaml", "--seeds", "2", "--jobs", "2").code == 0
    assert len(list((home / "results" / "runs").rglob("seed?.json"))) == 2


def test_a_set_of_ones_own_is_known_by_name_where_its_file_is_given(ltbench, made):
    answer = ltbench("show", "made", "--data", "made.yaml", "--json")
    assert json.loads(answer.out)["class counts"] == [10, 4, 2]
    unknown = ltbench(*RUN, "--dataset", "never_made")
    assert unknown.code == 2
    assert "Images of your own come with --data mine.yaml." in unknown.err


def test_an_imbalance_for_images_that_have_their_own_is_refused(ltbench, made):
    answer = ltbench(*RUN, "--data", "made.yaml", "--imbalance", "10")
    assert answer.code == 2
    assert "comes with its own imbalance" in answer.err


def test_a_missing_description_is_one_sentence(ltbench, home):
    answer = ltbench(*RUN, "--data", "nowhere.yaml")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "cannot read nowhere.yaml (No such file" in answer.err
