"""Images of one's own with several labels each, from a list to a record; MIML by its name."""

import csv

import pytest
from made_annotated import image

from ltbench.exchange.soundness import check_record
from ltbench.runs.store import Store

RUN = ("--network", "resnet8", "--seeds", "1", "--quiet", "--protocol")
SMOKE = "smoke(fraction=1.0)"


@pytest.fixture
def pets(home, monkeypatch, known_again):
    monkeypatch.setenv("LTBENCH_WORKERS", "0")
    rows = [("path", "label", "split")]
    for number in range(16):
        image(home / "photos" / f"{number}.jpg", number)
        labels = [name for at, name in enumerate(("cat", "dog", "elk")) if (number + 1) >> at & 1]
        rows.append((f"{number}.jpg", "|".join(labels or ["cat"]), "test" if number > 9 else ""))
    with (home / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    (home / "pets.yaml").write_text(
        "name: pets\nkind: multi\nimages: photos\nlist: labels.csv\nsize: 32\n"
    )
    return home


@pytest.mark.slow
def test_a_list_becomes_a_record_of_mean_average_precision(ltbench, pets):
    data = ("--data", "pets.yaml")
    before = ltbench("run", *data, "--dataset", "pets", "--methods", "bce", *RUN, SMOKE)
    assert "nothing is packed of it" in before.err
    prepared = ltbench("data", "prepare", "pets.yaml")
    assert prepared.code == 0, prepared.err
    assert ltbench("data", "check", "pets.yaml").code == 0
    described = ltbench("data", "describe", "pets.yaml")
    assert described.code == 0, described.err
    assert "labels an image: 1." in described.out
    assert ltbench("show", "pets", *data).code == 0
    refused = ltbench("run", *data, "--dataset", "pets", "--methods", "ce", *RUN, SMOKE)
    assert "one label an image" in refused.err
    done = ltbench("run", *data, "--dataset", "pets", "--methods", "bce,db+more", *RUN, SMOKE)
    assert done.code == 0, done.err
    assert "mAP" in done.out
    records = list(Store(pets / "results").records())
    assert len(records) == 2
    for record in records:
        assert record.dataset.startswith("pets@h")
        assert (record.data.training_images, record.data.test_images) == (10, 6)
        check_record(record, {})
    part = ltbench("run", *data, "--dataset", "pets", "--methods", "bce", *RUN, "smoke")
    assert part.code == 0, part.err


@pytest.mark.slow
def test_miml_is_described_packed_and_run(ltbench, pets):
    names = ("desert", "mountains", "sea", "sunset", "trees")
    rows = [("path", "label")]
    rows += [(f"{n}.jpg", f"{names[n % 5]}|{names[n * 3 % 5]}") for n in range(16)]
    with (pets / "miml.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    words = ("data", "prepare", "miml", "--images", "photos")
    assert "name them with --images and --lists" in ltbench(*words).err
    wrong = ltbench(*words, "--lists", "miml.csv")
    assert wrong.code == 2
    assert "MIML has labels of (409, 458, 580, 465, 560)" in wrong.err
    done = ltbench(*words, "--lists", "miml.csv", "--other-lists")
    assert done.code == 0, done.err
    assert "miml.yaml --dataset miml" in done.out
    (described,) = pets.rglob("miml.yaml")
    described = described.relative_to(pets)
    run = ltbench("run", "--data", described, "--dataset", "miml", "--methods", "asl", *RUN, SMOKE)
    assert run.code == 0, run.err
