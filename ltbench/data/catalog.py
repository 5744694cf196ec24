"""The data sets ltbench knows, as plain facts. Imports nothing heavy, so the CLI can list them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ltbench.data import profile as profiles
from ltbench.data.profile import FEW_BELOW, MANY_ABOVE, PROFILES, Profile
from ltbench.errors import UsageError, unknown
from ltbench.specification import Term, parse_one


@dataclass(frozen=True, kw_only=True)
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
    padding: int = 0  # of the random crop, in pixels
    flip: bool = True  # whether a mirrored image keeps its label
    source: str  # where its images come from, in words
    reader: str | None  # its reader in `data.readers`; None: only papers have it, nothing runs it
    listed: bool = False  # it comes as a list of images, at one ratio; else subsets are drawn
    counts: tuple[int, ...] | None = None  # images of each class in the list
    test_counts: tuple[int, ...] | None = None  # test images of each class, where they differ
    validated: bool = False  # it has validation images of its own
    many_above: int = MANY_ABOVE
    few_below: int = FEW_BELOW
    variant: str = ""  # of a set of one's own: h and the first digits of its hash
    file: Path | None = None  # that describes it


# Both CIFARs are normalised by CIFAR-10's constants, as every LDAM-DRW descendant does.
_CIFAR_MEAN, _CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PREPARED = "images and published lists of your own, packed by `ltbench data prepare`"

# All that tables may name.
KNOWN: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            name="cifar10_lt", title="CIFAR-10-LT", classes=10, head_count=5000, test_count=1000,
            shape=(3, 32, 32), mean=_CIFAR_MEAN, std=_CIFAR_STD, imbalance=100,
            network="resnet32", protocol="paper", family="cifar", padding=4,
            source="downloaded by torchvision (163 MB)", reader="cifar10",
        ),
        DatasetInfo(
            name="cifar100_lt", title="CIFAR-100-LT", classes=100, head_count=500, test_count=100,
            shape=(3, 32, 32), mean=_CIFAR_MEAN, std=_CIFAR_STD, imbalance=100,
            network="resnet32", protocol="paper", family="cifar", padding=4,
            source="downloaded by torchvision (161 MB)", reader="cifar100",
        ),
        DatasetInfo(
            name="fashion_mnist_lt", title="Fashion-MNIST-LT", classes=10, head_count=6000,
            test_count=1000, shape=(1, 28, 28), mean=(0.2860,), std=(0.3530,), imbalance=100,
            network="resnet8", protocol="fast", family="fashion", padding=4,
            source="downloaded by torchvision (30 MB)", reader="fashion_mnist",
        ),
        DatasetInfo(
            name="digits_lt", title="Digits-LT", classes=10, head_count=120, test_count=50,
            shape=(1, 8, 8), mean=(0.3053,), std=(0.3760,), imbalance=20,
            network="resnet8", protocol="fast", family="digits", padding=1, flip=False,
            source="1,797 handwritten 8 x 8 digits that come with scikit-learn; no download",
            reader="digits",
        ),
        DatasetInfo(
            name="imagenet_lt", title="ImageNet-LT", classes=1000, head_count=1280, test_count=50,
            shape=(3, 224, 224), mean=_IMAGENET_MEAN, std=_IMAGENET_STD, imbalance=256,
            network="resnet50", protocol="paper", family="imagenet_lt", source=_PREPARED,
            reader="lists", listed=True, validated=True,
        ),
        DatasetInfo(
            name="places_lt", title="Places-LT", classes=365, head_count=4980, test_count=100,
            shape=(3, 224, 224), mean=_IMAGENET_MEAN, std=_IMAGENET_STD, imbalance=996,
            network="resnet152", protocol="paper", family="places_lt", source=_PREPARED,
            reader="lists", listed=True, validated=True,
        ),
        DatasetInfo(
            name="inaturalist2018", title="iNaturalist 2018", classes=8142, head_count=1000,
            test_count=3, shape=(3, 224, 224), mean=(0.466, 0.471, 0.380),
            std=(0.195, 0.194, 0.192), imbalance=500, network="resnet50", protocol="paper",
            family="inaturalist2018", source=_PREPARED, reader="lists", listed=True,
        ),
    )
}  # fmt: skip

# What this version can read.
CATALOG = {name: info for name, info in KNOWN.items() if info.reader is not None}


def register(info: DatasetInfo) -> None:
    """Make a data set of one's own known by its name, in this process.

    Raises UsageError for the name of another: ltbench's own, or that of another file.
    """
    other = KNOWN.get(info.name)
    if other is not None and other.file != info.file:
        whose = f"described by {other.file}" if other.file else "a data set of ltbench"
        raise UsageError(f"{info.file}: {info.name} is {whose}; choose another name.")
    KNOWN[info.name] = CATALOG[info.name] = info


@dataclass(frozen=True)
class Dataset:
    """A data set at one imbalance ratio; `str()` is its canonical specification."""

    info: DatasetInfo
    imbalance: float
    profile: Profile = "exponential"

    def __str__(self) -> str:
        info = self.info
        name = f"{info.name}@{info.variant}" if info.variant else info.name
        if info.listed:
            return name
        profile = "" if self.profile == "exponential" else f", profile={self.profile!r}"
        return f"{name}(imbalance={self.ratio}{profile})"

    @property
    def ratio(self) -> str:
        """Return the imbalance ratio as people write it; nothing where there is only one.

        It reads back as the same number.
        """
        return "" if self.info.listed else _shortest(self.imbalance)

    @property
    def series(self) -> str:
        """Return the name as papers print it, the same at all ratios of one profile."""
        return self.info.title + ("" if self.profile == "exponential" else f", {self.profile}")

    @cached_property
    def title(self) -> str:
        """Return the name as papers print it, with the ratio where there are several."""
        return self.series if self.info.listed else f"{self.series}, r = {self.ratio}"

    @property
    def reported_imbalance(self) -> float | None:
        """Return the ratio in papers' CSV files; None for a set that has only one."""
        return None if self.info.listed else self.imbalance

    @property
    def available(self) -> bool:
        """Return whether this version can read it."""
        return self.info.reader is not None

    def class_counts(self, *, fraction: float = 1.0, validation: int = 0) -> tuple[int, ...]:
        """Return the training images of each class, [C].

        `fraction` of each class is kept, at least one image, and of those `validation` are held
        out. Raises UsageError where that leaves a class without any, or the list is not here.
        """
        info = self.info
        whole: Sequence[int] = info.counts or (
            profiles.published_counts(info.name)
            if info.listed
            else profiles.class_counts(info.head_count, info.classes, self.imbalance, self.profile)
        )
        kept = [max(1, round(count * fraction)) for count in whole]
        if min(kept) <= validation:
            raise UsageError(
                f"validation={validation} leaves class {kept.index(min(kept))} with no training "
                f"image of its {min(kept)}; hold out fewer or choose a smaller imbalance."
            )
        return tuple(count - validation for count in kept)

    def test_counts(self, fraction: float = 1.0) -> tuple[int, ...]:
        """Return the test images of each class, [C]; `fraction` is kept, at least one."""
        info = self.info
        whole = info.test_counts or (info.test_count,) * info.classes
        return tuple(max(1, round(count * fraction)) for count in whole)


def dataset(specification: str, imbalance: float | None = None) -> Dataset:
    """Return the data set of `cifar100_lt` or `cifar100_lt(imbalance=50, profile='step')`.

    `imbalance` is used where the specification gives none; else the data set's default.
    Raises UsageError for an unknown name, parameter or profile, or a ratio that is not at least 1.
    """
    term = parse_one(specification, "data set")
    if term.name in KNOWN and term.name not in CATALOG:
        title, others = KNOWN[term.name].title, ", ".join(CATALOG)
        raise UsageError(f"{title} cannot be read by this version of ltbench; it has {others}.")
    if term.name not in CATALOG:
        raise unknown(
            "data set", term.name, CATALOG, "Images of your own come with --data mine.yaml."
        )
    return _at(CATALOG[term.name], term, imbalance)


def known(specification: str) -> Dataset:
    """Return the data set of a specification, readable here or only reported on by papers."""
    term = parse_one(specification, "data set")
    if term.name not in KNOWN:
        return dataset(specification)
    return _at(KNOWN[term.name], term, None)


def _at(info: DatasetInfo, term: Term, imbalance: float | None) -> Dataset:
    """Return a data set at the ratio of its specification, else that given, else its own."""
    if info.variant and term.variant not in ("", info.variant):
        raise UsageError(
            f"data set {info.name} is {info.name}@{info.variant} here, not @{term.variant}: other "
            "images, or another description of them."
        )
    if info.listed:
        if term.parameters or (term.variant and not info.variant):
            raise UsageError(f"data set {info.name} takes no parameter; write its name alone.")
        if imbalance is not None:
            raise UsageError(f"data set {info.name} comes with its own imbalance; give none.")
        return Dataset(info, info.imbalance)
    usual = info.imbalance if imbalance is None else imbalance
    ratio = _parameters(info, term).get("imbalance", usual)
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 1 <= ratio < 1e6:
        raise UsageError(f"imbalance {ratio!r} must be a ratio n_max / n_min of at least 1.")
    profile = _parameters(info, term).get("profile", PROFILES[0])
    if profile not in PROFILES:
        raise unknown(f"profile of {info.name}", str(profile), PROFILES)
    return Dataset(info, float(ratio), profile)


def _parameters(info: DatasetInfo, term: Term) -> Mapping[str, Any]:
    extra = sorted(set(term.parameters) - {"imbalance", "profile"})
    if term.variant and not info.variant:
        extra.append(f"@{term.variant}")
    if extra:
        raise UsageError(
            f"data set {term.name} has no parameter {extra[0]}; it takes imbalance and profile."
        )
    return term.parameters


def _shortest(ratio: float) -> str:
    """Return a number as people write it, and so that it reads back as the same number."""
    return str(int(ratio)) if ratio == int(ratio) else repr(ratio)
