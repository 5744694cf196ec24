"""`ltbench new`: the files it writes work as they are, and nothing is overwritten."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("known_again")  # data sets that a test makes are forgotten


@pytest.mark.parametrize("name", ["my_loss", "my_loss.py", "ideas/my_loss"])
@pytest.mark.slow
def test_a_new_method_holds_to_the_protocol(ltbench, home, name):
    (home / "ideas").mkdir()
    path = f"{name.removesuffix('.py')}.py"
    answer = ltbench("new", "method", name)
    assert answer.code == 0
    assert answer.err == ""
    assert f"ltbench run --load {path} --methods ce,my_loss --dataset digits_lt" in answer.out
    checked = ltbench("check", path)
    assert (checked.code, checked.err) == (0, "")
    assert "my_loss holds to the method protocol." in checked.out


def test_a_new_methods_parameter_and_modifiers_work(ltbench, home):
    from ltbench.registry import methods

    ltbench("new", "method", "my_loss")
    with methods.loaded(home / "my_loss.py") as (name,):
        method = methods.build(f"{name}(tau=2.0)+sam")
        assert methods.describe(method) == "my_loss(tau=2.0)+sam"
        assert methods.find(name).__name__ == "MyLoss"


def test_a_new_table_is_shown_with_its_reported_values(ltbench, home):
    answer = ltbench("new", "table", "mine")
    assert answer.code == 0
    assert answer.out.splitlines()[-1] == "  ltbench table mine.yaml"
    shown = ltbench("table", "mine.yaml")
    assert (shown.code, shown.err) == (0, "")
    lines = {line.split()[0]: line for line in shown.out.splitlines() if line.strip()}
    assert "38.3" in lines["CE"]
    assert "42.0" in lines["LDAM-DRW"]
    assert "ltbench run --methods ce,ldam_drw --dataset digits_lt" in shown.out
    assert sorted(path.name for path in home.glob("mine*")) == ["mine.yaml", "mine_reported.csv"]


def test_a_new_data_set_and_a_new_protocol_are_trained_on_as_they_stand(ltbench, home):
    assert ltbench("new", "dataset", "birds").out.splitlines()[1:] == [
        "  ltbench data describe birds.yaml",
        "  ltbench run --data birds.yaml --methods ce,balanced_softmax",
    ]
    assert "--protocol long.yaml" in ltbench("new", "protocol", "long.yaml").out
    assert (
        "417 training images in 10 classes (124 to 6;" in ltbench("data", "check", "birds.yaml").out
    )
    text = (home / "long.yaml").read_text().replace("epochs: 20", "epochs: 3")
    (home / "long.yaml").write_text(text.replace("warmup_epochs: 2", "warmup_epochs: 1"))
    answer = ltbench("run", "--data", "birds.yaml", "--methods", "ce", "--seed", "0",
                     "--protocol", "long.yaml", "--quiet")  # fmt: skip
    assert answer.code == 0
    (path,) = (home / "results" / "runs").rglob("seed0.json")
    record = json.loads(path.read_text())
    assert record["dataset"].startswith("birds@h")
    assert record["protocol"].startswith("long@fast(")


def test_a_new_protocol_changes_what_it_says(ltbench):
    from ltbench.data.catalog import dataset
    from ltbench.runs.protocol import protocol_of
    from ltbench.runs.protocol_file import named_in

    ltbench("new", "protocol", "long")
    found = protocol_of(named_in("long.yaml"), dataset("digits_lt").info)
    assert (found.epochs, found.warmup_epochs, found.learning_rate) == (20, 2, 0.05)
    assert found.milestones == "0.6,0.8"


def test_what_a_new_table_reports_is_what_the_shipped_table_reports(ltbench, home):
    from ltbench.tables.definition import load

    ltbench("new", "table", "mine")
    mine, shipped = load("mine.yaml"), load("1")
    ours = {key.method: value for key, value in mine.reported.items()}
    theirs = {
        row.label: shipped.reported[key._replace(method=row.label)]
        for row in shipped.definition.rows
        for key in mine.reported
        if row.method in {"ce", "ldam_drw"}
    }
    assert ours == {"CE": theirs["CE (Baseline)"], "LDAM-DRW": theirs["LDAM-DRW"]}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("method", "ce"), "a method ce exists already (`ltbench show ce`); choose another name."),
        (("method", "My-Loss"), "'My-Loss' cannot name a method; write small letters, digits and "
                                "underscores, such as my_loss."),
        (("method", "3x"), "such as my_method."),
        (("method", "class"), "'class' cannot name a method; "),
        (("method", "_mine"), "such as mine."),
        (("method", "étude"), "'étude' cannot name a method; "),
        (("method", ""), "give the new file a name, such as mine."),
        (("method", "nowhere/mine"), "there is no folder nowhere to write mine.py in; make it."),
        (("dataset", "cifar10_lt"), "a data set cifar10_lt exists already (`ltbench show "
                                    "cifar10_lt`); choose another name."),
        (("dataset", "My Set"), "'My Set' cannot name a data set; write small letters, digits and "
                                "underscores, such as my_set."),
        (("dataset", "3"), "such as my_dataset."),
        (("protocol", "paper"), "a protocol paper exists already (`ltbench list protocols`); "),
        (("protocol", "a-b"), "'a-b' cannot name a protocol; "),
        (("table", "a b"), "'a b' cannot name a table; write letters, digits and underscores, "
                           "such as a_b."),
        (("table", "table1"), "a table table1 exists already (`ltbench table 1`); "),
        (("table", "nowhere/mine"), "there is no folder nowhere to write mine.yaml in; make it."),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused(refused, words, sentence):
    assert sentence in refused("new", *words)


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("method", "mine.py"),
        ("table", "mine.yaml"),
        ("table", "mine_reported.csv"),
        ("dataset", "mine.yaml"),
        ("protocol", "mine.yaml"),
    ],
)
def test_a_file_that_exists_is_left_alone(refused, home, kind, file):
    (home / file).write_text("precious")
    assert refused("new", kind, "mine") == (
        f"{file} exists already; choose another name, or move it away."
    )


def test_a_folder_that_cannot_be_written_is_said(refused, monkeypatch):
    from pathlib import Path

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    sentence = refused("new", "method", "mine", code=1)
    assert sentence == (
        "cannot write mine.py (Permission denied); choose a folder that can be written."
    )
