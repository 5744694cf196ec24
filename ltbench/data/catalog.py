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

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_UNREAD = "ltbench cannot read it yet"

# What papers report on and ltbench cannot train on yet: tables name them, nothing runs them.
PLANNED: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            "imagenet_lt", "ImageNet-LT", 1000, 1280, 50, (3, 224, 224), *_IMAGENET,
            256, "resnet50", "paper", "large", 0, True, _UNREAD,
        ),
        DatasetInfo(
            "places_lt", "Places-LT", 365, 4980, 100, (3, 224, 224), *_IMAGENET,
            996, "resnet152", "paper", "large", 0, True, _UNREAD,
        ),
        DatasetInfo(
            "inaturalist2018", "iNaturalist 2018", 8142, 1000, 3, (3, 224, 224),
            (0.466, 0.471, 0.380), (0.195, 0.194, 0.192),
            500, "resnet50", "paper", "large", 0, True, _UNREAD,
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

    @property
    def reported_imbalance(self) -> float | None:
        """Return the ratio by which papers tell it apart, if they do."""
        return self.imbalance

    @property
    def available(self) -> bool:
        """Return whether this version can read it."""
        return True


class Planned(Dataset):
    """A data set that exists at one ratio only and that this version cannot read."""

    def __str__(self) -> str:
        return self.info.name

    @cached_property
    def title(self) -> str:
        """Return the name as papers print it; there is one ratio, so they print none."""
        return self.info.title

    ratio = ""
    reported_imbalance = None
    available = False


def dataset(specification: str, imbalance: float | None = None) -> Dataset:
    """Return the data set of `cifar100_lt` or `cifar100_lt(imbalance=50)`.

    `imbalance` is used where the specification gives none; else the data set's default.
    Raises UsageError for an unknown name or parameter, or a ratio that is not at least 1.
    """
    term = parse_one(specification, "data set")
    if term.name in PLANNED:
        title, others = PLANNED[term.name].title, ", ".join(CATALOG)
        raise UsageError(f"{title} cannot be read by this version of ltbench; it has {others}.")
    if term.name not in CATALOG:
        raise unknown("data set", term.name, CATALOG)
    usual = CATALOG[term.name].imbalance if imbalance is None else imbalance
    ratio = _parameters(term).get("imbalance", usual)
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 1 <= ratio < 1e6:
        raise UsageError(f"imbalance {ratio!r} must be a ratio n_max / n_min of at least 1.")
    return Dataset(CATALOG[term.name], float(ratio))


def known(specification: str) -> Dataset:
    """Return the data set of a specification, also one that papers report on and nothing runs."""
    term = parse_one(specification, "data set")
    if term.name not in PLANNED:
        return dataset(specification)
    if term.parameters or term.variant:
        raise UsageError(f"data set {term.name} takes no parameter; write its name alone.")
    return Planned(PLANNED[term.name], PLANNED[term.name].imbalance)


def _parameters(term: Term) -> Mapping[str, Any]:
    extra = set(term.parameters) - {"imbalance"}
    if extra or term.variant:
        culprit = sorted(extra)[0] if extra else f"@{term.variant}"
        raise UsageError(f"data set {term.name} has no parameter {culprit}; it takes imbalance.")
    return term.parameters


def _shortest(ratio: float) -> str:
    """Return a number as people write it, and so that it reads back as the same number."""
    return str(int(ratio)) if ratio == int(ratio) else repr(ratio)
