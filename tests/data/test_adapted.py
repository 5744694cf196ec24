"""NUS-WIDE-SCENE and MIML from a user's folder, on tiny fakes of both."""

from collections import Counter

import numpy as np
import pytest
from made_annotated import image
from scipy.io import savemat

from ltbench.data.adapted import HALVES, MIML, long_tailed, write_description
from ltbench.data.description import read_description
from ltbench.data.lists import ListedImage
from ltbench.data.several_labels import label_matrix, several_listing
from ltbench.errors import LtbenchError, UsageError


def made(images, name, labels, root, imbalance=None, *, verify=False):
    path = write_description(name, images, labels, root, imbalance, verify=verify)
    found = several_listing(read_description(path), path.parent)
    counts = {
        part: label_matrix([e for e in found.entries if e.part == part], len(found.classes)).sum(0)
        for part in ("train", "test")
    }
    return found, {part: own.tolist() for part, own in counts.items()}


@pytest.fixture
def miml(tmp_path):
    """Forty images of one or two of the five labels, and their `.mat`."""
    rows = np.full((40, 5), -1)
    for number, row in enumerate(rows, 1):
        image(tmp_path / "images" / f"{number}.jpg", number)
        row[[number % 5, number % 5 if number % 4 else (number + 1) % 5]] = 1
    savemat(tmp_path / "miml data.mat", {"targets": rows.T})
    return tmp_path


def test_every_set_of_labels_is_halved_by_a_fixed_seed(miml):
    found, counts = made(miml / "images", "miml", miml / "miml data.mat", miml / "data")
    assert found.classes == MIML
    assert counts == {"train": [5, 5, 5, 5, 5], "test": [5, 5, 5, 5, 5]}
    again, _ = made(miml / "images", "miml", miml / "miml data.mat", miml / "data")
    assert again == found
    rows = ["path,label"]
    rows += [
        f"{each.name},{'|'.join(MIML[int(c)] for c in each.label.split('|'))}"
        for each in found.entries
    ]
    (miml / "labels.csv").write_text("\n".join(rows))
    same, _ = made(miml / "images", "miml", miml / "labels.csv", miml / "data")
    assert same == found


def test_labels_that_are_not_the_sets_are_refused(miml):
    with pytest.raises(UsageError, match=r"MIML has labels of \(409, 458, 580, 465, 560\)"):
        made(miml / "images", "miml", miml / "miml data.mat", miml / "data", verify=True)
    savemat(miml / "other.mat", {"bags": np.zeros(3)})
    with pytest.raises(LtbenchError, match=r"does not read \('targets'\); give the original's, wh"):
        made(miml / "images", "miml", miml / "other.mat", miml / "data")


def test_a_tail_is_never_more_than_the_rule_and_leaves_the_test_alone():
    entries = [
        ListedImage(f"{n}.jpg", None, "|".join(sorted({"abcde"[n % 5], "abcde"[n * 7 % 3]})), part)
        for n in range(400) for part in ("train", "test")[n % 4 == 0 :][:1]
    ]  # fmt: skip
    kept = long_tailed(entries, 20)

    def counts(part, those):
        own = [each for each in those if each.part == part]
        return Counter(label for each in own for label in each.label.split("|"))

    before, after = counts("train", entries), counts("train", kept)
    order = sorted(before, key=lambda label: (-before[label], label))
    most = before[order[0]]
    for place, label in enumerate(order):
        assert after[label] <= int(most * 20 ** (-place / 4))
    assert after[order[-1]] == int(most / 20)
    assert counts("test", kept) == counts("test", entries)


def test_scenes_have_their_official_halves(tmp_path):
    for seed, name in enumerate(("a", "b", "c")):
        image(tmp_path / "images" / f"{name}.jpg", seed)
    for name, text in zip(HALVES, ("a.jpg\t0,1,1\nb.jpg\t1,0,0\n", "c.jpg\t0,0,1\n"), strict=True):
        (tmp_path / name).write_text(text)
    found, counts = made(tmp_path / "images", "nus_wide_scene", tmp_path, tmp_path / "data")
    assert found.classes == ("0", "1", "2")
    assert counts == {"train": [1, 1, 1], "test": [0, 0, 1]}
    (tmp_path / "one.csv").write_text(
        "path,label,split\na.jpg,sky|sea,train\nb.jpg,sea,train\nc.jpg,sky,test\n"
    )
    found, _ = made(tmp_path / "images", "nus_wide_scene", tmp_path / "one.csv", tmp_path / "data")
    assert found.classes == ("sea", "sky")
    with pytest.raises(UsageError, match="has labels of 33"):
        made(
            tmp_path / "images", "nus_wide_scene", tmp_path / "one.csv", tmp_path / "d", verify=True
        )
    with pytest.raises(UsageError, match=r"multilabel_train_list\.txt is not there"):
        made(tmp_path / "images", "nus_wide_scene", tmp_path / "images", tmp_path / "data")
