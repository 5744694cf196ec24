"""The data sets ltbench knows, as plain facts. Imports nothing heavy, so the CLI can list them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ltbench.errors import UsageError, unknown
from ltbench.specification import Term, parse_one

MANY_ABOVE = 100  # classes with more training images than this are "many" (Liu et al. 2019)
FEW_BELOW = 20  # and with fewer than this "few"; the rest are "medium"


@dataclass(frozen=True)
class DatasetInfo:
    """What is fixed about a data set before any image is read."""

    name: str
    title: str
    classes: int
    head_count: int  # training images of the largest class, n_max
    test_count: int  # test images per class
    shape: tuple[int, int, int]  # channels, height, width
    mean: tuple[float, ...]
    std: tuple[float, ...]
    imbalance: float  # the default ratio r = n_max / n_min
    network: str
    protocol: str
    family: str  # which protocols apply
    padding: int  # of the random crop, in pixels
    flip: bool  # whether a mirrored image keeps its label
    source: str


# Both CIFARs are normalised by CIFAR-10's constants, as every LDAM-DRW descendant does.
_CIFAR_MEAN, _CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)

CATALOG: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            "cifar10_lt", "CIFAR-10-LT", 10, 5000, 1000, (3, 32, 32), _CIFAR_MEAN, _CIFAR_STD,
            100, "resnet32", "paper", "cifar", 4, True, "downloaded by torchvision (163 MB)",
        ),
        DatasetInfo(
            "cifar100_lt", "CIFAR-100-LT", 100, 500, 100, (3, 32, 32), _CIFAR_MEAN, _CIFAR_STD,
            100, "resnet32", "paper", "cifar", 4, True, "downloaded by torchvision (161 MB)",
        ),
        DatasetInfo(
            "fashion_mnist_lt", "Fashion-MNIST-LT", 10, 6000, 1000, (1, 28, 28), (0.2860,),
            (0.3530,), 100, "resnet8", "fast", "fashion", 4, True,
            "downloaded by torchvision (30 MB)",
        ),
        DatasetInfo(
            "digits_lt", "Digits-LT", 10, 120, 50, (1, 8, 8), (0.3053,), (0.3760,),
            20, "resnet8", "fast", "digits", 1, False,
            "1,797 handwritten 8 x 8 digits that come with scikit-learn; no download",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Dataset:
    """A data set at one imbalance ratio; `str()` is its canonical specification."""

    info: DatasetInfo
    imbalance: float

    def __str__(self) -> str:
        return f"{self.info.name}(imbalance={self.ratio})"

    @property
    def ratio(self) -> str:
        """Return the imbalance ratio as people write it; it reads back as the same number."""
        return _shortest(self.imbalance)

    @cached_property
    def title(self) -> str:
        """Return the name as papers print it, with the ratio."""
        return f"{self.info.title}, r = {self.ratio}"


def dataset(specification: str, imbalance: float | None = None) -> Dataset:
    """Return the data set of `cifar100_lt` or `cifar100_lt(imbalance=50)`.

    `imbalance` is used where the specification gives none; else the data set's default.
    Raises UsageError for an unknown name or parameter, or a ratio that is not at least 1.
    """
    term = parse_one(specification, "data set")
    if term.name not in CATALOG:
        raise unknown("data set", term.name, CATALOG)
    usual = CATALOG[term.name].imbalance if imbalance is None else imbalance
    ratio = _parameters(term).get("imbalance", usual)
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 1 <= ratio < 1e6:
        raise UsageError(f"imbalance {ratio!r} must be a ratio n_max / n_min of at least 1.")
    return Dataset(CATALOG[term.name], float(ratio))


def _parameters(term: Term) -> Mapping[str, Any]:
    extra = set(term.parameters) - {"imbalance"}
    if extra or term.variant:
        culprit = sorted(extra)[0] if extra else f"@{term.variant}"
        raise UsageError(f"data set {term.name} has no parameter {culprit}; it takes imbalance.")
    return term.parameters


def _shortest(ratio: float) -> str:
    """Return a number as people write it, and so that it reads back as the same number."""
    return str(int(ratio)) if ratio == int(ratio) else repr(ratio)
