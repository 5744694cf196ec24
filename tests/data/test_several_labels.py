"""Lists of one's own images with several labels each: three forms, and what is wrong."""

import pytest
from made_annotated import image

from ltbench.data.catalog import Dataset
from ltbench.data.description import read_description
from ltbench.data.loading import load
from ltbench.data.own import read_own
from ltbench.data.own_packed import pack_own
from ltbench.data.several_labels import label_matrix, several_listing
from ltbench.errors import LtbenchError, UsageError

DESCRIPTION = "name: pets\nkind: multi\nimages: photos\nlist: labels.csv\nsize: 32\n"
LABELS = """path,label,split
a.jpg,cat|dog,train
b c.jpg,dog,train
d.jpg, bird | cat ,train
e.jpg,dog,test
f.jpg,bird|dog,test
"""
FLAGS = """path,split,bird,cat,dog
a.jpg,train,0,1,1
b c.jpg,train,0,0,1
d.jpg,train,1,1,0
e.jpg,test,0,0,1
f.jpg,test,1,0,1
"""
EXPECTED = [[0, 1, 1], [0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 0, 1]]


@pytest.fixture
def pets(tmp_path):
    for seed, name in enumerate(("a", "b c", "d", "e", "f")):
        image(tmp_path / "photos" / f"{name}.jpg", seed)
    return tmp_path


def listed(folder, text, description=DESCRIPTION):
    (folder / "labels.csv").write_text(text)
    (folder / "pets.yaml").write_text(description)
    return several_listing(read_description(folder / "pets.yaml"), folder)


@pytest.mark.parametrize("text", [LABELS, FLAGS, LABELS.replace(",", ";")])
def test_labels_between_bars_and_columns_of_flags_are_the_same(pets, text):
    found = listed(pets, text)
    assert found.classes == ("bird", "cat", "dog")
    assert label_matrix(found.entries, 3).tolist() == EXPECTED
    assert [each.part for each in found.entries] == ["train"] * 3 + ["test"] * 2


def test_lines_with_flags_have_the_names_of_the_description(pets):
    (pets / "test.txt").write_text("e.jpg\t0,0,1\nf.jpg\t1,0,1\n")
    lists = DESCRIPTION.replace("labels.csv", "{train: labels.csv, test: test.txt}")
    lines = "a.jpg\t0,1,1\nb c.jpg\t0,0,1\nd.jpg\t1,1,0\n"
    found = listed(pets, lines, lists)
    assert found.classes == ("0", "1", "2")
    assert label_matrix(found.entries, 3).tolist() == EXPECTED
    found = listed(pets, lines, lists + "classes: [x, y, z]\n")
    assert found.classes == ("x", "y", "z")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("e.jpg,dog", "e.jpg,horse", "e.jpg has label 'horse', which no training image has"),
        ("e.jpg,dog", "e.jpg,", "e.jpg has no label; label it, take it out of the list, or keep"),
        ("e.jpg,dog", "g.jpg,dog", "1 listed files are missing, first"),
        ("e.jpg,dog", "a.jpg,dog", "a.jpg is listed twice, in train and test; take it out of one"),
        ("test", "train", "there are no test images; say which by a column split"),
        ("dog,test", "dog,tent", "line 5: split is 'tent', not train, test or val"),
        ("path,label,split", "a,b,c", "is no `path 0,1,0` with a flag for each label"),
        ("e.jpg", "", "line 5: there is no path"),
    ],
)
def test_a_list_that_is_wrong_is_one_sentence(pets, old, new, sentence):
    with pytest.raises(UsageError, match=sentence):
        listed(pets, LABELS.replace(old, new))


@pytest.mark.parametrize(
    ("text", "more", "sentence"),
    [
        (FLAGS.replace("1,1,0", "0,1,0"), "", "label 'bird' is that of no training image"),
        (FLAGS.replace("0,1,1", "0,yes,1"), "", "column 'cat' has 'yes', not 0 or 1"),
        (LABELS, "classes: [bird, cat]", "has label 'dog', which `classes` has not"),
        (LABELS, "classes: [bird, cat, dog, elk]", "label 'elk' is that of no training image"),
        (LABELS, "classes: 4", "`classes: 4`, and there are 3 labels"),
        (LABELS, "imbalance: 10", "imbalance does not go with kind: multi"),
        (LABELS, "stream: false", "stream: false does not go with kind: multi"),
        (LABELS, "test: 2", "test does not go with kind: multi"),
    ],
)
def test_a_description_that_is_wrong_is_one_sentence(pets, text, more, sentence):
    with pytest.raises(UsageError, match=sentence):
        listed(pets, text, f"{DESCRIPTION}{more}\n")


def test_images_without_labels_are_kept_where_that_is_said(pets):
    text = LABELS.replace("e.jpg,dog", "e.jpg,").replace("b c.jpg,dog", "b c.jpg,")
    found = listed(pets, text, f"{DESCRIPTION}unlabelled: keep\n")
    assert label_matrix(found.entries, 3)[[1, 3]].tolist() == [[0, 0, 0], [0, 0, 0]]
    pack_own(pets / "pets.yaml", pets / "data", lambda *words: None)
    info = read_own(pets / "pets.yaml", pets / "data").info
    split = load(Dataset(info, info.imbalance), pets / "data")
    assert split.train.labels.tolist() == [[0, 1, 1], [0, 0, 0], [1, 1, 0]]
    assert len(split.test.labels) == 2


def test_lines_of_flags_have_as_many_as_the_first(pets):
    with pytest.raises(UsageError, match=r"line 2: 'b c\.jpg 0,1' is no"):
        listed(pets, "a.jpg 0,1,1\nb c.jpg 0,1\n")


def test_the_same_picture_in_both_parts_is_refused(pets):
    (pets / "photos/e.jpg").write_bytes((pets / "photos/a.jpg").read_bytes())
    listed(pets, LABELS)
    with pytest.raises(UsageError, match="1 test images are training images under another name"):
        pack_own(pets / "pets.yaml", pets / "data", lambda *words: None)


def test_what_is_packed_has_its_labels_and_other_labels_are_another_set(pets):
    path, root = pets / "pets.yaml", pets / "data"
    listed(pets, LABELS)
    with pytest.raises(LtbenchError, match="nothing is packed of it"):
        read_own(path, root)
    pack_own(path, root, lambda *words: None)
    info = read_own(path, root).info
    assert (info.kind, info.whole, info.many_above, info.test_count) == ("multi", True, 99, 2)
    assert info.counts == (1, 2, 2)
    assert info.test_counts == (1, 0, 2)
    assert info.class_names == ("bird", "cat", "dog")
    listed(pets, LABELS.replace("e.jpg,dog", "e.jpg,cat"))
    pack_own(path, pets / "other", lambda *words: None)
    assert read_own(path, pets / "other").info.variant != info.variant
    (root / "pets" / "test.txt").write_text("e.jpg 0\nf.jpg 1\n")
    with pytest.raises(LtbenchError, match="has other labels than were packed"):
        read_own(path, root)
