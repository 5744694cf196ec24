"""From a data set's name to its images: digits, made-up archives, damaged files, the real files."""

import gzip
import hashlib
import os
import pickle
import struct
import urllib.error
import urllib.request
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torchvision.datasets import CIFAR10, CIFAR100, FashionMNIST

from ltbench.data.catalog import CATALOG, Dataset, dataset
from ltbench.data.diagnosis import diagnosed
from ltbench.data.profile import class_counts
from ltbench.data.readers import load, pixels_sha256, read, unverified_files
from ltbench.data.root import data_root
from ltbench.data.splits import draw, fingerprint
from ltbench.errors import LtbenchError, UsageError

NOWHERE = Path("no-such-folder")
DIGITS = dataset("digits_lt")


@pytest.fixture(autouse=True)
def addresses(monkeypatch):
    """No network: every address that is asked for is kept, and fails at once."""
    wanted = []

    def refuse(request, *args, **kwargs):
        wanted.append(getattr(request, "full_url", request))
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return wanted


def md5(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def same(left, right):
    return torch.equal(left.images, right.images) and torch.equal(left.labels, right.labels)


def one_sentence(error, *words):
    text = str(error)
    return "\n" not in text and text.endswith(".") and all(word in text for word in words)


# digits


def test_digits_have_the_long_tailed_counts_and_fifty_test_images_a_class():
    split = load(DIGITS, NOWHERE)
    assert split.class_counts == tuple(class_counts(120, 10, 20))
    assert split.class_counts[0] == 120
    assert split.class_counts[-1] == 6
    assert tuple(split.train.labels.bincount().tolist()) == split.class_counts
    assert split.test.labels.bincount().tolist() == [50] * 10
    assert split.train.images.shape == (sum(split.class_counts), 1, 8, 8)
    assert split.test.images.shape == (500, 1, 8, 8)
    assert split.train.images.dtype == split.test.images.dtype == torch.uint8
    assert split.train.labels.dtype == torch.int64
    assert split.validation is None


def test_training_and_test_digits_together_are_every_digit_once():
    arrays, bunch = read(DIGITS.info, NOWHERE), load_digits()
    assert len(arrays.train_labels) == 1797 - 500
    found = sorted(
        (int(label), image.tobytes())
        for images, labels in (
            (arrays.train_images, arrays.train_labels),
            (arrays.test_images, arrays.test_labels),
        )
        for image, label in zip(images, labels, strict=True)
    )
    whole = np.round(bunch.images / 16 * 255).astype(np.uint8)
    expected = sorted(
        (int(label), image.tobytes()) for image, label in zip(whole, bunch.target, strict=True)
    )
    assert found == expected


def test_digits_use_the_whole_range_of_grey():
    images = read(DIGITS.info, NOWHERE).train_images
    assert (images.min(), images.max()) == (0, 255)
    assert len(np.unique(images)) == 17


def test_the_catalogue_knows_the_mean_and_spread_of_the_digits():
    arrays = read(DIGITS.info, NOWHERE)
    pixels = np.concatenate([arrays.train_images, arrays.test_images]) / 255
    assert pixels.mean() == pytest.approx(DIGITS.info.mean[0], abs=1e-3)
    assert pixels.std() == pytest.approx(DIGITS.info.std[0], abs=1e-3)


def test_digits_are_the_same_at_every_reading():
    np.random.seed(1)
    torch.manual_seed(1)
    first = load(DIGITS, NOWHERE)
    np.random.seed(2)
    torch.manual_seed(2)
    second = load(DIGITS, NOWHERE)
    assert same(first.train, second.train)
    assert same(first.test, second.test)
    assert first.indices_sha256 == second.indices_sha256


def test_the_test_digits_depend_on_neither_imbalance_nor_subset_seed():
    usual = load(DIGITS, NOWHERE)
    other = load(dataset("digits_lt(imbalance=2)"), NOWHERE, subset_seed=3)
    assert same(usual.test, other.test)
    assert usual.indices_sha256 != other.indices_sha256


def test_reading_leaves_the_global_generators_alone():
    np.random.seed(123)
    torch.manual_seed(123)
    numpy_before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()
    load(DIGITS, NOWHERE, validation=2)
    assert np.array_equal(np.random.get_state()[1], numpy_before)
    assert torch.equal(torch.get_rng_state(), torch_before)


def test_the_split_is_the_drawn_one_and_carries_its_fingerprint():
    arrays, split = read(DIGITS.info, NOWHERE), load(DIGITS, NOWHERE, subset_seed=4)
    indices = draw(arrays.train_labels, class_counts(120, 10, 20), 4)
    assert split.indices_sha256 == fingerprint(indices)
    expected = torch.from_numpy(arrays.train_images[indices]).permute(0, 3, 1, 2)
    assert torch.equal(split.train.images, expected)
    assert split.train.images.is_contiguous()


# fraction and validation


def test_a_fraction_keeps_the_first_images_of_every_class():
    whole, part = load(DIGITS, NOWHERE), load(DIGITS, NOWHERE, fraction=0.2)
    assert part.class_counts == tuple(max(1, round(0.2 * n)) for n in whole.class_counts)
    assert part.class_counts[-1] == 1
    for c, count in enumerate(part.class_counts):
        kept = part.train.images[part.train.labels == c]
        assert torch.equal(kept, whole.train.images[whole.train.labels == c][:count])
    assert part.test.labels.bincount().tolist() == [10] * 10


def test_the_smallest_fraction_leaves_one_image_of_every_class():
    split = load(DIGITS, NOWHERE, fraction=1e-6)
    assert split.class_counts == (1,) * 10
    assert split.train.labels.tolist() == list(range(10))
    assert split.test.labels.bincount().tolist() == [1] * 10


def test_validation_is_a_balanced_slice_of_the_training_set_and_leaves_it():
    whole, split = load(DIGITS, NOWHERE), load(DIGITS, NOWHERE, validation=3)
    assert split.validation.labels.bincount().tolist() == [3] * 10
    assert split.class_counts == tuple(n - 3 for n in whole.class_counts)
    assert tuple(split.train.labels.bincount().tolist()) == split.class_counts
    for c in range(10):
        stay = split.train.images[split.train.labels == c]
        held = split.validation.images[split.validation.labels == c]
        assert torch.equal(torch.cat([stay, held]), whole.train.images[whole.train.labels == c])
    assert same(split.test, whole.test)
    assert split.indices_sha256 != whole.indices_sha256


def test_a_validation_slice_that_empties_a_class_is_refused():
    with pytest.raises(UsageError, match="validation=6 leaves class 9 with no training image"):
        load(DIGITS, NOWHERE, validation=6)


def test_an_imbalance_that_empties_a_class_is_refused_before_any_file_is_read():
    with pytest.raises(UsageError, match=r"imbalance 600 leaves class \d+ of 100 without images"):
        load(dataset("cifar100_lt(imbalance=600)"), NOWHERE)


def test_data_lies_where_the_flag_says_else_the_environment_else_in_the_working_folder(
    monkeypatch,
):
    monkeypatch.setenv("LTBENCH_DATA", "from-environment")
    assert data_root(Path("given")) == Path("given")
    assert data_root(None) == Path("from-environment")
    monkeypatch.setenv("LTBENCH_DATA", "")
    assert data_root(None) == Path("data")
    monkeypatch.delenv("LTBENCH_DATA")
    assert data_root(None) == Path("data")


# made-up CIFAR archives


def cifar_files(classes=10, per_class=6, test_per_class=2):
    """Name to content of a small folder in CIFAR's own layout, and its images and labels."""
    stream = np.random.RandomState(0)
    key = "labels" if classes == 10 else "fine_labels"
    files, parts = {}, {}
    names = [f"data_batch_{n}" for n in range(1, 6)] if classes == 10 else ["train"]
    labels = np.tile(np.arange(classes), per_class)
    test_name = "test_batch" if classes == 10 else "test"
    shares = dict(zip(names, np.array_split(labels, len(names)), strict=True))
    shares[test_name] = np.tile(np.arange(classes), test_per_class)
    for name, share in shares.items():
        planes = stream.randint(0, 256, (len(share), 3072)).astype(np.uint8)
        files[name] = pickle.dumps({"data": planes, key: share.tolist()})
        parts[name] = planes.reshape(-1, 3, 32, 32)
    meta = "label_names" if classes == 10 else "fine_label_names"
    files["batches.meta" if classes == 10 else "meta"] = pickle.dumps({meta: ["x"] * classes})
    train = np.concatenate([parts[name] for name in names])
    return files, (train, labels), (parts[test_name], shares[test_name])


def trust(monkeypatch, reader, files):
    """Let torchvision take made-up files for the published ones."""
    sums = {name: md5(content) for name, content in files.items()}
    for part in ("train_list", "test_list"):
        monkeypatch.setattr(reader, part, [[n, sums[n]] for n, _ in getattr(reader, part)])
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": sums[reader.meta["filename"]]})


def lay_down(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


READERS = [("cifar10_lt", CIFAR10, 10), ("cifar100_lt", CIFAR100, 100)]


@pytest.mark.parametrize(("name", "reader", "classes"), READERS)
def test_cifar_images_come_out_as_they_went_into_the_archive(
    tmp_path, monkeypatch, name, reader, classes
):
    files, train, test = cifar_files(classes)
    trust(monkeypatch, reader, files)
    lay_down(tmp_path / reader.base_folder, files)
    info = replace(CATALOG[name], head_count=6, test_count=2)
    split = load(Dataset(info, 3.0), tmp_path, download=False)
    counts = class_counts(6, classes, 3.0)
    indices = draw(train[1], counts, 0)
    assert split.class_counts == tuple(counts)
    assert np.array_equal(split.train.images.numpy(), train[0][indices])
    assert np.array_equal(split.train.labels.numpy(), train[1][indices])
    assert np.array_equal(split.test.images.numpy(), test[0])
    assert np.array_equal(split.test.labels.numpy(), test[1])


@pytest.mark.parametrize(("name", "reader", "classes"), READERS)
def test_missing_cifar_files_name_the_set_the_folder_and_the_remedy(
    tmp_path, addresses, name, reader, classes
):
    with pytest.raises(LtbenchError) as caught:
        read(CATALOG[name], tmp_path)
    remedy = ("--data-root", "LTBENCH_DATA", f"`ltbench data prepare {name}`")
    assert one_sentence(caught.value, name, str(tmp_path), "no network in tests", *remedy)
    assert caught.value.exit_code == 1
    assert addresses == [reader.url]


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
@pytest.mark.parametrize("victim", ["data_batch_3", "test_batch"])
def test_a_damaged_cifar_file_is_never_read(tmp_path, monkeypatch, damage, victim):
    files, *_ = cifar_files()
    trust(monkeypatch, CIFAR10, files)
    folder = tmp_path / CIFAR10.base_folder
    lay_down(folder, files)
    if damage == "cut":
        (folder / victim).write_bytes(files[victim][:-7])
    elif damage == "changed":
        (folder / victim).write_bytes(files[victim][:-1] + b"!")
    else:
        (folder / victim).unlink()
    with pytest.raises(LtbenchError) as caught:
        read(CATALOG["cifar10_lt"], tmp_path)
    said = one_sentence(caught.value, "cifar10_lt", victim)
    if damage == "gone":
        assert said
        assert f"there is no file {victim}" in str(caught.value)
        assert "delete" not in str(caught.value)
    else:
        assert said
        assert "another MD5 than was published); delete that file" in str(caught.value)


def test_the_inner_folder_or_one_too_high_is_told_from_files_that_are_missing(
    tmp_path, monkeypatch
):
    files, *_ = cifar_files()
    trust(monkeypatch, CIFAR10, files)
    lay_down(tmp_path / "sets" / CIFAR10.base_folder, files)
    for given in (tmp_path / "sets" / CIFAR10.base_folder, tmp_path):
        with pytest.raises(LtbenchError) as caught:
            read(CATALOG["cifar10_lt"], given)  # and nothing is downloaded into it
        right = tmp_path / "sets"
        assert one_sentence(caught.value, f"does not lie in {given} but in {right};")
        assert f"give --data-root {right}." in str(caught.value)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (MemoryError(), "cifar10_lt needs more memory than is free here"),
        (PermissionError(13, "Permission denied", "data/x"), "data/x may not be read"),
        (RuntimeError("odd"), "does not read (odd)"),
    ],
)
def test_whole_files_are_never_called_damaged(tmp_path, monkeypatch, problem, words):
    files, *_ = cifar_files()
    trust(monkeypatch, CIFAR10, files)
    lay_down(tmp_path / CIFAR10.base_folder, files)

    def fails(*given, **options):
        raise problem

    monkeypatch.setattr(np, "vstack", fails)
    with pytest.raises(LtbenchError) as caught:
        read(CATALOG["cifar10_lt"], tmp_path, download=False)
    assert one_sentence(caught.value, words)
    assert "damaged" not in str(caught.value)
    assert "delete" not in str(caught.value)


def test_a_folder_that_may_not_be_entered_is_named_and_not_a_file_in_it(tmp_path, monkeypatch):
    closed = tmp_path / "sets"
    path = closed / CIFAR10.base_folder / "data_batch_1"
    path.parent.mkdir(parents=True)
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda each, mode: each != closed and allowed(each, mode))
    found = diagnosed(
        CATALOG["cifar10_lt"], closed, CIFAR10, PermissionError(13, "Denied", str(path))
    )
    assert one_sentence(found, f"{closed} may not be read; change its permissions")


def test_a_tilde_in_the_folder_of_the_data_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LTBENCH_DATA", "~/data")
    assert data_root(None) == tmp_path / "data"
    assert data_root(Path("~/other")) == tmp_path / "other"


def test_without_leave_to_download_nothing_is_asked_of_the_network(tmp_path, addresses):
    with pytest.raises(LtbenchError, match="cifar10_lt is missing under"):
        read(CATALOG["cifar10_lt"], tmp_path, download=False)
    assert addresses == []


def test_missing_files_are_downloaded_quietly_and_checked_against_the_published_sum(
    tmp_path, monkeypatch, capsys
):
    files, train, _ = cifar_files()
    trust(monkeypatch, CIFAR10, files)
    wanted = []

    def deliver(url, download_root, filename, md5):
        wanted.append((url, md5))
        print("a progress bar")
        lay_down(Path(download_root) / CIFAR10.base_folder, files)

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", deliver)
    info = replace(CATALOG["cifar10_lt"], head_count=6, test_count=2)
    arrays = read(info, tmp_path)
    assert np.array_equal(arrays.train_images.transpose(0, 3, 1, 2), train[0])
    assert wanted == [(CIFAR10.url, "c58f30108f718f92721af3b95e74349a")]
    assert capsys.readouterr().out == ""


def test_a_download_that_brings_damaged_files_is_an_error(tmp_path, monkeypatch):
    def deliver(url, download_root, filename, md5):
        lay_down(Path(download_root) / CIFAR10.base_folder, cifar_files()[0])

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", deliver)
    with pytest.raises(LtbenchError) as caught:
        read(CATALOG["cifar10_lt"], tmp_path)
    assert one_sentence(caught.value, "is damaged", "another MD5 than was published")


# made-up Fashion-MNIST archives

FASHION = Dataset(replace(CATALOG["fashion_mnist_lt"], head_count=8, test_count=3), 4.0)


def idx(array):
    """An array in the idx format: magic number, sizes, bytes."""
    header = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def fashion(tmp_path, monkeypatch):
    """The folder of a small Fashion-MNIST archive that passes torchvision's check."""
    stream = np.random.RandomState(1)
    arrays = {}
    for part, per_class in (("train", 8), ("t10k", 3)):
        labels = stream.permutation(np.repeat(np.arange(10), per_class))
        arrays[f"{part}-images-idx3-ubyte"] = stream.randint(0, 256, (len(labels), 28, 28))
        arrays[f"{part}-labels-idx1-ubyte"] = labels
    packed = {f"{name}.gz": gzip.compress(idx(array)) for name, array in arrays.items()}
    monkeypatch.setattr(
        FashionMNIST, "resources", [(name, md5(packed[name])) for name, _ in FashionMNIST.resources]
    )
    raw = tmp_path / "FashionMNIST" / "raw"
    lay_down(raw, packed)
    return tmp_path, raw, arrays


def test_fashion_mnist_is_read_from_its_packed_files(fashion, addresses):
    root, _, arrays = fashion
    split = load(FASHION, root)
    labels = arrays["train-labels-idx1-ubyte"]
    indices = draw(labels, class_counts(8, 10, 4.0), 0)
    images = arrays["train-images-idx3-ubyte"][indices]
    assert split.class_counts == (8, 6, 5, 5, 4, 3, 3, 2, 2, 2)
    assert np.array_equal(split.train.images.squeeze(1).numpy(), images)
    assert np.array_equal(split.train.labels.numpy(), labels[indices])
    assert split.test.labels.bincount().tolist() == [3] * 10
    assert np.array_equal(split.test.images.squeeze(1).numpy(), arrays["t10k-images-idx3-ubyte"])
    assert addresses == []


def test_unpacked_fashion_mnist_needs_no_leave_to_download(fashion):
    root, raw, _ = fashion
    packed = load(FASHION, root)
    assert unverified_files(FASHION.info, root) == []
    unpack(raw)
    for file in raw.glob("*.gz"):
        file.unlink()
    unpacked = load(FASHION, root, download=False)
    assert same(packed.train, unpacked.train)
    assert same(packed.test, unpacked.test)
    assert set(unverified_files(FASHION.info, root)) == set(raw.iterdir())


def unpack(raw):
    for file in raw.glob("*.gz"):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))


def test_unpacked_noise_of_the_right_size_is_not_fashion_mnist(fashion):
    root, raw, arrays = fashion
    unpack(raw)
    load(FASHION, root)
    noise = np.random.RandomState(2).randint(0, 256, arrays["train-images-idx3-ubyte"].shape)
    (raw / "train-images-idx3-ubyte").write_bytes(idx(noise))
    with pytest.raises(LtbenchError) as caught:
        load(FASHION, root, download=False)
    words = "is damaged (it is not what train-images-idx3-ubyte.gz holds); delete that file"
    assert one_sentence(caught.value, words)


class Sprung:
    """A pickle that writes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickle_that_is_swapped_after_it_was_checked_is_never_run(tmp_path, monkeypatch):
    files, *_ = cifar_files()
    trust(monkeypatch, CIFAR10, files)
    folder, sprung = tmp_path / CIFAR10.base_folder, tmp_path / "sprung"
    lay_down(folder, files)
    real = hashlib.md5

    def swap(*given, **options):
        for name in files:
            (folder / name).write_bytes(pickle.dumps(Sprung(sprung)))
        return real(*given, **options)

    monkeypatch.setattr(hashlib, "md5", swap)
    info = replace(CATALOG["cifar10_lt"], head_count=6, test_count=2)
    with pytest.raises(LtbenchError, match="is damaged"):  # the files after the first
        read(info, tmp_path, download=False)
    assert not sprung.exists()


def test_the_hash_of_a_split_is_of_its_pixels_and_labels():
    split = load(DIGITS, NOWHERE, validation=2)
    seen = {pixels_sha256(split), pixels_sha256(load(DIGITS, NOWHERE, validation=2))}
    assert len(seen) == 1
    for part in ("train", "test", "validation"):
        for field in ("images", "labels"):
            subset = getattr(split, part)
            changed = getattr(subset, field).clone()
            changed[0] += 1
            other = replace(split, **{part: replace(subset, **{field: changed})})
            seen.add(pixels_sha256(other))
    assert len(seen) == 7


def test_a_packed_fashion_mnist_file_with_another_sum_is_not_read(fashion, addresses):
    root, raw, _ = fashion
    (raw / "t10k-labels-idx1-ubyte.gz").write_bytes(b"cut off")
    with pytest.raises(LtbenchError) as caught:
        load(FASHION, root)
    assert one_sentence(caught.value, "fashion_mnist_lt", str(root), "--data-root")
    assert addresses[0].endswith("t10k-labels-idx1-ubyte.gz")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(idx(np.zeros((80, 28, 28)))[:5000], id="truncated"),
        pytest.param(b"<html>404 Not Found</html>", id="a web page"),
        pytest.param(b"\0\0\x0a\3" + bytes(12), id="an unknown type"),
        pytest.param(struct.pack(">2I", 0xC02, 0) + bytes(8), id="another type"),
    ],
)
@pytest.mark.parametrize("victim", ["train-images-idx3-ubyte", "t10k-images-idx3-ubyte"])
def test_a_damaged_unpacked_fashion_mnist_file_is_an_error_with_its_remedy(
    fashion, victim, content
):
    root, raw, _ = fashion
    unpack(raw)
    (raw / f"{victim}.gz").unlink()
    load(FASHION, root, download=False)
    (raw / victim).write_bytes(content)
    with pytest.raises(LtbenchError) as caught:
        load(FASHION, root)
    assert one_sentence(caught.value, f"{raw / victim} of fashion_mnist_lt is damaged")


def test_an_archive_with_fewer_images_than_the_catalogue_promises_is_an_error(fashion):
    root, *_ = fashion
    larger = Dataset(replace(FASHION.info, head_count=9), 4.0)
    with pytest.raises(LtbenchError) as caught:
        load(larger, root)
    assert one_sentence(caught.value, "fashion_mnist_lt", str(root))


def test_an_archive_with_more_labels_than_images_is_an_error(fashion):
    root, raw, arrays = fashion
    (raw / "train-images-idx3-ubyte.gz").unlink()
    images = arrays["train-images-idx3-ubyte"]
    (raw / "train-images-idx3-ubyte").write_bytes(idx(images[:10]))
    with pytest.raises(LtbenchError) as caught:
        load(FASHION, root)
    assert one_sentence(caught.value, "fashion_mnist_lt", str(root))


# the real files

if os.environ.get("LTBENCH_DATA"):
    REAL = Path(os.environ["LTBENCH_DATA"])

    # SHA-256 prefixes of index lists made apart from this package by the same published rule
    REAL_INDICES = {
        "cifar10_lt": {
            10: "a17d69f192b1cf6d",
            20: "fed8b23a7a778a40",
            50: "d7edcfaf02772bee",
            100: "4bf45bff8878d278",
            200: "a88004a1d1361093",
        },
        "cifar100_lt": {
            10: "b4fbf1bf0a7f3338",
            20: "1410f105fffda315",
            50: "561fa940cc7d3551",
            100: "e0d58a4d2700c460",
            200: "2f00ccd33da379d5",
        },
    }

    @cache
    def real(name):
        return read(CATALOG[name], REAL, download=False)

    @pytest.mark.parametrize("imbalance", [10, 20, 50, 100, 200])
    @pytest.mark.parametrize("name", REAL_INDICES)
    def test_the_real_labels_give_the_published_indices(name, imbalance):
        info = CATALOG[name]
        counts = class_counts(info.head_count, info.classes, imbalance)
        indices = draw(real(name).train_labels, counts, 0)
        assert fingerprint(indices)[:16] == REAL_INDICES[name][imbalance]

    @pytest.mark.parametrize("name", REAL_INDICES)
    def test_the_real_images_have_their_shapes_and_counts(name):
        arrays, info = real(name), CATALOG[name]
        assert arrays.train_images.shape == (50000, 32, 32, 3)
        assert arrays.test_images.shape == (10000, 32, 32, 3)
        assert arrays.train_images.dtype == arrays.test_images.dtype == np.uint8
        assert np.bincount(arrays.train_labels).tolist() == [info.head_count] * info.classes
        assert np.bincount(arrays.test_labels).tolist() == [info.test_count] * info.classes

    def test_the_catalogue_knows_the_mean_of_the_real_cifar10():
        images = real("cifar10_lt").train_images
        mean = images.mean(axis=(0, 1, 2)) / 255
        assert mean == pytest.approx(CATALOG["cifar10_lt"].mean, abs=1e-4)

    def test_the_long_tailed_cifar100_loads_whole():
        split = load(dataset("cifar100_lt"), REAL, download=False)
        assert split.indices_sha256.startswith(REAL_INDICES["cifar100_lt"][100])
        assert split.train.images.shape == (10847, 3, 32, 32)
        assert tuple(split.train.labels.bincount().tolist()) == split.class_counts
        assert split.test.images.shape == (10000, 3, 32, 32)
        first = draw(real("cifar100_lt").train_labels, [1], 0)
        expected = real("cifar100_lt").train_images[first].transpose(0, 3, 1, 2)
        assert np.array_equal(split.train.images[:1].numpy(), expected)
