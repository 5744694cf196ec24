"""From a data set's specification to its images: torchvision's own classes, or scikit-learn's."""

import hashlib
import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltbench.data.arrays import Arrays, Images
from ltbench.data.catalog import Dataset
from ltbench.data.diagnosis import diagnosed, files_of, misplaced, unverified
from ltbench.data.info import DatasetInfo
from ltbench.data.kind import Kind
from ltbench.data.own import READER, arrays_of
from ltbench.data.published import packed_array, pickles
from ltbench.data.source import Source
from ltbench.data.splits import Indices, draw, fingerprint, hold_out
from ltbench.errors import LtbenchError

DIGITS_SPLIT_SEED = 0  # which digits are test images, at any imbalance


@dataclass(frozen=True)
class Subset:
    """Images [N, C, H, W] in uint8 with labels [N] in int64, or of several each [N, C], float32."""

    images: Tensor
    labels: Tensor

    @classmethod
    def noise(
        cls, counts: Tensor, shape: tuple[int, int, int], draw: torch.Generator,
        kind: Kind = "single",
    ) -> "Subset":  # fmt: skip
        """Return random bytes as images of a shape, counts[c] of class c, class by class.

        Of several labels each they have the next class's, too.
        """
        labels = torch.arange(len(counts)).repeat_interleave(counts)
        size = (len(labels), *shape)
        if kind == "multi":
            own = torch.eye(len(counts))
            labels = (own + own.roll(1, dims=1)).clamp_max(1)[labels]
        return cls(torch.randint(256, size, generator=draw, dtype=torch.uint8), labels)

    def to(self, device: torch.device) -> "Subset":
        """Return a copy of the subset on a device."""
        return Subset(self.images.to(device, copy=True), self.labels.to(device, copy=True))

    def part(self, where: slice) -> "Subset":
        """Return some of the images."""
        return Subset(self.images[where], self.labels[where])

    def pictures(self, indices: Tensor, side: int) -> Tensor:
        """Return the images at some indices; their side is what it is."""
        return self.images[indices]

    def content(self) -> tuple[memoryview, ...]:
        """Return the bytes of images and labels."""
        parts = (self.images, self.labels)
        return tuple(tensor.cpu().contiguous().numpy().data for tensor in parts)


@dataclass(frozen=True)
class Split:
    """A long-tailed training set, the test set, and perhaps images to select on."""

    train: Source
    test: Source
    validation: Source | None  # held-out training images, else the set's own
    class_counts: tuple[int, ...]  # of `train`
    indices_sha256: str  # of the training indices in the data set's own order
    held_out: int = 0  # training images of each class in `validation`
    class_names: tuple[str, ...] = ()  # that came with the images; else the set's own


def pixels_sha256(split: Split) -> str:
    """Return the SHA-256 of a split's images and labels: training, test and held-out ones."""
    found = hashlib.sha256()
    for subset in filter(None, (split.train, split.test, split.validation)):
        for part in subset.content():
            found.update(part)
    return found.hexdigest()


def load(
    dataset: Dataset,
    root: Path,
    *,
    subset_seed: int = 0,
    validation: int = 0,
    fraction: float = 1.0,
    download: bool = True,
) -> Split:
    """Return the split of a data set; missing files are downloaded where `download` allows.

    `fraction` keeps that share of each class's training and test images, at least one.
    Raises LtbenchError for missing or damaged files, UsageError for an impossible split.
    """
    info = dataset.info
    counts = dataset.class_counts(fraction=fraction, validation=validation)
    arrays = read(info, root, download)
    _check_sizes(info, root, arrays)
    drawn = draw(arrays.train_labels, [count + validation for count in counts], subset_seed)
    held: Subset | None = None
    if validation:
        kept_at, held_at = hold_out(arrays.train_labels[drawn], validation)
        drawn, apart = drawn[kept_at], drawn[held_at]
        held = _subset(arrays.train_images, arrays.train_labels, apart)
    elif arrays.validation_images is not None and arrays.validation_labels is not None:
        whole = np.arange(len(arrays.validation_labels))
        held = _subset(arrays.validation_images, arrays.validation_labels, whole)
    tested = _leading(arrays.test_labels, dataset.test_counts(fraction))
    return Split(
        train=_subset(arrays.train_images, arrays.train_labels, drawn),
        test=_subset(arrays.test_images, arrays.test_labels, tested),
        validation=held,
        class_counts=counts,
        indices_sha256=fingerprint(drawn),
        held_out=validation,
    )


def read(info: DatasetInfo, root: Path, download: bool = True) -> Arrays:
    """Return a data set's arrays, downloading its archive with torchvision's MD5 check if needed.

    Raises LtbenchError, with the command that mends it, for files that are missing or damaged.
    """
    assert info.reader is not None
    return _READERS[info.reader](info, root, download)


def _cifar(info: DatasetInfo, root: Path, download: bool) -> Arrays:
    from torchvision.datasets import CIFAR10, CIFAR100  # noqa: PLC0415  (slow: only when used)

    reader = {"cifar10": CIFAR10, "cifar100": CIFAR100}[info.reader or ""]

    def part(listed: list[tuple[str, str]]) -> tuple[Images, Indices]:
        found = list(pickles(root / reader.base_folder, listed))
        planes = np.vstack([each["data"] for each in found]).reshape(-1, 3, 32, 32)
        labels = [each["labels" if "labels" in each else "fine_labels"] for each in found]
        return planes.transpose(0, 2, 3, 1), np.concatenate(labels).astype(np.int64)

    def whole() -> Arrays:
        return Arrays(*part(reader.train_list), *part(reader.test_list))

    return _torchvision(info, root, download, reader, whole)


def _fashion_mnist(info: DatasetInfo, root: Path, download: bool) -> Arrays:
    from torchvision.datasets import FashionMNIST  # noqa: PLC0415

    def whole() -> Arrays:
        found = [packed_array(*each) for each in files_of(root, FashionMNIST)]
        images, labels, test_images, test_labels = found
        return Arrays(
            images[..., None], labels.astype(np.int64),
            test_images[..., None], test_labels.astype(np.int64),
        )  # fmt: skip

    return _torchvision(info, root, download, FashionMNIST, whole)


def _torchvision(
    info: DatasetInfo, root: Path, download: bool, reader: Any, whole: Callable[[], Arrays]
) -> Arrays:
    """Return what `whole` reads of the files that one of torchvision's classes downloads."""
    problem: Exception
    try:
        return whole()
    except Exception as error:  # a damaged file breaks a reader in many ways
        problem = error
    hopeless = isinstance(problem, MemoryError | PermissionError) or misplaced(root, reader)
    if download and not hopeless:
        try:
            with redirect_stdout(io.StringIO()):
                files = object.__new__(reader)  # whose __init__ would read them, too
                files.root = root
                files.download()
            return whole()
        except Exception as error:  # whatever the network or the archive brings
            problem = error
    raise diagnosed(info, root, reader, problem)


def unverified_files(info: DatasetInfo, root: Path) -> list[Path]:
    """Return the files of a data set that were read and could not be checked."""
    from torchvision.datasets import FashionMNIST  # noqa: PLC0415

    return unverified(root, FashionMNIST) if info.reader == "fashion_mnist" else []


def _digits(info: DatasetInfo, root: Path, download: bool) -> Arrays:
    from sklearn.datasets import load_digits  # noqa: PLC0415

    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    labels = bunch.target.astype(np.int64)
    per_class = [info.test_count] * info.classes
    test = draw(labels, per_class, DIGITS_SPLIT_SEED)
    train = np.setdiff1d(np.arange(len(labels)), test)
    return Arrays(images[train], labels[train], images[test], labels[test])


_READERS: dict[str, Callable[[DatasetInfo, Path, bool], Arrays]] = {
    "cifar10": _cifar,
    "cifar100": _cifar,
    "fashion_mnist": _fashion_mnist,
    "digits": _digits,
    READER: arrays_of,
}


def readers() -> list[str]:
    """Return the readers that a data set of the catalogue may name."""
    return sorted(_READERS)


def _check_sizes(info: DatasetInfo, root: Path, arrays: Arrays) -> None:
    """Raise LtbenchError unless every class has the images that the catalogue promises."""
    if info.file is not None:
        return  # it promises what was counted
    sizes = (
        ("training", arrays.train_images, arrays.train_labels, info.head_count),
        ("test", arrays.test_images, arrays.test_labels, info.test_count),
    )
    for part, images, labels, promised in sizes:
        found = np.bincount(labels, minlength=info.classes)
        if len(images) != len(labels) or len(found) != info.classes or found.min() < promised:
            raise LtbenchError(
                f"the {part} set of {info.name} under {root} has {len(images)} images, "
                f"{len(labels)} labels and {found.min()} in its smallest class, not at least "
                f"{promised}; name the folder of the whole set with --data-root or LTBENCH_DATA."
            )


def _subset(images: Images, labels: Indices, chosen: Indices) -> Subset:
    pictures = torch.from_numpy(images[chosen]).permute(0, 3, 1, 2).contiguous()
    return Subset(pictures, torch.from_numpy(labels[chosen]))


def _leading(labels: Indices, counts: Sequence[int]) -> Indices:
    chosen = [np.flatnonzero(labels == c)[:count] for c, count in enumerate(counts)]
    return np.sort(np.concatenate(chosen))
