"""Names of iNaturalist's classes from the competition's files."""

import json

import pytest

from ltbench.data.category_names import KEPT, keep_names, kept_names, names_sha256
from ltbench.errors import LtbenchError, UsageError

ROWS = [{"id": 1, "name": "Turdus merula"}, {"id": 0, "name": "Bellis perennis"}]
NAMES = ("Bellis perennis", "Turdus merula")


def kept(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "packed").mkdir(exist_ok=True)
    return keep_names("inaturalist2018", folder, folder / "packed", 2)


def test_names_are_in_the_order_of_their_ids_with_a_hash(tmp_path):
    assert kept(tmp_path, categories=ROWS) == tmp_path / "categories.json"
    assert kept_names(tmp_path / "packed") == NAMES
    content = json.loads((tmp_path / "packed" / KEPT).read_text())
    assert content["sha256"] == names_sha256(NAMES)


def test_the_training_file_does_where_the_other_is_not_there(tmp_path):
    assert kept(tmp_path, train2018={"categories": ROWS, "images": []})
    assert kept_names(tmp_path / "packed") == NAMES


def test_nothing_is_kept_where_there_is_no_such_file_or_no_need(tmp_path):
    assert kept(tmp_path) is None
    assert kept_names(tmp_path / "packed") == ()
    kept(tmp_path, categories=ROWS)
    assert keep_names("imagenet_lt", tmp_path, tmp_path, 2) is None


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (ROWS[:1], "names 1 classes, and there are 2, 0 to 1"),
        ([{"id": 0, "name": "12"}, ROWS[0]], "calls class 0 '12', which is no name in words"),
        ({"images": []}, "does not read as categories with id and name"),
        ("text", "does not read as categories with id and name"),
    ],
)
def test_a_file_of_other_names_is_refused(tmp_path, content, sentence):
    with pytest.raises(UsageError, match=sentence):
        kept(tmp_path, categories=content)


def test_names_that_were_changed_are_not_taken(tmp_path):
    kept(tmp_path, categories=ROWS)
    path = tmp_path / "packed" / KEPT
    path.write_text(path.read_text().replace("merula", "pilaris"))
    with pytest.raises(LtbenchError, match="prepare the data set again"):
        kept_names(tmp_path / "packed")
