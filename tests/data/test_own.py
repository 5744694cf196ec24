"""Images of one's own: layouts, lists, libraries; facts that follow from them; what is amiss."""

import re
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from made_images import describe, folders, write

from ltbench.data.arrays import normalisation
from ltbench.data.catalog import CATALOG, dataset, register
from ltbench.data.description import Description, read_description
from ltbench.data.own import classes_of, noticed, read_own
from ltbench.data.readers import load
from ltbench.errors import LtbenchError, UsageError

pytestmark = pytest.mark.usefixtures("known_again")

COUNTS = {"amsel": 9, "bussard": 6, "eule": 4}


def made(tmp_path, counts=COUNTS, **fields):
    folders(tmp_path / "photos", counts)
    return describe(tmp_path / "made.yaml", images="photos", **{"size": 8, "test": 2, **fields})


def own(path):
    return read_own(path, path.parent)


def refused(path, error=UsageError):
    with pytest.raises(error) as caught:
        own(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "?"))
    return text


# layouts


def test_class_folders_are_a_data_set_with_its_counts_as_they_are(tmp_path):
    found = own(made(tmp_path))
    assert found.info.class_names == ("amsel", "bussard", "eule")
    assert found.info.counts == (7, 4, 2)
    assert found.info.test_counts == (2, 2, 2)
    assert (found.info.classes, found.info.head_count, found.info.imbalance) == (3, 7, 3.5)
    assert found.info.shape == (3, 8, 8)
    assert found.info.padding == 1
    assert found.arrays.train_images.shape == (13, 8, 8, 3)


def test_a_set_is_loaded_drawn_and_held_out_like_any_other(tmp_path):
    register(own(made(tmp_path)).info)
    split = load(dataset("made"), tmp_path)
    assert split.class_counts == (7, 4, 2)
    assert split.train.labels.bincount().tolist() == [7, 4, 2]
    assert split.test.labels.bincount().tolist() == [2, 2, 2]
    assert split.train.images.dtype == torch.uint8
    part = load(dataset("made"), tmp_path, fraction=0.5)
    assert part.class_counts == (4, 2, 1)
    assert part.test.labels.bincount().tolist() == [1, 1, 1]


def test_parts_may_be_folders_above_the_classes(tmp_path):
    folders(tmp_path / "photos" / "train", COUNTS)
    folders(tmp_path / "photos" / "test", {"amsel": 1, "bussard": 2, "eule": 3}, 50)
    folders(tmp_path / "photos" / "validation", dict.fromkeys(COUNTS, 2), 90)
    path = describe(tmp_path / "made.yaml", images="photos", size=8)
    register(own(path).info)
    split = load(dataset("made"), tmp_path)
    assert split.class_counts == (9, 6, 4)
    assert split.test.labels.bincount().tolist() == [1, 2, 3]
    assert split.validation.labels.bincount().tolist() == [2, 2, 2]
    assert split.held_out == 0
    held = load(dataset("made"), tmp_path, validation=1)
    assert held.validation.labels.bincount().tolist() == [1, 1, 1]
    assert held.held_out == 1
    assert held.class_counts == (8, 5, 3)


def test_a_list_names_files_labels_and_parts(tmp_path):
    folders(tmp_path / "photos", COUNTS)
    rows = ["Path;label;split"]
    for name, count in COUNTS.items():
        for number in range(count):
            rows.append(f"{name}/{number:03d}.png;{name.upper()};{'test' if number < 2 else ''}")
    (tmp_path / "all.csv").write_text("\ufeff" + "\n".join(rows), "utf-8")
    found = own(describe(tmp_path / "made.yaml", images="photos", list="all.csv", size=8))
    assert found.info.class_names == ("AMSEL", "BUSSARD", "EULE")
    assert found.info.counts == (7, 4, 2)


def test_published_lists_are_lines_of_path_and_label_one_for_each_part(tmp_path):
    folders(tmp_path / "photos", {"a b": 3, "c": 3})
    lines = {part: [] for part in ("train", "test")}
    for label, name in enumerate(("a b", "c")):
        for number in range(3):
            lines["test" if number == 2 else "train"].append(f"{name}/{number:03d}.png {label}")
    for part, content in lines.items():
        (tmp_path / f"{part}.txt").write_text("\n".join(content))
    parts = {"train": "train.txt", "test": "test.txt"}
    found = own(describe(tmp_path / "made.yaml", images="photos", list=parts, size=8))
    assert found.info.class_names == ("0", "1")
    assert found.info.counts == (2, 2)


def test_numbers_as_names_go_by_value(tmp_path):
    found = own(made(tmp_path, {"2": 4, "10": 4, "1": 4}, classes=["1", "2", "10"]))
    assert found.info.class_names == ("1", "2", "10")


def test_a_name_in_another_unicode_form_is_the_same_class(tmp_path):
    folders(tmp_path / "photos", {unicodedata.normalize("NFD", "häher"): 4, "ibis": 4})
    found = own(describe(tmp_path / "made.yaml", images="photos", size=8, test=1))
    assert found.info.class_names == (unicodedata.normalize("NFC", "häher"), "ibis")


def test_other_files_are_counted_and_hidden_ones_are_not(tmp_path):
    path = made(tmp_path)
    (tmp_path / "photos" / "eule" / "notes.txt").write_text("seen at dusk")
    (tmp_path / "photos" / "eule" / ".DS_Store").write_text("")
    assert noticed(own(path).info)["files that are no images"] == 1


# libraries


def test_a_set_of_scikit_learns_gives_a_tail(tmp_path):
    path = describe(
        tmp_path / "made.yaml", sklearn="load_digits", channels=1, size=8, test=50,
        imbalance=10, head=100,
    )  # fmt: skip
    register(own(path).info)
    split = load(dataset("made"), tmp_path)
    assert (split.class_counts[0], split.class_counts[-1]) == (100, 10)
    assert str(dataset("made", 20)).endswith("(imbalance=20)")
    assert load(dataset("made", 20), tmp_path).class_counts[-1] == 5
    whole = load(dataset("digits_lt"), tmp_path)
    assert set(split.train.images.unique().tolist()) == set(whole.train.images.unique().tolist())


def test_a_set_of_torchvisions_gives_a_tail_with_its_names(tmp_path, monkeypatch):
    from PIL import Image
    from torchvision import datasets

    class Letters:
        classes = ("N/A", "a", "b")

        def __init__(self, root, train=True, download=False):
            self.first = 0 if train else 100

        def __len__(self):
            return 12

        def __getitem__(self, position):
            if position >= 12:
                raise IndexError
            value = self.first + position
            return Image.new("L", (9, 9), value), 1 + position % 2

    monkeypatch.setattr(datasets, "Letters", Letters, raising=False)
    path = describe(tmp_path / "made.yaml", torchvision="Letters", channels=1, size=8, imbalance=3)
    found = own(path)
    assert found.info.class_names == ("a", "b")
    assert found.info.head_count == 6
    assert dataset_counts(found.info) == (6, 2)
    assert found.arrays.test_images.max() == 111


def dataset_counts(info):
    register(info)
    return dataset(info.name).class_counts()


# facts


def test_normalisation_is_measured_on_the_training_images(tmp_path):
    found = own(made(tmp_path))
    values = found.arrays.train_images.reshape(-1, 3) / 255
    assert found.info.mean == pytest.approx(values.mean(0), abs=1e-4)
    assert found.info.std == pytest.approx(values.std(0), abs=1e-4)


def test_a_flat_channel_can_be_divided_by():
    assert normalisation(np.full((4, 2, 2, 1), 255, np.uint8)) == ((1.0,), (1.0,))


def test_what_is_given_is_taken(tmp_path):
    path = made(
        tmp_path, channels=1, mean=0.5, std=[0.25], padding=0, flip=False, many_above=5,
        few_below=3, network="resnet8", protocol="smoke", title="Made up",
    )  # fmt: skip
    info = own(path).info
    assert (info.mean, info.std, info.padding, info.flip) == ((0.5,), (0.25,), 0, False)
    assert (info.many_above, info.few_below, info.network) == (5, 3, "resnet8")
    assert (info.protocol, info.title, info.shape) == ("smoke", "Made up", (1, 8, 8))


def test_the_name_bears_the_hash_of_images_and_description(tmp_path):
    path = made(tmp_path)
    first = own(path)
    assert str(first.info.variant) == f"h{first.sha256[:8]}"
    register(first.info)
    assert str(dataset("made")) == f"made@{first.info.variant}"
    assert dataset(f"made@{first.info.variant}") == dataset("made")
    with pytest.raises(UsageError, match=r"made is made@h\w+ here, not @hdeadbeef"):
        dataset("made@hdeadbeef")
    assert own(path).sha256 == first.sha256
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "photos").rename(moved / "photos")
    assert own(path.rename(moved / "other.yaml")).sha256 == first.sha256


@pytest.mark.parametrize("change", ["image", "name", "label", "size", "flip"])
def test_whatever_changes_a_result_changes_the_hash(tmp_path, change):
    path = made(tmp_path)
    before, photos = own(path).sha256, tmp_path / "photos"
    if change == "image":
        write(photos / "eule" / "000.png", 77)
    elif change == "name":
        (photos / "eule" / "000.png").rename(photos / "eule" / "999.png")
    elif change == "label":
        (photos / "amsel" / "000.png").rename(photos / "eule" / "800.png")
    else:
        made(tmp_path, **{change: 9 if change == "size" else False})
    assert own(path).sha256 != before


def test_a_title_changes_no_result_and_no_hash(tmp_path):
    path = made(tmp_path)
    assert own(path).sha256 == own(made(tmp_path, title="Birds", network="resnet8")).sha256


def test_classes_have_names_and_sets_of_ltbenchs_have_numbers(tmp_path):
    assert classes_of(own(made(tmp_path)).info) == ("amsel", "bussard", "eule")
    assert classes_of(CATALOG["digits_lt"])[:3] == ("0", "1", "2")


def test_images_that_change_between_reading_and_training_are_noticed(tmp_path):
    path = made(tmp_path)
    register(own(path).info)
    data = dataset("made")
    write(tmp_path / "photos" / "eule" / "000.png", 78)
    own(path)  # as another process does
    with pytest.raises(LtbenchError, match="have changed since this command began"):
        load(data, tmp_path)


def test_a_set_has_its_own_imbalance_unless_a_tail_is_drawn(tmp_path):
    register(own(made(tmp_path)).info)
    with pytest.raises(UsageError, match="comes with its own imbalance"):
        dataset("made", 50)


def test_the_descriptions_that_the_page_shows_are_read(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text()
    shown = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(shown) == 5
    for content in shown:
        (tmp_path / "made.yaml").write_text(content)
        assert read_description(tmp_path / "made.yaml").name == yaml.safe_load(content)["name"]
    (table,) = re.findall(r"^\| field \| meaning; .*\n((?:\|.*\n)+)", page, re.MULTILINE)
    said = re.findall("`(\\w+)`", " ".join(line.split("|")[1] for line in table.splitlines()))
    assert sorted(said) == sorted(Description.model_fields)


def shown_as(name):
    """Return the description of a name that the page on data sets shows, as YAML."""
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text()
    shown = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (found,) = [each for each in shown if yaml.safe_load(each)["name"] == name]
    return found


def test_cinic_10_is_read_as_it_is_unpacked(tmp_path):
    folders(tmp_path / "cinic" / "train", {"cat": 8, "dog": 8})
    folders(tmp_path / "cinic" / "valid", {"cat": 8, "dog": 8}, first=10_000)
    folders(tmp_path / "cinic" / "test", {"cat": 3, "dog": 3}, first=20_000)
    (tmp_path / "made.yaml").write_text(shown_as("cinic10_tail").replace("100", "4"))
    info = own(tmp_path / "made.yaml").info
    register(info)
    found = dataset("cinic10_tail")
    assert (found.class_counts(), found.test_images()) == ((8, 2), 6)


def test_tiny_imagenet_is_read_by_the_list_that_the_page_makes(tmp_path):
    root = tmp_path / "tiny-imagenet-200"
    for label, name in enumerate(("n01443537", "n01629819")):
        for number in range(8):
            place = root / "train" / name / "images" / f"{name}_{number}.JPEG"
            write(place, 100 * label + number, "JPEG")
    lines = []
    for number, name in enumerate(("n01629819", "n01443537", "n01629819", "n01629819")):
        write(root / "val" / "images" / f"val_{number}.JPEG", 1000 + number, "JPEG")
        lines.append(f"val_{number}.JPEG\t{name}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text()
    (script,) = re.findall(r"^```bash\n(cd tiny-.*?)^```", page, re.MULTILINE | re.DOTALL)
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, check=True)
    (tmp_path / "made.yaml").write_text(shown_as("tiny_imagenet_tail").replace("100", "4"))
    found = own(tmp_path / "made.yaml")
    assert found.info.class_names == ("n01443537", "n01629819")
    assert found.info.shape == (3, 64, 64)
    assert found.info.test_counts == (1, 3)
    register(found.info)
    assert dataset("tiny_imagenet_tail").class_counts() == (8, 2)


# what is amiss


def test_a_name_is_ones_own(tmp_path):
    info = own(made(tmp_path, name="digits_lt")).info
    with pytest.raises(UsageError, match="digits_lt is a data set of ltbench; choose another"):
        register(info)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"images": None}, "give one of images, list, torchvision, sklearn"),
        ({"torchvision": "SVHN"}, "images and torchvision are two sources"),
        ({"size": 3}, "size is not as it must be"),
        ({"name": "My birds"}, "name is small letters, digits and _, a letter first"),
        ({"siez": 8}, "siez'; did you mean size"),
        ({"head": 5}, "head goes with imbalance"),
        ({"mean": [0.5, 0.5, 0.5]}, "give mean and std both"),
        ({"mean": [0.5], "std": [0.5]}, "each of the 3 channels"),
        ({"mean": [0.5] * 3, "std": [0.5, 0.5, 0]}, "std must be above 0"),
        ({"classes": ["amsel", "eule"]}, "'bussard', which `classes` has not"),
        ({"classes": ["amsel", "bussard", "eule", "ibis"]}, "class 'ibis' has no train image"),
        ({"classes": ["amsel", "amsel"]}, "names a class twice"),
        ({"classes": 4}, "`classes: 4`, and training images are of 3: amsel, bussard, eule"),
        ({"test": None}, "there are no test images"),
        ({"test": 4}, "class 'eule' has 4 images, so that test: 4 leaves none"),
        ({"images": "nowhere"}, "nowhere does not read"),
        ({"few_below": 200}, "few_below is above many_above"),
        ({"list": "none.csv"}, "none.csv does not read"),
        ({"imbalance": 2, "head": 3}, "head: 3 is more than the 2 training images of class 2"),
        ({"images": None, "torchvision": "Nothing"}, "torchvision.datasets has no Nothing"),
        ({"images": None, "sklearn": "load_iris"}, "has no images with classes"),
        ({"images": None, "sklearn": "load_digits", "arguments": {"x": 1}}, "correct `arguments`"),
    ],
)
def test_a_description_that_does_not_fit_is_one_sentence(tmp_path, fields, words):
    path = made(tmp_path)
    describe(path, **{"images": "photos", "size": 8, "test": 2, **fields})
    assert words in refused(path)


@pytest.mark.parametrize("content", ["", "- a", "name: [", "1: 2", "\xff"])
def test_a_file_that_describes_nothing_is_one_sentence(tmp_path, content):
    path = tmp_path / "made.yaml"
    path.write_bytes(content.encode("latin-1"))
    assert str(path) in refused(path)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["path,label"], "has no image"),
        (["path,label,split", "amsel/000.png,0,later"], "line 2: split is 'later'"),
        (["path,label", "amsel/000.png,"], "line 2: there is no path or no label"),
        (["amsel/000.png"], "line 1: 'amsel/000.png' is no `path label`"),
        (["path,label", "amsel/099.png,0", "x.png,1"], "2 listed files are missing, first"),
        (
            ["path,label,split", "amsel/000.png,0,train", "eule/000.png,1,",
             "./amsel/000.png,0,test", "eule/001.png,1,test"],
            "is listed twice, in train and test",
        ),
        (
            ["path,label,split", "amsel/000.png,0,", "eule/000.png,2,", "eule/001.png,1,test"],
            "class 1 has no training image",
        ),
        (
            ["path,label,split", "amsel/000.png,0,", "eule/000.png,1,", "eule/001.png,7,test"],
            "eule/001.png is of class '7', which no training image has",
        ),
        (
            ["path,label,split", "amsel/000.png,0,train", "eule/000.png,-1,train"],
            "class -1 is below 0; number the classes from 0 on, or name them.",
        ),
    ],
)  # fmt: skip
def test_a_list_that_is_wrong_is_one_sentence(tmp_path, rows, words):
    folders(tmp_path / "photos", COUNTS)
    (tmp_path / "all.csv").write_text("\n".join(rows))
    path = describe(tmp_path / "made.yaml", images="photos", list="all.csv", size=8)
    assert words in refused(path)


def test_the_number_of_classes_may_be_given_where_they_have_names(tmp_path):
    assert own(made(tmp_path, classes=3)).info.class_names == ("amsel", "bussard", "eule")


def test_images_that_do_not_read_are_not_counted_where_tests_are_drawn(tmp_path):
    path = made(tmp_path, unreadable="skip", test=3)
    (tmp_path / "photos" / "eule" / "000.png").write_bytes(b"no image")
    assert "class 'eule' has 3 images that read, so that test: 3 leaves none" in refused(path)


def test_a_label_above_the_classes_is_out_of_range(tmp_path):
    folders(tmp_path / "photos", COUNTS)
    rows = ["path,label", "amsel/000.png,0", "eule/000.png,3"]
    (tmp_path / "all.csv").write_text("\n".join(rows))
    path = describe(
        tmp_path / "made.yaml", images="photos", list="all.csv", size=8, classes=3, test=1
    )
    assert "eule/000.png is of class '3', which `classes` has not" in refused(path)


def test_equal_bytes_in_training_and_test_are_refused(tmp_path):
    folders(tmp_path / "photos" / "train", COUNTS)
    folders(tmp_path / "photos" / "test", dict.fromkeys(COUNTS, 1))
    path = describe(tmp_path / "made.yaml", images="photos", size=8)
    assert "3 test images are training images under another name" in refused(path)


def test_an_image_that_does_not_read_is_named_or_left_out_where_that_is_asked_for(tmp_path):
    path = made(tmp_path)
    for number in (1, 2):
        (tmp_path / "photos" / "amsel" / f"00{number}.png").write_bytes(b"<html>")
    text = refused(path, LtbenchError)
    assert "amsel/001.png (no image) and 1 others do not read as images" in text
    found = own(made_again(path, unreadable="skip"))
    assert found.skipped == ("amsel/001.png (no image)", "amsel/002.png (no image)")
    assert found.info.counts == (5, 4, 2)
    assert "amsel/002.png" in noticed(found.info)["left out"]


def made_again(path, **fields):
    return describe(path, images="photos", size=8, test=2, **fields)


def test_more_pixels_than_memory_holds_are_refused_before_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("ltbench.data.arrays.LARGEST", 1000)
    assert "give a smaller `size`" in refused(made(tmp_path))
